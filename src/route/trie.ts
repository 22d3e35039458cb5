/**
 * Longest-prefix match: from addresses to integers, for both families.
 *
 * A trie over four bits at a time, in which only what branches is a node. A node stands at a depth (a multiple of
 * four bits) and has sixteen entries, one for each value of the next four bits: what lies below, another node or a
 * single prefix, and the longest prefix that ends within these four bits. A prefix of 9 bits ends at depth 8, in
 * eight of the entries.
 *
 *     10.0.0.0/8, 10.0.0.0/9           node at 4    [0] ends here: /8       below: /9
 *     and 10.200.0.0/16                node at 4    [0] ends here: /8       below: node at 8
 *                                      node at 8    [0-7] end here: /9      [8] below: /16
 *
 * A look-up follows the address from node to node and keeps the last prefix it saw. The bits that no node looks at
 * are compared at the end, with that prefix. Only if they differ is the path walked again with care.
 *
 * IPv4 addresses, v4-mapped, have their own root: ::/0 does not match them. Lengths count in 128 bits throughout.
 */
import { assert } from '../base/assert.ts';

// A node: sixteen pairs of what lies below an entry and what ends in it.
const NODE_WORDS = 32;
// What only changes need to know of a node.
const HEAD_WORDS = 8;
const DEPTH = 0;
/** Entries with something below, and prefixes: at least two, or it would not branch. */
const USES = 1;
/** The prefixes that end in this node, ordered by address and length. */
const FIRST_PREFIX = 2;
/** The bits up to the depth of this node; those after it are zero. */
const KEY = 3;

// A prefix: four words of address, then these.
const PREFIX_WORDS = 8;
const LENGTH = 4;
const VALUE = 5;
/** The next in the list of its node, or of the free ones. */
const NEXT = 6;

/** Where the roots are referred to: in node 0, which is no node. */
const ROOT_6 = 0;
const ROOT_4 = 2;

export class Trie {
  /**
   * A reference to a node is `number << 5 | depth >> 2`, so that a look-up knows the depth without another read; to
   * a prefix it is the negative number of that; 0 is nothing.
   */
  #nodes: Int32Array = new Int32Array(NODE_WORDS * 16);
  #heads: Int32Array = new Int32Array(HEAD_WORDS * 16);
  #nodeCount = 1;
  #nodesUsed = 0;
  #freeNode = 0;
  #prefixes: Int32Array = new Int32Array(PREFIX_WORDS * 16);
  #prefixCount = 1;
  #freePrefix = 0;
  /** The prefixes of length zero (counted from 96 for IPv4). */
  #default6 = 0;
  #default4 = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** How many nodes the prefixes need: always fewer than there are prefixes. */
  get nodeCount(): number {
    return this.#nodesUsed;
  }

  /** The value of the longest prefix that contains this address, or -1. */
  lookup(a: number, b: number, c: number, d: number): number {
    const isV4 = (a | b) === 0 && c === 0xffff;
    const nodes = this.#nodes;
    let best = isV4 ? this.#default4 : this.#default6;
    let ref = nodes[isV4 ? ROOT_4 : ROOT_6] as number;
    if (ref === 0) return this.#valueOf(best);
    while (ref > 0) {
      const at = (ref >>> 5) * NODE_WORDS + nibble((ref & 31) << 2, a, b, c, d) * 2;
      const prefix = nodes[at + 1] as number;
      if (prefix !== 0) best = prefix;
      ref = nodes[at] as number;
    }
    if (ref < 0 && this.#contains(-ref, a, b, c, d)) return this.#valueOf(-ref);
    if (best === 0 || this.#contains(best, a, b, c, d)) return this.#valueOf(best);
    return this.lookupShorter(a, b, c, d, this.#lengthOf(best));
  }

  /** The value of the longest prefix shorter than `length` that contains this address, or -1. */
  lookupShorter(a: number, b: number, c: number, d: number, length: number): number {
    const isV4 = (a | b) === 0 && c === 0xffff;
    let best = length > (isV4 ? 96 : 0) ? this.#defaultOf(isV4) : 0;
    let ref = this.#nodes[isV4 ? ROOT_4 : ROOT_6] as number;
    while (ref > 0) {
      // Those of one node that contain one address are listed from short to long.
      let prefix = this.#heads[(ref >>> 5) * HEAD_WORDS + FIRST_PREFIX] as number;
      for (; prefix !== 0; prefix = this.#nextPrefix(prefix)) {
        if (this.#lengthOf(prefix) < length && this.#contains(prefix, a, b, c, d)) best = prefix;
      }
      ref = this.#nodes[entryOf(ref, a, b, c, d)] as number;
    }
    if (ref < 0 && this.#lengthOf(-ref) < length && this.#contains(-ref, a, b, c, d)) best = -ref;
    return this.#valueOf(best);
  }

  /** The value of exactly this prefix, or -1. */
  find(a: number, b: number, c: number, d: number, length: number): number {
    return this.#valueOf(this.#find(a, b, c, d, length));
  }

  /** Enters a prefix, whose host bits are zero, with a value that is not negative; replaces what it had. */
  insert(a: number, b: number, c: number, d: number, length: number, value: number): void {
    assert(value >= 0, 'negative values say that there is none');
    const existing = this.#find(a, b, c, d, length);
    if (existing !== 0) {
      this.#prefixes[existing * PREFIX_WORDS + VALUE] = value;
      return;
    }
    const isV4 = isMapped(a, b, c, length);
    const prefix = this.#newPrefix(a, b, c, d, length, value);
    this.#size++;
    if (length === (isV4 ? 96 : 0)) {
      if (isV4) this.#default4 = prefix;
      else this.#default6 = prefix;
      return;
    }
    this.#enter(isV4 ? ROOT_4 : ROOT_6, prefix);
  }

  /** Removes exactly this prefix and answers its value, or -1. */
  remove(a: number, b: number, c: number, d: number, length: number): number {
    const prefix = this.#find(a, b, c, d, length);
    if (prefix === 0) return -1;
    const value = this.#valueOf(prefix);
    const isV4 = isMapped(a, b, c, length);
    if (prefix === this.#default4) this.#default4 = 0;
    else if (prefix === this.#default6) this.#default6 = 0;
    else this.#leave(isV4 ? ROOT_4 : ROOT_6, prefix);
    this.#prefixes[prefix * PREFIX_WORDS + NEXT] = this.#freePrefix;
    this.#freePrefix = prefix;
    this.#size--;
    return value;
  }

  /** Calls `visitor` with every value: IPv4 first, by address, the shorter of two with the same first. */
  visit(visitor: (value: number) => void): void {
    this.#visitPrefix(this.#default4, visitor);
    this.#visitNode(this.#nodes[ROOT_4] as number, visitor);
    this.#visitPrefix(this.#default6, visitor);
    this.#visitNode(this.#nodes[ROOT_6] as number, visitor);
  }

  #visitPrefix(prefix: number, visitor: (value: number) => void): void {
    if (prefix !== 0) visitor(this.#valueOf(prefix));
  }

  #visitNode(ref: number, visitor: (value: number) => void): void {
    if (ref <= 0) {
      this.#visitPrefix(-ref, visitor);
      return;
    }
    const node = ref >>> 5;
    let prefix = this.#heads[node * HEAD_WORDS + FIRST_PREFIX] as number;
    for (let entry = 0; entry < 16; entry++) {
      for (; prefix !== 0 && this.#firstEntry(node, prefix) === entry; prefix = this.#nextPrefix(prefix)) {
        this.#visitPrefix(prefix, visitor);
      }
      this.#visitNode(this.#nodes[node * NODE_WORDS + entry * 2] as number, visitor);
    }
  }

  #valueOf(prefix: number): number {
    return prefix === 0 ? -1 : (this.#prefixes[prefix * PREFIX_WORDS + VALUE] as number);
  }

  #defaultOf(isV4: boolean): number {
    return isV4 ? this.#default4 : this.#default6;
  }

  #find(a: number, b: number, c: number, d: number, length: number): number {
    const isV4 = isMapped(a, b, c, length);
    if (length === (isV4 ? 96 : 0)) return this.#defaultOf(isV4);
    const depth = (length - 1) & ~3;
    let ref = this.#nodes[isV4 ? ROOT_4 : ROOT_6] as number;
    while (ref > 0 && (ref & 31) << 2 < depth) ref = this.#nodes[entryOf(ref, a, b, c, d)] as number;
    let prefix = -ref;
    if (ref > 0) prefix = this.#heads[(ref >>> 5) * HEAD_WORDS + FIRST_PREFIX] as number;
    for (; prefix !== 0; prefix = this.#nextPrefix(prefix)) {
      if (this.#lengthOf(prefix) === length && this.#contains(prefix, a, b, c, d)) return prefix;
    }
    return 0;
  }

  #contains(prefix: number, a: number, b: number, c: number, d: number): boolean {
    const prefixes = this.#prefixes;
    const at = prefix * PREFIX_WORDS;
    const length = prefixes[at + LENGTH] as number;
    const differsA = (prefixes[at] as number) ^ a;
    if (length <= 32) return length === 0 || (differsA & (-1 << (32 - length))) === 0;
    const differsB = (prefixes[at + 1] as number) ^ b;
    if (length <= 64) return (differsA | (differsB & (-1 << (64 - length)))) === 0;
    const differsC = (prefixes[at + 2] as number) ^ c;
    if (length <= 96) return (differsA | differsB | (differsC & (-1 << (96 - length)))) === 0;
    const differsD = (prefixes[at + 3] as number) ^ d;
    return (differsA | differsB | differsC | (differsD & (-1 << (128 - length)))) === 0;
  }

  /** Brings a new prefix into the trie below the link at `root`. */
  #enter(root: number, prefix: number): void {
    const depth = this.#depthOf(prefix);
    for (let link = root; ; ) {
      const ref = this.#nodes[link] as number;
      if (ref === 0) {
        this.#nodes[link] = -prefix;
        this.#addUses(nodeOf(link), 1);
        return;
      }
      const isNode = ref > 0;
      const nodeDepth = isNode ? (ref & 31) << 2 : this.#depthOf(-ref);
      const shared = Math.min(this.#sharedBits(prefix, ref), nodeDepth, depth) & ~3;
      if (isNode && shared === nodeDepth) {
        if (nodeDepth === depth) {
          this.#list(ref >>> 5, prefix);
          return;
        }
        link = (ref >>> 5) * NODE_WORDS + this.#firstEntry(ref >>> 5, prefix) * 2;
        continue;
      }
      // A single prefix, or a node that lies off the path or too deep: a node where the paths part, and on.
      const branch = this.#newNode(shared, prefix);
      this.#nodes[link] = (branch << 5) | (shared >> 2);
      if (!isNode && nodeDepth === shared) this.#list(branch, -ref);
      else this.#put(branch, ref);
    }
  }

  /** Puts a node or a prefix into the entry of `node` below which it lies. */
  #put(node: number, ref: number): void {
    const words = ref > 0 ? this.#heads : this.#prefixes;
    const at = ref > 0 ? (ref >>> 5) * HEAD_WORDS + KEY : -ref * PREFIX_WORDS;
    const depth = this.#heads[node * HEAD_WORDS + DEPTH] as number;
    this.#nodes[node * NODE_WORDS + nibbleAt(depth, words, at) * 2] = ref;
    this.#addUses(node, 1);
  }

  /** Enters a prefix in the node where it ends. */
  #list(node: number, prefix: number): void {
    const entry = this.#firstEntry(node, prefix);
    const length = this.#lengthOf(prefix);
    let before = 0;
    let following = this.#heads[node * HEAD_WORDS + FIRST_PREFIX] as number;
    while (following !== 0) {
      const other = this.#firstEntry(node, following);
      if (other > entry || (other === entry && this.#lengthOf(following) > length)) break;
      before = following;
      following = this.#nextPrefix(following);
    }
    this.#prefixes[prefix * PREFIX_WORDS + NEXT] = following;
    if (before === 0) this.#heads[node * HEAD_WORDS + FIRST_PREFIX] = prefix;
    else this.#prefixes[before * PREFIX_WORDS + NEXT] = prefix;
    this.#addUses(node, 1);
    this.#spread(node, prefix);
  }

  /** Writes a prefix into the entries that it covers, where no longer one is. */
  #spread(node: number, prefix: number): void {
    const length = this.#lengthOf(prefix);
    const first = this.#firstEntry(node, prefix);
    const end = first + (16 >> (length - (this.#heads[node * HEAD_WORDS + DEPTH] as number)));
    for (let entry = first; entry < end; entry++) {
      const at = node * NODE_WORDS + entry * 2 + 1;
      const other = this.#nodes[at] as number;
      if (other === 0 || this.#lengthOf(other) < length) this.#nodes[at] = prefix;
    }
  }

  /** Takes a prefix out of the trie below the link at `root`, and the node that no longer branches without it. */
  #leave(root: number, prefix: number): void {
    const depth = this.#depthOf(prefix);
    let above = root;
    let link = root;
    let ref = this.#nodes[link] as number;
    while (ref > 0 && (ref & 31) << 2 < depth) {
      above = link;
      link = (ref >>> 5) * NODE_WORDS + this.#firstEntry(ref >>> 5, prefix) * 2;
      ref = this.#nodes[link] as number;
    }
    if (ref > 0) {
      this.#unlist(ref >>> 5, prefix);
      this.#prune(link);
      return;
    }
    this.#nodes[link] = 0;
    this.#addUses(nodeOf(link), -1);
    if (link !== root) this.#prune(above);
  }

  #unlist(node: number, prefix: number): void {
    const following = this.#nextPrefix(prefix);
    let before = this.#heads[node * HEAD_WORDS + FIRST_PREFIX] as number;
    if (before === prefix) {
      this.#heads[node * HEAD_WORDS + FIRST_PREFIX] = following;
    } else {
      while (this.#nextPrefix(before) !== prefix) before = this.#nextPrefix(before);
      this.#prefixes[before * PREFIX_WORDS + NEXT] = following;
    }
    this.#addUses(node, -1);
    for (let entry = 0; entry < 16; entry++) {
      const at = node * NODE_WORDS + entry * 2 + 1;
      if (this.#nodes[at] === prefix) this.#nodes[at] = 0;
    }
    let other = this.#heads[node * HEAD_WORDS + FIRST_PREFIX] as number;
    for (; other !== 0; other = this.#nextPrefix(other)) this.#spread(node, other);
  }

  /** Replaces the node at `link` by the one thing that is left in it, if it is one. */
  #prune(link: number): void {
    const node = (this.#nodes[link] as number) >>> 5;
    if ((this.#heads[node * HEAD_WORDS + USES] as number) > 1) return;
    const prefix = this.#heads[node * HEAD_WORDS + FIRST_PREFIX] as number;
    if (prefix !== 0) this.#prefixes[prefix * PREFIX_WORDS + NEXT] = 0;
    let left = -prefix;
    for (let entry = 0; entry < 16 && left === 0; entry++) {
      left = this.#nodes[node * NODE_WORDS + entry * 2] as number;
    }
    this.#nodes[link] = left;
    this.#nodes[node * NODE_WORDS] = this.#freeNode;
    this.#freeNode = node;
    this.#nodesUsed--;
  }

  #addUses(node: number, n: number): void {
    const at = node * HEAD_WORDS + USES;
    this.#heads[at] = (this.#heads[at] as number) + n;
  }

  /** How many leading bits a prefix has in common with what `ref` refers to. */
  #sharedBits(prefix: number, ref: number): number {
    const words = ref > 0 ? this.#heads : this.#prefixes;
    const at = ref > 0 ? (ref >>> 5) * HEAD_WORDS + KEY : -ref * PREFIX_WORDS;
    for (let i = 0; i < 4; i++) {
      const differing = (words[at + i] as number) ^ (this.#prefixes[prefix * PREFIX_WORDS + i] as number);
      if (differing !== 0) return 32 * i + Math.clz32(differing);
    }
    return 128;
  }

  /** Where a prefix ends: the depth of a node that it may be listed in. */
  #depthOf(prefix: number): number {
    return (this.#lengthOf(prefix) - 1) & ~3;
  }

  #lengthOf(prefix: number): number {
    return this.#prefixes[prefix * PREFIX_WORDS + LENGTH] as number;
  }

  #nextPrefix(prefix: number): number {
    return this.#prefixes[prefix * PREFIX_WORDS + NEXT] as number;
  }

  /** The first of the entries of `node` that a prefix covers. */
  #firstEntry(node: number, prefix: number): number {
    return nibbleAt(this.#heads[node * HEAD_WORDS + DEPTH] as number, this.#prefixes, prefix * PREFIX_WORDS);
  }

  /** A new node on the path of a prefix. */
  #newNode(depth: number, prefix: number): number {
    this.#nodesUsed++;
    let node = this.#freeNode;
    if (node !== 0) {
      this.#freeNode = this.#nodes[node * NODE_WORDS] as number;
    } else {
      node = this.#nodeCount++;
      if (this.#nodeCount * NODE_WORDS > this.#nodes.length) {
        this.#nodes = doubled(this.#nodes);
        this.#heads = doubled(this.#heads);
      }
    }
    this.#nodes.fill(0, node * NODE_WORDS, (node + 1) * NODE_WORDS);
    const head = node * HEAD_WORDS;
    this.#heads[head + DEPTH] = depth;
    this.#heads[head + USES] = 0;
    this.#heads[head + FIRST_PREFIX] = 0;
    for (let i = 0; i < 4; i++) {
      this.#heads[head + KEY + i] =
        (this.#prefixes[prefix * PREFIX_WORDS + i] as number) & mask(depth - 32 * i);
    }
    return node;
  }

  #newPrefix(a: number, b: number, c: number, d: number, length: number, value: number): number {
    let index = this.#freePrefix;
    if (index !== 0) {
      this.#freePrefix = this.#nextPrefix(index);
    } else {
      index = this.#prefixCount++;
      if (this.#prefixCount * PREFIX_WORDS > this.#prefixes.length) this.#prefixes = doubled(this.#prefixes);
    }
    const at = index * PREFIX_WORDS;
    this.#prefixes[at] = a;
    this.#prefixes[at + 1] = b;
    this.#prefixes[at + 2] = c;
    this.#prefixes[at + 3] = d;
    this.#prefixes[at + LENGTH] = length;
    this.#prefixes[at + VALUE] = value;
    this.#prefixes[at + NEXT] = 0;
    return index;
  }
}

/** The four bits of an address after the first `depth`. */
function nibble(depth: number, a: number, b: number, c: number, d: number): number {
  let word = d;
  if (depth < 32) word = a;
  else if (depth < 64) word = b;
  else if (depth < 96) word = c;
  return (word >>> (28 - (depth & 31))) & 15;
}

function nibbleAt(depth: number, words: Int32Array, at: number): number {
  return ((words[at + (depth >> 5)] as number) >>> (28 - (depth & 31))) & 15;
}

/** Where the entry for this address is, in the node that `ref` refers to. */
function entryOf(ref: number, a: number, b: number, c: number, d: number): number {
  return (ref >>> 5) * NODE_WORDS + nibble((ref & 31) << 2, a, b, c, d) * 2;
}

/** The node in which a link is. */
function nodeOf(link: number): number {
  return Math.floor(link / NODE_WORDS);
}

function isMapped(a: number, b: number, c: number, length: number): boolean {
  return length >= 96 && (a | b) === 0 && c === 0xffff;
}

/** The int32 whose first `bits` bits are one. */
function mask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? -1 : -1 << (32 - bits);
}

function doubled(words: Int32Array): Int32Array {
  const larger = new Int32Array(words.length * 2);
  larger.set(words);
  return larger;
}
