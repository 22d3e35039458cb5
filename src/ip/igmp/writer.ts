/**
 * Writing IGMP messages into packets: RFC 9776 §4.2, RFC 2236 §2. Each goes out with TTL 1, precedence 6 and the
 * Router Alert option (RFC 9776 §4), to the address that its version asks for.
 */
import { copyBytes } from '../../base/bytes.ts';
import { Drop } from '../../base/drop.ts';
import type { Instant } from '../../base/time.ts';
import type { Packet } from '../../packet/packet.ts';
import * as igmp from '../../wire/igmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as options4 from '../../wire/ipv4-options.ts';
import { ATOMIC_ID } from '../ip-id.ts';
import type { IgmpHost } from './host.ts';

const HEADER_BYTES = 24;
const TOS = 0xc0;
const TTL = 1;

/** A report must not need fragments (RFC 9776 §4.2.16); every link that has groups at all carries this much. */
const REPORT_BYTES_MAX = 576;

const { ModeIsExclude, ChangeToExclude } = igmp.RecordType;

export class IgmpWriter {
  readonly #host: IgmpHost;
  /** The version 3 report under way, and where its next record begins. */
  #report: Packet | null = null;
  #end = 0;
  /** Messages sent. */
  sent = 0;

  constructor(host: IgmpHost) {
    this.#host = host;
  }

  /** A report of version 1 or 2, or a leave: eight bytes. */
  send(now: Instant, type: number, group: number, dst: number): void {
    const packet = this.#take();
    if (packet === null) return;
    packet.tail = igmp.write(packet.view, packet.l4, type, 0, group);
    this.#finish(now, packet, dst);
  }

  /** Adds a record to the report under way, beginning and ending reports as their length requires. */
  record(now: Instant, type: number, group: number, sources: Iterable<number>): void {
    if (!this.#makeRoom(now, igmp.RECORD_BYTES)) return;
    let record = this.#beginRecord(type, group);
    for (const source of sources) {
      if (this.#room() < 4) {
        // RFC 9776 §4.2.16: a list of excluded sources that does not fit one report is cut, because two records
        // would say that only what both exclude is excluded. Other lists go on in a further report.
        const isExclude = type === ModeIsExclude || type === ChangeToExclude;
        if (isExclude && record === igmp.firstRecord((this.#report as Packet).l4)) return;
        if (isExclude) {
          this.#moveRecord(now, record);
          if (this.#report === null) return;
          record = igmp.firstRecord(this.#report.l4);
        } else {
          this.flush(now);
          if (!this.#makeRoom(now, igmp.RECORD_BYTES)) return;
          record = this.#beginRecord(type, group);
        }
      }
      this.#end = igmp.appendRecordSource((this.#report as Packet).view, record, this.#end, source);
    }
  }

  /** Sends the report under way, if there is one. */
  flush(now: Instant): void {
    const report = this.#report;
    if (report === null) return;
    this.#report = null;
    report.tail = this.#end;
    igmp.fillChecksum(report.view, report.l4, report.tail);
    this.#finish(now, report, igmp.ALL_V3_ROUTERS);
  }

  #room(): number {
    const report = this.#report;
    return report === null ? 0 : report.l3 + REPORT_BYTES_MAX - this.#end;
  }

  /** False when there is no slot: what was to be reported is lost, as on a wire, and repeated as after a loss. */
  #makeRoom(now: Instant, bytes: number): boolean {
    if (this.#room() < bytes) this.flush(now);
    if (this.#report !== null) return true;
    const packet = this.#take();
    if (packet === null) return false;
    this.#report = packet;
    this.#end = igmp.writeReport3(packet.view, packet.l4);
    return true;
  }

  #beginRecord(type: number, group: number): number {
    const report = this.#report as Packet;
    const record = this.#end;
    this.#end = igmp.appendRecord(report.view, report.l4, record, type, group);
    return record;
  }

  /** Sends all records but the last, which begins a report of its own. */
  #moveRecord(now: Instant, record: number): void {
    const old = this.#report as Packet;
    const packet = this.#take();
    const end = this.#end;
    this.#end = record;
    old.view.setUint16(old.l4 + 6, igmp.recordCount(old.view, old.l4) - 1);
    if (packet !== null) {
      const at = igmp.writeReport3(packet.view, packet.l4);
      copyBytes(packet.bytes, at, old.bytes, record, end - record);
      packet.view.setUint16(packet.l4 + 6, 1);
      this.flush(now);
      this.#report = packet;
      this.#end = at + end - record;
    } else {
      this.flush(now);
    }
  }

  #take(): Packet | null {
    const packet = this.#host.pool.take();
    if (packet === null) this.#host.drops.count(Drop.NoSlot);
    else packet.l4 = packet.l3 + HEADER_BYTES;
    return packet;
  }

  #finish(now: Instant, packet: Packet, dst: number): void {
    const { view, l3, tail } = packet;
    const { source } = this.#host;
    ipv4.write(view, l3, tail - l3, TOS, ATOMIC_ID, ipv4.Flag.Df, TTL, ipv4.Protocol.Igmp, source, dst);
    options4.writeRouterAlert(view, options4.first(l3));
    ipv4.setHeaderLength(view, l3, HEADER_BYTES);
    this.sent++;
    this.#host.sendMulticast(now, packet);
  }
}
