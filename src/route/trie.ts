/**
 * Longest-prefix match: from addresses to integers, for both families.
 *
 * A trie over four bits at a time, with the paths that do not branch left out. A node stands at a depth (a
 * multiple of four bits) and has sixteen entries, one for each value of the next four bits: the node below, and
 * the longest prefix that ends within these four bits. A prefix of 9 bits ends in a node of depth 8, in eight
 * of its entries.
 *
 *     10.0.0.0/8     node of depth 4, one entry          node:    child, prefix   × 16
 *     10.0.0.0/9     node of depth 8, eight entries      (ints)   depth, uses, first prefix, key
 *
 * A look-up follows the address from node to node and keeps the last prefix it saw. Because bits are left out,
 * each prefix is compared with the whole address: the first that differs ends the walk, since all below it lie
 * on the same wrong path.
 *
 * IPv4 addresses, v4-mapped, have their own root at depth 96: ::/0 does not match them. Lengths count in 128
 * bits throughout.
 */
import { assert } from '../base/assert.ts';

// A node: sixteen pairs of a reference to a child and a prefix, then what only changes need.
const NODE_WORDS = 40;
const DEPTH = 32;
/** Children and prefixes. A node with one child and no prefix would not branch, and is left out. */
const USES = 33;
/** The prefixes that end in this node, ordered by address and length. */
const FIRST_PREFIX = 34;
/** The bits up to the depth of this node; those after it are zero. */
const KEY = 35;

// A prefix: four words of address, then these.
const PREFIX_WORDS = 8;
const LENGTH = 4;
const VALUE = 5;
/** The next in the list of its node, or of the free ones. */
const NEXT = 6;

/** Links to the roots, in node 0, which is no node. */
const ROOT_6 = 0;
const ROOT_4 = 2;

export class Trie {
  /** A reference is `number << 5 | depth >> 2`, so that a look-up knows the depth without reading the node. */
  #nodes: Int32Array = new Int32Array(NODE_WORDS * 16);
  #nodeCount = 1;
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

  /** The value of the longest prefix that contains this address, or -1. */
  lookup(a: number, b: number, c: number, d: number): number {
    const isV4 = (a | b) === 0 && c === 0xffff;
    const nodes = this.#nodes;
    let best = isV4 ? this.#default4 : this.#default6;
    let ref = nodes[isV4 ? ROOT_4 : ROOT_6] as number;
    while (ref !== 0) {
      const at = (ref >>> 5) * NODE_WORDS + nibble((ref & 31) << 2, a, b, c, d) * 2;
      const prefix = nodes[at + 1] as number;
      if (prefix !== 0) {
        if (!this.#contains(prefix, a, b, c, d)) break;
        best = prefix;
      }
      ref = nodes[at] as number;
    }
    return best === 0 ? -1 : (this.#prefixes[best * PREFIX_WORDS + VALUE] as number);
  }

  /** The value of the longest prefix shorter than `length` that contains this address, or -1. */
  lookupShorter(a: number, b: number, c: number, d: number, length: number): number {
    const isV4 = (a | b) === 0 && c === 0xffff;
    let best = length > (isV4 ? 96 : 0) ? this.#defaultOf(isV4) : 0;
    let ref = this.#nodes[isV4 ? ROOT_4 : ROOT_6] as number;
    while (ref !== 0 && (ref & 31) << 2 < length - 1) {
      const node = (ref >>> 5) * NODE_WORDS;
      let prefix = this.#nodes[node + FIRST_PREFIX] as number;
      for (; prefix !== 0; prefix = this.#nextPrefix(prefix)) {
        const own = this.#lengthOf(prefix);
        // Those of one node that contain one address are listed from short to long.
        if (own < length && this.#contains(prefix, a, b, c, d)) best = prefix;
      }
      ref = this.#nodes[node + nibble((ref & 31) << 2, a, b, c, d) * 2] as number;
    }
    return best === 0 ? -1 : (this.#prefixes[best * PREFIX_WORDS + VALUE] as number);
  }

  /** The value of exactly this prefix, or -1. */
  find(a: number, b: number, c: number, d: number, length: number): number {
    const prefix = this.#find(a, b, c, d, length);
    return prefix === 0 ? -1 : (this.#prefixes[prefix * PREFIX_WORDS + VALUE] as number);
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
    this.#enter(this.#makeNode(isV4 ? ROOT_4 : ROOT_6, (length - 1) & ~3, a, b, c, d), prefix);
  }

  /** Removes exactly this prefix and answers its value, or -1. */
  remove(a: number, b: number, c: number, d: number, length: number): number {
    const prefix = this.#find(a, b, c, d, length);
    if (prefix === 0) return -1;
    const value = this.#prefixes[prefix * PREFIX_WORDS + VALUE] as number;
    const isV4 = isMapped(a, b, c, length);
    if (prefix === this.#default4) this.#default4 = 0;
    else if (prefix === this.#default6) this.#default6 = 0;
    else this.#removeFromNode(isV4 ? ROOT_4 : ROOT_6, prefix);
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
    if (prefix !== 0) visitor(this.#prefixes[prefix * PREFIX_WORDS + VALUE] as number);
  }

  #visitNode(ref: number, visitor: (value: number) => void): void {
    if (ref === 0) return;
    const node = (ref >>> 5) * NODE_WORDS;
    let prefix = this.#nodes[node + FIRST_PREFIX] as number;
    for (let entry = 0; entry < 16; entry++) {
      for (; prefix !== 0 && this.#firstEntry(node, prefix) === entry; prefix = this.#nextPrefix(prefix)) {
        this.#visitPrefix(prefix, visitor);
      }
      this.#visitNode(this.#nodes[node + entry * 2] as number, visitor);
    }
  }

  #defaultOf(isV4: boolean): number {
    return isV4 ? this.#default4 : this.#default6;
  }

  #find(a: number, b: number, c: number, d: number, length: number): number {
    const isV4 = isMapped(a, b, c, length);
    if (length === (isV4 ? 96 : 0)) return this.#defaultOf(isV4);
    const depth = (length - 1) & ~3;
    let ref = this.#nodes[isV4 ? ROOT_4 : ROOT_6] as number;
    while (ref !== 0 && (ref & 31) << 2 < depth) {
      ref = this.#nodes[(ref >>> 5) * NODE_WORDS + nibble((ref & 31) << 2, a, b, c, d) * 2] as number;
    }
    if (ref === 0 || (ref & 31) << 2 !== depth) return 0;
    let prefix = this.#nodes[(ref >>> 5) * NODE_WORDS + FIRST_PREFIX] as number;
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
    if (length <= 32) return (differsA & (-1 << (32 - length))) === 0;
    const differsB = (prefixes[at + 1] as number) ^ b;
    if (length <= 64) return (differsA | (differsB & (-1 << (64 - length)))) === 0;
    const differsC = (prefixes[at + 2] as number) ^ c;
    if (length <= 96) return (differsA | differsB | (differsC & (-1 << (96 - length)))) === 0;
    const differsD = (prefixes[at + 3] as number) ^ d;
    return (differsA | differsB | differsC | (differsD & (-1 << (128 - length)))) === 0;
  }

  /** The node at `depth` on the path of this address, made if need be, below the link at `link`. */
  #makeNode(link: number, depth: number, a: number, b: number, c: number, d: number): number {
    for (let at = link; ; ) {
      const ref = this.#nodes[at] as number;
      if (ref === 0) {
        const made = this.#newNode(depth, a, b, c, d);
        this.#nodes[at] = made;
        this.#addUses(at, 1);
        return (made >>> 5) * NODE_WORDS;
      }
      const node = (ref >>> 5) * NODE_WORDS;
      const nodeDepth = (ref & 31) << 2;
      const shared = Math.min(this.#sharedBits(node, a, b, c, d), nodeDepth, depth);
      if (shared === nodeDepth && nodeDepth === depth) return node;
      if (shared === nodeDepth) {
        at = node + nibble(nodeDepth, a, b, c, d) * 2;
        continue;
      }
      // The paths part above that node, or the wanted one lies above it: a node where they part.
      const branch = this.#newNode(shared & ~3, a, b, c, d);
      const branchAt = (branch >>> 5) * NODE_WORDS;
      const nodes = this.#nodes;
      const key = node + KEY;
      const down = nibble(
        shared & ~3,
        nodes[key] as number,
        nodes[key + 1] as number,
        nodes[key + 2] as number,
        nodes[key + 3] as number,
      );
      nodes[branchAt + down * 2] = ref;
      nodes[branchAt + USES] = 1;
      nodes[at] = branch;
    }
  }

  /** Enters a prefix in the node where it ends. */
  #enter(node: number, prefix: number): void {
    const entry = this.#firstEntry(node, prefix);
    const length = this.#lengthOf(prefix);
    let before = 0;
    let following = this.#nodes[node + FIRST_PREFIX] as number;
    while (following !== 0) {
      const other = this.#firstEntry(node, following);
      if (other > entry || (other === entry && this.#lengthOf(following) > length)) break;
      before = following;
      following = this.#nextPrefix(following);
    }
    this.#prefixes[prefix * PREFIX_WORDS + NEXT] = following;
    if (before === 0) this.#nodes[node + FIRST_PREFIX] = prefix;
    else this.#prefixes[before * PREFIX_WORDS + NEXT] = prefix;
    this.#addUses(node, 1);
    this.#spread(node, prefix);
  }

  /** Writes a prefix into the entries that it covers, where no longer one is. */
  #spread(node: number, prefix: number): void {
    const length = this.#lengthOf(prefix);
    const first = this.#firstEntry(node, prefix);
    const end = first + this.#entryCount(node, prefix);
    for (let entry = first; entry < end; entry++) {
      const other = this.#nodes[node + entry * 2 + 1] as number;
      if (other === 0 || this.#lengthOf(other) < length) this.#nodes[node + entry * 2 + 1] = prefix;
    }
  }

  #removeFromNode(root: number, prefix: number): void {
    const words = this.#prefixes;
    const at = prefix * PREFIX_WORDS;
    const depth = (this.#lengthOf(prefix) - 1) & ~3;
    // The links to the node and to the one above it, to close the gap when the node goes.
    let parentLink = root;
    let link = root;
    let node = ((this.#nodes[root] as number) >>> 5) * NODE_WORDS;
    while ((this.#nodes[node + DEPTH] as number) < depth) {
      const nodeDepth = this.#nodes[node + DEPTH] as number;
      parentLink = link;
      link =
        node +
        nibble(
          nodeDepth,
          words[at] as number,
          words[at + 1] as number,
          words[at + 2] as number,
          words[at + 3] as number,
        ) *
          2;
      node = ((this.#nodes[link] as number) >>> 5) * NODE_WORDS;
    }
    this.#unlist(node, prefix);
    for (let entry = 0; entry < 16; entry++) {
      if (this.#nodes[node + entry * 2 + 1] === prefix) this.#nodes[node + entry * 2 + 1] = 0;
    }
    let other = this.#nodes[node + FIRST_PREFIX] as number;
    for (; other !== 0; other = this.#nextPrefix(other)) this.#spread(node, other);
    this.#addUses(node, -1);
    this.#prune(link);
    if (link !== root) this.#prune(parentLink);
  }

  #unlist(node: number, prefix: number): void {
    const following = this.#nextPrefix(prefix);
    let before = this.#nodes[node + FIRST_PREFIX] as number;
    if (before === prefix) {
      this.#nodes[node + FIRST_PREFIX] = following;
      return;
    }
    while (this.#nextPrefix(before) !== prefix) before = this.#nextPrefix(before);
    this.#prefixes[before * PREFIX_WORDS + NEXT] = following;
  }

  /** Takes out the node at `link` if nothing is in it, or if it does not branch. */
  #prune(link: number): void {
    const ref = this.#nodes[link] as number;
    const node = (ref >>> 5) * NODE_WORDS;
    if ((this.#nodes[node + USES] as number) > 1 || this.#nodes[node + FIRST_PREFIX] !== 0) return;
    let child = 0;
    for (let entry = 0; entry < 16 && child === 0; entry++) child = this.#nodes[node + entry * 2] as number;
    this.#nodes[link] = child;
    if (child === 0) this.#addUses(link, -1);
    this.#nodes[node] = this.#freeNode;
    this.#freeNode = ref >>> 5;
  }

  /** Adds to the uses of the node in which the word at `at` lies. */
  #addUses(at: number, n: number): void {
    const uses = at - (at % NODE_WORDS) + USES;
    this.#nodes[uses] = (this.#nodes[uses] as number) + n;
  }

  /** How many leading bits this address has in common with the key of `node`. */
  #sharedBits(node: number, a: number, b: number, c: number, d: number): number {
    const nodes = this.#nodes;
    const key = node + KEY;
    if (nodes[key] !== a) return Math.clz32((nodes[key] as number) ^ a);
    if (nodes[key + 1] !== b) return 32 + Math.clz32((nodes[key + 1] as number) ^ b);
    if (nodes[key + 2] !== c) return 64 + Math.clz32((nodes[key + 2] as number) ^ c);
    return 96 + Math.clz32((nodes[key + 3] as number) ^ d);
  }

  #lengthOf(prefix: number): number {
    return this.#prefixes[prefix * PREFIX_WORDS + LENGTH] as number;
  }

  #nextPrefix(prefix: number): number {
    return this.#prefixes[prefix * PREFIX_WORDS + NEXT] as number;
  }

  /** The first of the entries of `node` that a prefix of it covers. */
  #firstEntry(node: number, prefix: number): number {
    const words = this.#prefixes;
    const at = prefix * PREFIX_WORDS;
    return nibble(
      this.#nodes[node + DEPTH] as number,
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
    );
  }

  #entryCount(node: number, prefix: number): number {
    return 16 >> (this.#lengthOf(prefix) - (this.#nodes[node + DEPTH] as number));
  }

  /** A reference to a new node. */
  #newNode(depth: number, a: number, b: number, c: number, d: number): number {
    let index = this.#freeNode;
    if (index !== 0) {
      this.#freeNode = this.#nodes[index * NODE_WORDS] as number;
    } else {
      index = this.#nodeCount++;
      if (this.#nodeCount * NODE_WORDS > this.#nodes.length) this.#nodes = doubled(this.#nodes);
    }
    const at = index * NODE_WORDS;
    this.#nodes.fill(0, at, at + NODE_WORDS);
    this.#nodes[at + DEPTH] = depth;
    this.#nodes[at + KEY] = a & mask(depth);
    this.#nodes[at + KEY + 1] = b & mask(depth - 32);
    this.#nodes[at + KEY + 2] = c & mask(depth - 64);
    this.#nodes[at + KEY + 3] = d & mask(depth - 96);
    return (index << 5) | (depth >> 2);
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
