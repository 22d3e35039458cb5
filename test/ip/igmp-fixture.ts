/**
 * IGMP on a fake interface, in virtual time: what leaves it is checked, and kept as a line of text each.
 */
import type { Test } from 'tap';
import type { Instant } from '../../src/base/time.ts';
import { after, START, sec } from '../../src/base/time.ts';
import type { IgmpHost } from '../../src/ip/igmp/host.ts';
import type { IgmpVersion } from '../../src/ip/igmp/igmp.ts';
import { Igmp } from '../../src/ip/igmp/igmp.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { describe } from '../../src/wire/describe.ts';
import * as igmp from '../../src/wire/igmp.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as options4 from '../../src/wire/ipv4-options.ts';
import { type Ip4Fields, ip, isHeaderRight, Lab } from './fixture.ts';

export const GROUP = '239.1.2.3';
export const OTHER = '239.9.9.9';
export const S1 = '192.0.2.1';
export const S2 = '192.0.2.2';
export const S3 = '192.0.2.3';
const ROUTER_ALERT = [148, 4, 0, 0];

/** An interface with 10.77.0.2 that writes down what leaves it. */
export class IgmpLab extends Lab implements IgmpHost {
  source: number = ip('10.77.0.2');
  readonly igmp: Igmp;
  now: Instant = START;
  /** `to: records` of each message since it was last read. */
  #log: string[] = [];
  #times: Instant[] = [];
  areHeadersRight = true;

  constructor(version: IgmpVersion = 3, seed = 1) {
    super(8, seed);
    this.igmp = new Igmp(this, this.rng.fork('igmp'), version);
  }

  sendMulticast(now: Instant, packet: Packet): void {
    const { view, l3, l4, tail } = packet;
    this.areHeadersRight &&=
      isHeaderRight(packet) &&
      packet.head === l3 &&
      ipv4.ttl(view, l3) === 1 &&
      ipv4.tos(view, l3) === 0xc0 &&
      ipv4.protocol(view, l3) === ipv4.Protocol.Igmp &&
      ipv4.src(view, l3) === this.source &&
      options4.find(view, l3, l4, options4.Option.RouterAlert) >= 0 &&
      igmp.check(view, l4, tail) === 0 &&
      tail - l3 <= 576;
    const line = describe(view, l3, tail, 'ip');
    this.#log.push(
      `${line
        .replace(/^.*> /, '')
        .replace(/: igmp/, ':')
        .replace(' [options RA]', '')}${sourcesOf(packet)}`,
    );
    this.#times.push(now);
    packet.release();
  }

  /** Messages since the last call. */
  read(): string[] {
    this.#times = [];
    return this.#log.splice(0);
  }

  /** When they were sent, in milliseconds; ask before `read`. */
  get times(): number[] {
    return this.#times.map((time) => time / 1_000);
  }

  /** Runs the timeouts up to `until`. */
  run(until: Instant): void {
    for (let due = this.igmp.nextTimeout(); due <= until; due = this.igmp.nextTimeout()) {
      if (due > this.now) this.now = due;
      this.igmp.handleTimeout(this.now);
    }
    this.now = until;
  }

  /** All that is sent within `seconds` from now. */
  within(seconds: number): string[] {
    this.run(after(this.now, sec(seconds)));
    return this.read();
  }

  message(bytes: (packet: Packet) => number, fields: Ip4Fields): void {
    const packet = this.datagram({
      src: '10.77.0.1',
      protocol: ipv4.Protocol.Igmp,
      ttl: 1,
      options: ROUTER_ALERT,
      ...fields,
    });
    packet.tail = bytes(packet);
    ipv4.setTotalLength(packet.view, packet.l3, packet.tail - packet.l3);
    this.igmp.handlePacket(this.now, packet);
  }

  query3(
    group: string,
    maxRespTenths: number,
    sources: readonly string[] = [],
    fields: Ip4Fields = {},
  ): void {
    const bytes = ({ view, l4 }: Packet): number => {
      let end = igmp.writeQuery3(view, l4, maxRespTenths, ip(group), false, 2, 125);
      for (const source of sources) end = igmp.appendSource(view, l4, ip(source));
      igmp.fillChecksum(view, l4, end);
      return end;
    };
    this.message(bytes, { dst: group === '0.0.0.0' ? '224.0.0.1' : group, ...fields });
  }

  query2(group: string, maxRespTenths: number, fields: Ip4Fields = {}): void {
    const bytes = ({ view, l4 }: Packet): number =>
      igmp.write(view, l4, igmp.Type.Query, maxRespTenths, ip(group));
    this.message(bytes, { dst: group === '0.0.0.0' ? '224.0.0.1' : group, ...fields });
  }

  heardReport(type: number, group: string): void {
    this.message(({ view, l4 }) => igmp.write(view, l4, type, 0, ip(group)), {
      src: '10.77.0.9',
      dst: group,
    });
  }

  join(group: string = GROUP): void {
    this.igmp.join(ip(group));
  }

  leave(group: string = GROUP): void {
    this.igmp.leave(ip(group));
  }

  listen(
    listener: object,
    mode: 'include' | 'exclude',
    sources: readonly string[],
    group: string = GROUP,
  ): boolean {
    return this.igmp.listen(listener, ip(group), mode, sources.map(ip));
  }

  expectDone(t: Test): void {
    t.ok(this.areHeadersRight, 'TTL 1, precedence 6, Router Alert, checksums');
    this.expectWhole(t);
  }
}

/** The sources of all records of a version 3 report, which `describe` only counts. */
function sourcesOf({ view, l4 }: Packet): string {
  if (igmp.type(view, l4) !== igmp.Type.ReportV3) return '';
  const list: number[] = [];
  let record = igmp.firstRecord(l4);
  for (let i = igmp.recordCount(view, l4); i > 0; i--) {
    for (let s = 0; s < igmp.recordSourceCount(view, record); s++) {
      list.push(igmp.recordSource(view, record, s) & 255);
    }
    record = igmp.nextRecord(view, record);
  }
  return list.length === 0 ? '' : ` {${list.sort((a, b) => a - b).join(' ')}}`;
}

/** What a version 3 report of one record looks like in the log. */
export const report3 = (group: string, type: string, sources: readonly number[] = []): string =>
  `224.0.0.22: v3 report, 1 group record(s) [gaddr ${group} ${type}, ${sources.length} source(s)]` +
  (sources.length === 0 ? '' : ` {${sources.join(' ')}}`);
