/**
 * Packets that wait for a neighbour's link address: a queue per neighbour, bounded alone and all together, in
 * nodes that are made once. When a bound is reached the oldest goes first (RFC 4861 §7.2.2, RFC 1122 §2.3.2.2:
 * «the latest» packet is the one to keep).
 */
import type { Packet } from '../packet/packet.ts';
import type { NeighborEntry } from './entry.ts';

export class Pending {
  readonly capacity: number;
  length = 0;
  readonly #packets: (Packet | null)[];
  readonly #owners: (NeighborEntry | null)[];
  /** The next packet of the same neighbour; for free nodes, the next free one. */
  readonly #next: Int32Array;
  // All nodes by age, whatever their neighbour.
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = -1;
  #newest = -1;
  #free = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#packets = new Array<Packet | null>(capacity).fill(null);
    this.#owners = new Array<NeighborEntry | null>(capacity).fill(null);
    this.#next = Int32Array.from({ length: capacity }, (_, node) => (node + 1 < capacity ? node + 1 : -1));
    this.#older = new Int32Array(capacity).fill(-1);
    this.#newer = new Int32Array(capacity).fill(-1);
  }

  get isFull(): boolean {
    return this.length === this.capacity;
  }

  /** The neighbour whose first packet has waited longest of all, or null. */
  get oldestOwner(): NeighborEntry | null {
    return this.#oldest < 0 ? null : (this.#owners[this.#oldest] as NeighborEntry | null);
  }

  /** There must be room: the caller makes it. */
  push(entry: NeighborEntry, packet: Packet): void {
    const node = this.#free;
    this.#free = this.#next[node] as number;
    this.#packets[node] = packet;
    this.#owners[node] = entry;
    this.#next[node] = -1;
    if (entry.pendingLast < 0) entry.pendingFirst = node;
    else this.#next[entry.pendingLast] = node;
    entry.pendingLast = node;
    entry.pendingCount++;
    this.#older[node] = this.#newest;
    this.#newer[node] = -1;
    if (this.#newest < 0) this.#oldest = node;
    else this.#newer[this.#newest] = node;
    this.#newest = node;
    this.length++;
  }

  /** The neighbour's packet that has waited longest, left where it is. */
  peek(entry: NeighborEntry): Packet | null {
    return entry.pendingFirst < 0 ? null : (this.#packets[entry.pendingFirst] as Packet | null);
  }

  /** The neighbour's packet that has waited longest. The caller owns it. */
  shift(entry: NeighborEntry): Packet | null {
    const node = entry.pendingFirst;
    if (node < 0) return null;
    const packet = this.#packets[node] as Packet | null;
    entry.pendingFirst = this.#next[node] as number;
    if (entry.pendingFirst < 0) entry.pendingLast = -1;
    entry.pendingCount--;
    this.#unlinkAge(node);
    this.#packets[node] = null;
    this.#owners[node] = null;
    this.#next[node] = this.#free;
    this.#free = node;
    this.length--;
    return packet;
  }

  #unlinkAge(node: number): void {
    const older = this.#older[node] as number;
    const newer = this.#newer[node] as number;
    if (older < 0) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer < 0) this.#newest = older;
    else this.#older[newer] = older;
  }
}
