/**
 * The VLAN tag: IEEE 802.1Q §9. It stands where an untagged frame has its type, which it pushes back.
 *
 *     | destination 6 | source 6 | TPID 2 | PCP 3, DEI 1, VID 12 | type 2 | payload …
 *                                 ^ `at`
 */
import { Drop } from '../base/drop.ts';
import { EtherType } from './ethernet.ts';

export const TAG_BYTES = 4;
/** Where the tag is in a frame. */
export const TAG_OFFSET = 12;

export const isTag = (type: number): boolean => type === EtherType.Vlan || type === EtherType.VlanService;

/** The tag and the type behind it. */
export function check(at: number, end: number): Drop {
  return end - at < TAG_BYTES + 2 ? Drop.FrameTruncated : Drop.None;
}

export const tpid = (view: DataView, at: number): number => view.getUint16(at);
/** Priority, eligibility and identifier in one, as `Packet.vlan` has it. */
export const tci = (view: DataView, at: number): number => view.getUint16(at + 2);
export const pcp = (view: DataView, at: number): number => view.getUint8(at + 2) >>> 5;
export const isDei = (view: DataView, at: number): boolean => (view.getUint8(at + 2) & 0x10) !== 0;
export const vid = (view: DataView, at: number): number => view.getUint16(at + 2) & 0xfff;
/** The type of what follows. */
export const type = (view: DataView, at: number): number => view.getUint16(at + 4);

export function write(view: DataView, at: number, tpid: number, tci: number): number {
  view.setUint16(at, tpid);
  view.setUint16(at + 2, tci);
  return at + TAG_BYTES;
}

/** Puts a tag into the frame at `frame`, which then begins four bytes earlier; answers where. */
export function insert(view: DataView, frame: number, tpid: number, tci: number): number {
  for (let i = frame; i < frame + TAG_OFFSET; i += 4) view.setInt32(i - TAG_BYTES, view.getInt32(i));
  write(view, frame - TAG_BYTES + TAG_OFFSET, tpid, tci);
  return frame - TAG_BYTES;
}

/** Takes the outermost tag out of the frame at `frame`, which then begins four bytes later; answers where. */
export function remove(view: DataView, frame: number): number {
  for (let i = frame + TAG_OFFSET - 4; i >= frame; i -= 4) view.setInt32(i + TAG_BYTES, view.getInt32(i));
  return frame + TAG_BYTES;
}
