/**
 * The host's side of IGMP on one interface: version 3 of RFC 9776 (formerly 3376), falling back to 2 (RFC 2236) and
 * 1 (RFC 1112) where an older querier is heard.
 *
 *     join, leave, listen ──> group changed ──> unsolicited reports, `robustness` times
 *     handlePacket(query) ──> answer due at a random moment ──> report
 *     handlePacket(report of another host) ──> in versions 1 and 2 our own is not needed
 *
 * Sockets have no clock, so a change only makes a report due at once: `nextTimeout` says so, and `handleTimeout`
 * sends it. Groups live in objects, not in tables: this is the control plane, but for `isMember`.
 */
import { isMulticast4 } from '../../addr/ip.ts';
import { Drop } from '../../base/drop.ts';
import type { Rng } from '../../base/rng.ts';
import type { Duration, Instant } from '../../base/time.ts';
import { after, earliest, NEVER, START, sec } from '../../base/time.ts';
import type { Packet } from '../../packet/packet.ts';
import * as igmp from '../../wire/igmp.ts';
import * as ipv4 from '../../wire/ipv4.ts';
import * as options4 from '../../wire/ipv4-options.ts';
import { isSingleHost } from '../icmp/error.ts';
import type { FilterMode } from './group.ts';
import { IgmpGroup, SOURCES_MAX } from './group.ts';
import type { IgmpHost } from './host.ts';
import { IgmpWriter } from './writer.ts';

export type IgmpVersion = 1 | 2 | 3;

/** RFC 9776 §8.1 and §8.2, until a querier says otherwise. */
const ROBUSTNESS = 2;
const QUERY_INTERVAL_SEC = 125;
/** RFC 9776 §8.11: between repetitions of a state-change report. */
const UNSOLICITED_INTERVAL_V3 = sec(1);
/** RFC 2236 §8.10. */
const UNSOLICITED_INTERVAL_V2 = sec(10);
/** Groups on one interface (Linux: 20 to a socket). */
const GROUPS_MAX = 1_024;

const { ModeIsInclude, ModeIsExclude, ChangeToInclude, ChangeToExclude, AllowNewSources, BlockOldSources } =
  igmp.RecordType;

export interface IgmpCounters {
  inQueries: number;
  inReports: number;
  inErrors: number;
  /** Joins refused at a limit. */
  refused: number;
}

export class Igmp {
  readonly counters: IgmpCounters = { inQueries: 0, inReports: 0, inErrors: 0, refused: 0 };
  readonly #host: IgmpHost;
  readonly #rng: Rng;
  readonly #writer: IgmpWriter;
  readonly #version: IgmpVersion;
  readonly #groups = new Map<number, IgmpGroup>();
  /** The version that is spoken now, and until when an older querier is believed to be there (RFC 9776 §7.2.1). */
  #mode: IgmpVersion;
  #v1Until: Instant = START;
  #v2Until: Instant = START;
  /** When the answer to a general query is due (version 3; before, each group has its own moment). */
  #answerAt: Instant = NEVER;
  #robustness = ROBUSTNESS;
  #queryIntervalSec = QUERY_INTERVAL_SEC;
  #deadline: Instant = NEVER;

  /** `version` is the newest that is spoken, as `force_igmp_version` of Linux. */
  constructor(host: IgmpHost, rng: Rng, version: IgmpVersion = 3) {
    this.#host = host;
    this.#rng = rng;
    this.#writer = new IgmpWriter(host);
    this.#version = version;
    this.#mode = version;
  }

  /** The version spoken now. */
  get mode(): IgmpVersion {
    return this.#mode;
  }

  /** Messages sent. */
  get sent(): number {
    return this.#writer.sent;
  }

  /** Addresses of the groups joined. */
  groups(): number[] {
    return [...this.#groups.values()].filter((group) => group.isMember).map((group) => group.address);
  }

  /** Whether anybody here wants datagrams to `address`. Every host is a member of 224.0.0.1 (RFC 1112 §4). */
  isMember(address: number): boolean {
    if (address === igmp.ALL_SYSTEMS) return true;
    const group = this.#groups.get(address);
    return group?.isMember === true;
  }

  /** The same, from that source. */
  accepts(address: number, source: number): boolean {
    if (address === igmp.ALL_SYSTEMS) return true;
    const group = this.#groups.get(address);
    return group?.accepts(source) === true;
  }

  /** Whether `listener` wants them; what joins took, any source, is not asked for here. */
  listenerAccepts(listener: object, address: number, source: number): boolean {
    const group = this.#groups.get(address);
    return group?.listenerAccepts(listener, source) === true;
  }

  /** One more that takes everything sent to `address`. False when it is no group, or at the limit. */
  join(address: number): boolean {
    // RFC 9776 §5: 224.0.0.1 is never reported.
    if (address === igmp.ALL_SYSTEMS) return true;
    const group = this.#enter(address);
    if (group === null) return false;
    group.join(this.#robustness);
    this.#schedule();
    return true;
  }

  /** Takes back one join; false when there was none. */
  leave(address: number): boolean {
    if (address === igmp.ALL_SYSTEMS) return true;
    const group = this.#groups.get(address);
    if (group === undefined || !group.leave(this.#robustness)) return false;
    this.#schedule();
    return true;
  }

  /**
   * IPMulticastListen of RFC 9776 §2: `listener`, who may be anybody, wants from `address` only these sources, or all
   * but these; `include` of none ends it. False when it is no group, or at a limit.
   */
  listen(listener: object, address: number, mode: FilterMode, sources: readonly number[]): boolean {
    if (address === igmp.ALL_SYSTEMS) return true;
    if (sources.length > SOURCES_MAX) {
      this.counters.refused++;
      return false;
    }
    const group = this.#enter(address);
    if (group === null) return false;
    group.listen(listener, mode, sources, this.#robustness);
    if (group.isIdle) this.#groups.delete(address);
    this.#schedule();
    return true;
  }

  /** Takes ownership of a datagram that was checked as IPv4, with `l4` set. */
  handlePacket(now: Instant, packet: Packet): void {
    const { view, l4, tail } = packet;
    let reason = igmp.check(view, l4, tail);
    if (reason === Drop.None) reason = this.#handleMessage(now, packet);
    if (reason === Drop.None) {
      packet.release();
    } else {
      this.counters.inErrors++;
      this.#host.drops.drop(packet, reason);
    }
    this.#schedule();
  }

  nextTimeout(): Instant {
    return this.#deadline;
  }

  handleTimeout(now: Instant): void {
    this.#updateMode(now);
    if (this.#answerAt <= now) {
      this.#answerAt = NEVER;
      for (const group of this.#groups.values()) this.#recordState(now, group);
      this.#writer.flush(now);
    }
    for (const group of this.#groups.values()) {
      if (group.answerAt <= now) this.#answer(now, group);
    }
    this.#writer.flush(now);
    for (const group of this.#groups.values()) {
      if (group.changeAt <= now) this.#tellChange(now, group);
      if (group.isIdle) this.#groups.delete(group.address);
    }
    this.#writer.flush(now);
    this.#schedule();
  }

  #enter(address: number): IgmpGroup | null {
    const found = this.#groups.get(address);
    if (found !== undefined) return found;
    if (!isMulticast4(address) || this.#groups.size >= GROUPS_MAX) {
      this.counters.refused++;
      return null;
    }
    const group = new IgmpGroup(address);
    this.#groups.set(address, group);
    return group;
  }

  #handleMessage(now: Instant, packet: Packet): Drop {
    const { view, l3, l4 } = packet;
    // RFC 9776 §4: all messages have TTL 1, so that none comes from another network.
    if (ipv4.ttl(view, l3) !== 1) return Drop.IgmpTtl;
    const src = ipv4.src(view, l3);
    switch (igmp.type(view, l4)) {
      case igmp.Type.Query:
        // A snooping switch that has no address asks from 0.0.0.0 (RFC 4541 §2.1.1).
        return src === 0 || isSingleHost(src) ? this.#handleQuery(now, packet) : Drop.IgmpSourceBad;
      case igmp.Type.ReportV1:
      case igmp.Type.ReportV2:
        return src === 0 || isSingleHost(src) ? this.#handleReport(packet) : Drop.IgmpSourceBad;
      case igmp.Type.ReportV3:
      case igmp.Type.Leave:
        // For routers.
        return Drop.None;
      default:
        return Drop.IgmpTypeUnknown;
    }
  }

  /** RFC 9776 §5.2, RFC 2236 §3. */
  #handleQuery(now: Instant, packet: Packet): Drop {
    const { view, l3, l4, tail } = packet;
    const address = igmp.group(view, l4);
    const version = igmp.queryVersion(view, l4, tail);
    const dst = ipv4.dst(view, l3);
    // RFC 9776 §9.1: a query without Router Alert may have been forwarded, and a general query to any other group
    // than 224.0.0.1 was not sent by a router.
    if (version !== 1 && options4.find(view, l3, l4, options4.Option.RouterAlert) < 0)
      return Drop.IgmpNoRouterAlert;
    if (isMulticast4(dst) && dst !== (address === 0 ? igmp.ALL_SYSTEMS : address))
      return Drop.IgmpDestinationBad;
    this.counters.inQueries++;
    const maxResp: Duration = sec(igmp.maxRespTenths(view, l4, tail) / 10);
    this.#learn(now, packet, version, maxResp);
    if (address === 0) this.#askAll(now, maxResp);
    else this.#askOne(now, packet, address, version, maxResp);
    return Drop.None;
  }

  /** What a query says of its querier: RFC 9776 §4.1.6, §4.1.7 and §7.2.1. */
  #learn(now: Instant, packet: Packet, version: IgmpVersion, maxResp: Duration): void {
    const { view, l4 } = packet;
    if (version === 3) {
      this.#robustness = igmp.qrv(view, l4) || ROBUSTNESS;
      this.#queryIntervalSec = igmp.queryInterval(view, l4) || QUERY_INTERVAL_SEC;
    } else {
      // RFC 9776 §8.12: the Older Version Querier Present Timeout. What the last version 3 query said still holds.
      const interval = after(now, sec(this.#robustness * this.#queryIntervalSec));
      const until = after(interval, maxResp);
      if (version === 1) this.#v1Until = until;
      else this.#v2Until = until;
    }
    this.#updateMode(now);
  }

  #updateMode(now: Instant): void {
    let mode = this.#version;
    if (now < this.#v1Until) mode = 1;
    else if (now < this.#v2Until && mode === 3) mode = 2;
    if (mode === this.#mode) return;
    this.#mode = mode;
    // RFC 9776 §7.2.1: what is pending was meant for the other version.
    this.#answerAt = NEVER;
    for (const group of this.#groups.values()) group.cancel();
  }

  #askAll(now: Instant, maxResp: Duration): void {
    if (this.#mode === 3) {
      // RFC 9776 §5.2 rule 1: a pending answer that comes sooner answers this query too.
      this.#answerAt = earliest(this.#answerAt, this.#delay(now, maxResp));
      return;
    }
    for (const group of this.#groups.values()) this.#askOld(now, group, maxResp);
  }

  #askOne(now: Instant, packet: Packet, address: number, version: IgmpVersion, maxResp: Duration): void {
    const group = this.#groups.get(address);
    if (group === undefined || !group.isMember) return;
    if (this.#mode !== 3) {
      this.#askOld(now, group, maxResp);
      return;
    }
    const at = this.#delay(now, maxResp);
    // RFC 9776 §5.2 rule 2: the general answer will say it all.
    if (this.#answerAt <= at) return;
    const { view, l4 } = packet;
    const count = version === 3 ? igmp.sourceCount(view, l4) : 0;
    if (count === 0) {
      group.ask(at, null);
      return;
    }
    const sources = new Set<number>();
    for (let i = 0; i < count; i++) sources.add(igmp.source(view, l4, i));
    group.ask(at, sources);
  }

  /** RFC 2236 §3: a timer that runs is set anew only if it would be later than this query allows. */
  #askOld(now: Instant, group: IgmpGroup, maxResp: Duration): void {
    if (!group.isMember || group.answerAt <= after(now, maxResp)) return;
    group.answered();
    group.ask(this.#delay(now, maxResp), null);
  }

  /** RFC 2236 §3: another host's report makes ours needless. RFC 9776 §7.2.2: but not in version 3. */
  #handleReport(packet: Packet): Drop {
    const { view, l3, l4 } = packet;
    const address = igmp.group(view, l4);
    if (ipv4.dst(view, l3) !== address) return Drop.IgmpDestinationBad;
    this.counters.inReports++;
    if (this.#mode === 3) return Drop.None;
    const group = this.#groups.get(address);
    if (group === undefined || !group.isMember) return Drop.None;
    group.answered();
    // A join that was never told is told all the same; its repetitions are not needed.
    if (group.changeAt !== START) group.told();
    group.isLastReporter = false;
    return Drop.None;
  }

  #answer(now: Instant, group: IgmpGroup): void {
    const { asked } = group;
    group.answered();
    if (!group.isMember) return;
    if (this.#mode !== 3) {
      this.#sendOld(now, group);
      return;
    }
    if (asked === null) {
      this.#recordState(now, group);
      return;
    }
    // RFC 9776 §5.2: of the sources asked for, those that are wanted.
    const wanted = [...asked].filter((source) => group.accepts(source));
    if (wanted.length > 0) this.#writer.record(now, ModeIsInclude, group.address, wanted);
  }

  #recordState(now: Instant, group: IgmpGroup): void {
    if (!group.isMember) return;
    const type = group.mode === 'include' ? ModeIsInclude : ModeIsExclude;
    this.#writer.record(now, type, group.address, group.sources);
  }

  #tellChange(now: Instant, group: IgmpGroup): void {
    if (this.#mode === 3) this.#recordChange(now, group);
    else this.#tellOldChange(now, group);
  }

  /** RFC 9776 §5.1. */
  #recordChange(now: Instant, group: IgmpGroup): void {
    const isInclude = group.mode === 'include';
    if (group.modeReports > 0) {
      group.modeReports--;
      this.#writer.record(now, isInclude ? ChangeToInclude : ChangeToExclude, group.address, group.sources);
    } else {
      const wanted: number[] = [];
      const unwanted: number[] = [];
      for (const source of group.sourceReports.keys())
        (group.accepts(source) ? wanted : unwanted).push(source);
      if (wanted.length > 0) this.#writer.record(now, AllowNewSources, group.address, wanted);
      if (unwanted.length > 0) this.#writer.record(now, BlockOldSources, group.address, unwanted);
    }
    for (const [source, left] of group.sourceReports) {
      if (left > 1) group.sourceReports.set(source, left - 1);
      else group.sourceReports.delete(source);
    }
    const isMore = group.modeReports > 0 || group.sourceReports.size > 0;
    group.changeAt = isMore ? this.#delay(now, UNSOLICITED_INTERVAL_V3) : NEVER;
  }

  /** RFC 2236 §3 and §6: versions 1 and 2 know membership only, and version 1 no leaving. */
  #tellOldChange(now: Instant, group: IgmpGroup): void {
    if (group.isMember) {
      const left = (group.modeReports > 0 ? group.modeReports : ROBUSTNESS) - 1;
      this.#sendOld(now, group);
      group.told();
      if (left === 0) return;
      group.modeReports = left;
      group.changeAt = this.#delay(now, UNSOLICITED_INTERVAL_V2);
      return;
    }
    // A change of sources may have ended the membership, too; whoever did not report last need not leave.
    if (group.isLastReporter && this.#mode === 2) {
      this.#writer.send(now, igmp.Type.Leave, group.address, igmp.ALL_ROUTERS);
    }
    group.isLastReporter = false;
    group.told();
  }

  #sendOld(now: Instant, group: IgmpGroup): void {
    const type = this.#mode === 1 ? igmp.Type.ReportV1 : igmp.Type.ReportV2;
    this.#writer.send(now, type, group.address, group.address);
    group.isLastReporter = true;
  }

  /** A moment within the next `max`: RFC 9776 §5.2, RFC 2236 §3. */
  #delay(now: Instant, max: Duration): Instant {
    return after(now, (max > 0 ? this.#rng.below(max) + 1 : 0) as Duration);
  }

  #schedule(): void {
    let deadline = this.#answerAt;
    for (const group of this.#groups.values()) {
      deadline = earliest(deadline, earliest(group.answerAt, group.changeAt));
    }
    this.#deadline = deadline;
  }
}
