/**
 * What a packet is looked up by: addresses, ports and the selectors of policy routing, as plain int32 fields.
 *
 * Mutable on purpose: one of them is filled anew for every packet, so that a look-up allocates nothing.
 */
import type { Ip } from './ip.ts';

export class FlowKey {
  srcA = 0;
  srcB = 0;
  srcC = 0;
  srcD = 0;
  dstA = 0;
  dstB = 0;
  dstC = 0;
  dstD = 0;
  protocol = 0;
  srcPort = 0;
  dstPort = 0;
  tos = 0;
  mark = 0;
  /** Interface it came in by, or 0. */
  iif = 0;
  /** Interface it must leave by, or 0. */
  oif = 0;

  setSource(ip: Ip): void {
    this.srcA = ip.a;
    this.srcB = ip.b;
    this.srcC = ip.c;
    this.srcD = ip.d;
  }

  setDestination(ip: Ip): void {
    this.dstA = ip.a;
    this.dstB = ip.b;
    this.dstC = ip.c;
    this.dstD = ip.d;
  }

  /** Both addresses from the words of an IPv4 header. */
  setAddresses4(src: number, dst: number): void {
    this.srcA = 0;
    this.srcB = 0;
    this.srcC = 0xffff;
    this.srcD = src;
    this.dstA = 0;
    this.dstB = 0;
    this.dstC = 0xffff;
    this.dstD = dst;
  }
}
