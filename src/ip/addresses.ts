/**
 * The addresses of one stack: which interface has which, and in what state (RFC 5227 §2, RFC 4862 §5.4).
 *
 * An address is tentative while conflict detection probes for it, and only then is it left out of use.
 */
import type { Ip } from '../addr/ip.ts';
import type { Prefix } from '../addr/prefix.ts';

/** As `ip addr` shows it: probing, in use, found to be somebody else's. */
export type AddressState = 'tentative' | 'permanent' | 'duplicate';

export interface InterfaceAddress {
  /** The address and the length of its network. */
  readonly prefix: Prefix;
  /** Directed broadcast of its network, or null. */
  readonly broadcast: Ip | null;
  /** Index of the interface. */
  readonly ifindex: number;
  state: AddressState;
}

/** How many addresses one stack may have; `ip addr add` answers ENOBUFS beyond. */
export const ADDRESSES_MAX = 65_536;

export class Addresses {
  /** IPv4 only, by the word in the header: the check that every arriving packet's source meets. */
  readonly #v4 = new Map<number, InterfaceAddress>();
  readonly #byInterface = new Map<number, InterfaceAddress[]>();

  get count(): number {
    return this.#v4.size;
  }

  /** In the order in which they were added: the first of a network is its primary. */
  of(ifindex: number): readonly InterfaceAddress[] {
    return this.#byInterface.get(ifindex) ?? [];
  }

  /** Whether `word` is an address of this stack that may be used. */
  isLocal4(word: number): boolean {
    const found = this.#v4.get(word);
    return found !== undefined && found.state === 'permanent';
  }

  find(ip: Ip): InterfaceAddress | null {
    return ip.isV4 ? (this.#v4.get(ip.d) ?? null) : null;
  }

  add(address: InterfaceAddress): void {
    this.#v4.set(address.prefix.address.d, address);
    const list = this.#byInterface.get(address.ifindex);
    if (list === undefined) this.#byInterface.set(address.ifindex, [address]);
    else list.push(address);
  }

  remove(address: InterfaceAddress): void {
    this.#v4.delete(address.prefix.address.d);
    const list = this.#byInterface.get(address.ifindex) ?? [];
    const at = list.indexOf(address);
    if (at >= 0) list.splice(at, 1);
  }

  /** The first usable address of `ifindex` on the network of `hop`, else its first usable one, else null. */
  primary4(ifindex: number, hop: Ip): Ip | null {
    let first: Ip | null = null;
    for (const { prefix, state } of this.of(ifindex)) {
      if (state !== 'permanent' || !prefix.address.isV4) continue;
      if (prefix.contains(hop)) return prefix.address;
      first ??= prefix.address;
    }
    return first;
  }

  *[Symbol.iterator](): IterableIterator<InterfaceAddress> {
    for (const list of this.#byInterface.values()) yield* list;
  }
}
