/** Damage to a frame that knows a little of what it damages: fields of interest, lengths, and sums put right again. */
import type { Rng } from '../../src/base/rng.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { HEADROOM } from '../../src/packet/packet.ts';
import { pseudo4 } from '../../src/wire/checksum.ts';
import * as ethernet from '../../src/wire/ethernet.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import * as udp from '../../src/wire/udp.ts';

const OCTETS = [0, 1, 2, 4, 5, 0x3f, 0x40, 0x45, 0x46, 0x4f, 0x7f, 0x80, 0xe0, 0xf0, 0xfe, 0xff];
const WORDS = [
  0, 1, 7, 8, 19, 20, 21, 27, 28, 0x1fff, 0x2000, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xfff8, 0xffff,
];
/** The longest frame made: beyond it only the copies of slots get slower. */
const FRAME_MAX = 2_000;

/** Puts `bytes` into an empty packet as a frame, with the network header where it belongs. */
export function place(packet: Packet, bytes: Uint8Array): void {
  packet.head = HEADROOM - ethernet.HEADER_BYTES;
  packet.bytes.set(bytes, packet.head);
  packet.tail = packet.head + bytes.length;
}

/** One to four changes, then, mostly, lengths and checksums that fit again. */
export function mutate(rng: Rng, packet: Packet, other: Uint8Array): void {
  for (let i = 1 + rng.below(4); i > 0; i--) change(rng, packet, other);
  if (rng.below(10) < 7) repair(rng, packet);
}

function change(rng: Rng, packet: Packet, other: Uint8Array): void {
  const { bytes, view, head, tail } = packet;
  const length = tail - head;
  if (length < 2) return;
  const at = head + rng.below(length);
  switch (rng.below(8)) {
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << rng.below(8));
      return;
    case 1:
      bytes[at] = OCTETS[rng.below(OCTETS.length)] as number;
      return;
    case 2:
      view.setUint16(Math.min(at, tail - 2), WORDS[rng.below(WORDS.length)] as number);
      return;
    case 3:
      // In the headers, where it matters most.
      bytes[head + rng.below(Math.min(length, 60))] = rng.below(256);
      return;
    case 4:
      packet.tail = head + rng.below(length + 1);
      return;
    case 5: {
      const end = Math.min(head + FRAME_MAX, tail + rng.below(rng.below(4) === 0 ? 600 : 40));
      rng.fill(bytes, tail, end);
      packet.tail = end;
      return;
    }
    case 6: {
      // The end of another frame.
      const from = rng.below(other.length);
      const count = Math.min(other.length - from, head + FRAME_MAX - at);
      bytes.set(other.subarray(from, from + count), at);
      packet.tail = Math.max(tail, at + count);
      return;
    }
    default:
      bytes.copyWithin(at, head + rng.below(length), tail);
  }
}

/** Total length, header checksum and the checksum of what is inside, as far as that is there. */
function repair(rng: Rng, packet: Packet): void {
  const { view, head, tail } = packet;
  const l3 = head + ethernet.HEADER_BYTES;
  if (tail - l3 < ipv4.MIN_HEADER_BYTES || view.getUint8(l3) >>> 4 !== 4) return;
  if (rng.below(4) !== 0) view.setUint16(l3 + 2, tail - l3);
  const headerLength = ipv4.headerLength(view, l3);
  if (headerLength < ipv4.MIN_HEADER_BYTES || l3 + headerLength > tail) return;
  ipv4.fillChecksum(view, l3);
  const l4 = l3 + headerLength;
  const end = Math.min(tail, l3 + ipv4.totalLength(view, l3));
  if (ipv4.isFragment(view, l3) || end - l4 < 8) return;
  if (ipv4.protocol(view, l3) === ipv4.Protocol.Udp) {
    const length = end - l4;
    if (rng.below(4) !== 0) view.setUint16(l4 + 4, length);
    view.setUint16(l4 + udp.CHECKSUM_OFFSET, 0);
    const pseudo = pseudo4(ipv4.src(view, l3), ipv4.dst(view, l3), ipv4.Protocol.Udp, length);
    udp.fillChecksum(view, l4, length, pseudo);
  } else {
    // ICMP and IGMP have it at the same place.
    icmp4.fillChecksum(view, l4, end);
  }
}
