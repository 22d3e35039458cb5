/**
 * The table through which JavaScript and the addon speak of frames: an `Int32Array` that both read and write, so
 * that a call passes small integers only. `native/frame-header.h` has the same numbers.
 *
 *     | counters | receive records 0 … BATCH-1 | transmit records 0 … BATCH-1 |
 */

/** Frames moved by one call. More were measured to be no faster, and walk through more memory. */
export const BATCH = 64;

/** Words before the first record; the counters are added to and wrap. */
const HEADER_WORDS = 16;
export const Count = { Reads: 0, Writes: 1, EmptyReads: 2, Truncated: 3 } as const;

export const RECORD_WORDS = 16;
/** First words of the records. */
export const RECEIVE: number = HEADER_WORDS;
export const TRANSMIT: number = HEADER_WORDS + BATCH * RECORD_WORDS;
export const TABLE_WORDS: number = HEADER_WORDS + 2 * BATCH * RECORD_WORDS;

/** Words of a record. `offset` counts from the beginning of the arena, `csumStart` from the first byte of the frame. */
export const Field = {
  Arena: 0,
  Offset: 1,
  /** Receive: bytes free from the offset on. Transmit: bytes free before it. */
  Room: 2,
  Length: 3,
  Flags: 4,
  GsoType: 5,
  GsoSize: 6,
  /** Bytes of headers of a super-segment. */
  Headers: 7,
  CsumStart: 8,
  CsumOffset: 9,
  /** Transmit: payload that lies elsewhere and follows the frame's bytes. Length 0: none. */
  MoreArena: 10,
  MoreOffset: 11,
  MoreLength: 12,
} as const;

/** VIRTIO 1.2 §5.1.6, and one bit of our own. */
export const VnetFlag = { NeedsCsum: 1, DataValid: 2, Truncated: 0x10000 } as const;
export const VNET_GSO_ECN = 0x80;
