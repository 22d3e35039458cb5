/**
 * What ICMP sees of its stack: addresses, routes, and the transports to which errors belong.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { Ip } from '../addr/ip.ts';
import type { Instant } from '../base/time.ts';
import type { IcmpHost, IcmpQuote } from '../ip/icmp/host.ts';
import type { Ip4Output } from '../ip/output.ts';
import { LOOPBACK_INDEX } from '../ip/output.ts';
import type { PathMtuCache } from '../ip/pmtu.ts';
import type { Redirects } from '../ip/redirects.ts';
import type { IpShared } from '../ip/shared.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import * as icmp4 from '../wire/icmp4.ts';

/** The sockets, which hear of errors about what they sent, and get the answers to their echoes. */
export interface IcmpReaders {
  /** Peeks; answers whether a socket was found that may have sent what is quoted. */
  handleQuote(now: Instant, quote: IcmpQuote): boolean;
  /** Takes ownership when it answers true, and only then. */
  deliverEchoReply(now: Instant, packet: Packet): boolean;
}

export class IcmpPort implements IcmpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  readonly #shared: IpShared;
  readonly #output: Ip4Output;
  readonly #paths: PathMtuCache;
  readonly #redirects: Redirects;
  readonly #key = new FlowKey();
  /** Null until the sockets are made, which need ICMP themselves. */
  readers: IcmpReaders | null = null;

  constructor(shared: IpShared, output: Ip4Output, paths: PathMtuCache, redirects: Redirects) {
    this.pool = shared.pool;
    this.drops = shared.drops;
    this.#shared = shared;
    this.#output = output;
    this.#paths = paths;
    this.#redirects = redirects;
  }

  get isForwarding(): boolean {
    return this.#shared.options.ipForward;
  }

  isLocal(address: number): boolean {
    return this.#shared.addresses.isLocal4(address) || address >>> 24 === 127;
  }

  isBroadcast(address: number): boolean {
    if (address === -1) return true;
    const { interfaces } = this.#shared;
    for (let i = 1; i < interfaces.length; i++)
      if (interfaces[i]?.isBroadcast4(address) === true) return true;
    return false;
  }

  isOnLink(address: number, device: number): boolean {
    return this.#output.isOnLink(address, device);
  }

  gatewayFor(destination: number, device: number): number {
    this.#key.setAddresses4(0, destination);
    this.#key.oif = device;
    const hop = this.#shared.fib.lookup(this.#key);
    this.#key.oif = 0;
    return hop === null || hop.via === null ? 0 : hop.via.d;
  }

  selectSource(destination: number, device: number): number {
    const { addresses, fib } = this.#shared;
    const target = Ip.v4(destination);
    const own = addresses.primary4(device, target);
    if (own !== null && device !== LOOPBACK_INDEX) return own.d;
    this.#key.setAddresses4(0, destination);
    const hop = fib.lookup(this.#key);
    if (hop === null) return 0;
    if (hop.route.type === 'local') return destination;
    return hop.route.source?.d ?? addresses.primary4(hop.oif, target)?.d ?? 0;
  }

  send(now: Instant, packet: Packet): void {
    this.#output.send(now, packet);
  }

  handleQuote(now: Instant, quote: IcmpQuote): boolean {
    const isKnown = this.readers?.handleQuote(now, quote) === true;
    // RFC 5927 §7: only a report about something that a socket did send may change what is believed of a path.
    const isTooBig =
      quote.type === icmp4.Type.Unreachable && quote.code === icmp4.UnreachableCode.FragmentationNeeded;
    if (isKnown && isTooBig) this.#paths.handleTooBig(now, quote.dst, quote.info, quote.totalLength);
    return isKnown;
  }

  handleRedirect(now: Instant, destination: number, gateway: number, device: number): void {
    this.#redirects.handleRedirect(now, destination, gateway, device);
  }

  deliverEchoReply(now: Instant, packet: Packet): boolean {
    return this.readers?.deliverEchoReply(now, packet) === true;
  }
}
