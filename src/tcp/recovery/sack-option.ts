/**
 * The blocks of a SACK option (RFC 2018 §3) as they come, and the one that tells of a duplicate (RFC 2883
 * §4).
 */
import { geq, leq, lt } from '../../base/seq32.ts';
import type { TcpOptions } from '../../wire/tcp-options.ts';

/** What arrived twice. */
export class DsackRange {
  isPresent = false;
  from = 0;
  to = 0;
}

/** RFC 2883 §4: the first block is one when it lies below the acknowledgement, or within the second block. */
export function takeDsack(options: TcpOptions, ack: number, into: DsackRange): void {
  const { sack } = options;
  const from = sack[0] as number;
  const to = sack[1] as number;
  if (!lt(from, to)) return;
  const isBelow = leq(to, ack);
  const isWithin = options.sackCount > 1 && geq(from, sack[2] as number) && leq(to, sack[3] as number);
  if (!isBelow && !isWithin) return;
  into.isPresent = true;
  into.from = from;
  into.to = to;
}

/** In place, by their left edges: RACK would take blocks out of order for segments out of order. */
export function sortBlocks(options: TcpOptions): void {
  const { sack, sackCount } = options;
  for (let i = 1; i < sackCount; i++) {
    const left = sack[2 * i] as number;
    const right = sack[2 * i + 1] as number;
    let at = i;
    for (; at > 0 && lt(left, sack[2 * at - 2] as number); at--) {
      sack[2 * at] = sack[2 * at - 2] as number;
      sack[2 * at + 1] = sack[2 * at - 1] as number;
    }
    sack[2 * at] = left;
    sack[2 * at + 1] = right;
  }
}
