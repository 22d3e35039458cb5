/**
 * An error that came back about something we sent, as sockets hear of it: RFC 1122 §4.1.3.3, and the fields of
 * Linux's `sock_extended_err` (ip(7), `IP_RECVERR`).
 *
 * One object is filled anew for every error; whoever keeps something copies it.
 */
import { FlowKey } from '../addr/flow-key.ts';
import { Ip } from '../addr/ip.ts';
import type { Errno } from '../base/errno.ts';
import type { Instant } from '../base/time.ts';
import { START } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import * as icmp4 from '../wire/icmp4.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as udp from '../wire/udp.ts';

/** Who noticed: this host before sending, or somebody on the way. */
export type ErrorOrigin = 'local' | 'icmp4';

/** A validated ICMPv4 error, as the network layer describes it; addresses are header words. */
export interface Quote4 {
  readonly type: number;
  readonly code: number;
  /** Next-hop MTU, or the pointer of a parameter problem. */
  readonly info: number;
  /** Who sent the error. */
  readonly from: number;
  readonly device: number;
  /** Of the quoted datagram: we were `src`. */
  readonly src: number;
  readonly dst: number;
  readonly protocol: number;
  readonly packet: Packet | null;
  /** Of the quoted transport header in `packet`, of which at least 8 bytes are there. */
  readonly l4: number;
}

export class PathError {
  errno: Errno = 'EHOSTUNREACH';
  /** Final, as far as anybody can tell: RFC 1122 §4.2.3.9 calls the others soft. */
  isHard = false;
  origin: ErrorOrigin = 'icmp4';
  type = 0;
  code = 0;
  /** The MTU that would have fitted (`EMSGSIZE`), or the pointer of a parameter problem. */
  info = 0;
  /** Who sent the error: four address words. */
  fromA = 0;
  fromB = 0;
  fromC = 0;
  fromD = 0;
  /** Interface it came in by. */
  device = 0;
  receivedAt: Instant = START;
  /** What had been sent: addresses, protocol, and ports where the protocol has some. */
  readonly sent: FlowKey = new FlowKey();
  /** Of an echo that had been sent; the sequence number of a TCP segment too. */
  id = 0;
  seq = 0;

  /** Allocates: for those who print. */
  get from(): Ip {
    return new Ip(this.fromA, this.fromB, this.fromC, this.fromD);
  }

  get isTooLong(): boolean {
    return this.errno === 'EMSGSIZE';
  }

  /** Answers false for what is no error to a socket, such as a source quench (RFC 6633 §3). */
  fillFromQuote4(now: Instant, quote: Quote4): boolean {
    if (quote.packet === null || !this.#judge4(quote.type, quote.code)) return false;
    this.origin = 'icmp4';
    this.type = quote.type;
    this.code = quote.code;
    this.info = quote.info;
    this.fromA = 0;
    this.fromB = 0;
    this.fromC = 0xffff;
    this.fromD = quote.from;
    this.device = quote.device;
    this.receivedAt = now;
    this.sent.setAddresses4(quote.src, quote.dst);
    this.sent.protocol = quote.protocol;
    this.#readQuotedTransport(quote.packet.view, quote.l4, quote.protocol);
    return true;
  }

  /** What this host itself refused: a datagram to `sent` that is longer than `mtu`. */
  fillLocal(errno: Errno, sent: FlowKey, mtu: number): void {
    this.errno = errno;
    this.isHard = true;
    this.origin = 'local';
    this.type = 0;
    this.code = 0;
    this.info = mtu;
    this.fromA = sent.srcA;
    this.fromB = sent.srcB;
    this.fromC = sent.srcC;
    this.fromD = sent.srcD;
    this.device = 0;
    copyFlow(this.sent, sent);
    this.id = 0;
    this.seq = 0;
  }

  copyTo(copy: PathError): void {
    copy.errno = this.errno;
    copy.isHard = this.isHard;
    copy.origin = this.origin;
    copy.type = this.type;
    copy.code = this.code;
    copy.info = this.info;
    copy.fromA = this.fromA;
    copy.fromB = this.fromB;
    copy.fromC = this.fromC;
    copy.fromD = this.fromD;
    copy.device = this.device;
    copy.receivedAt = this.receivedAt;
    copyFlow(copy.sent, this.sent);
    copy.id = this.id;
    copy.seq = this.seq;
  }

  #readQuotedTransport(view: DataView, at: number, protocol: number): void {
    this.sent.srcPort = 0;
    this.sent.dstPort = 0;
    this.id = 0;
    this.seq = 0;
    if (protocol === ipv4.Protocol.Udp || protocol === ipv4.Protocol.Tcp) {
      this.sent.srcPort = udp.srcPort(view, at);
      this.sent.dstPort = udp.dstPort(view, at);
      // RFC 792 quotes eight bytes, which is as far as TCP's sequence number.
      if (protocol === ipv4.Protocol.Tcp) this.seq = view.getInt32(at + 4);
    } else if (protocol === ipv4.Protocol.Icmp && icmp4.type(view, at) === icmp4.Type.Echo) {
      this.id = icmp4.id(view, at);
      this.seq = icmp4.seq(view, at);
    }
  }

  /** RFC 1122 §3.2.2.1–5 says what each code means; the errno and what is final are Linux's choice. */
  #judge4(type: number, code: number): boolean {
    switch (type) {
      case icmp4.Type.Unreachable:
        this.errno = UNREACHABLE[code] ?? 'EHOSTUNREACH';
        this.isHard = HARD_CODES.includes(code);
        return true;
      case icmp4.Type.TimeExceeded:
        this.errno = 'EHOSTUNREACH';
        this.isHard = false;
        return true;
      case icmp4.Type.ParameterProblem:
        this.errno = 'EPROTO';
        this.isHard = true;
        return true;
      default:
        return false;
    }
  }
}

const Code = icmp4.UnreachableCode;

const UNREACHABLE: Readonly<Record<number, Errno>> = {
  [Code.Net]: 'ENETUNREACH',
  [Code.Host]: 'EHOSTUNREACH',
  [Code.Protocol]: 'ENOPROTOOPT',
  [Code.Port]: 'ECONNREFUSED',
  [Code.FragmentationNeeded]: 'EMSGSIZE',
  [Code.SourceRouteFailed]: 'EOPNOTSUPP',
  [Code.NetUnknown]: 'ENETUNREACH',
  [Code.HostUnknown]: 'EHOSTDOWN',
  [Code.SourceIsolated]: 'ENETUNREACH',
  [Code.NetProhibited]: 'ENETUNREACH',
  [Code.HostProhibited]: 'EHOSTUNREACH',
  [Code.NetTos]: 'ENETUNREACH',
  [Code.HostTos]: 'EHOSTUNREACH',
};

const HARD_CODES: readonly number[] = [
  Code.Protocol,
  Code.Port,
  Code.NetUnknown,
  Code.HostUnknown,
  Code.SourceIsolated,
  Code.NetProhibited,
  Code.HostProhibited,
  Code.AdminProhibited,
  Code.PrecedenceViolation,
  Code.PrecedenceCutoff,
];

function copyFlow(to: FlowKey, from: FlowKey): void {
  to.srcA = from.srcA;
  to.srcB = from.srcB;
  to.srcC = from.srcC;
  to.srcD = from.srcD;
  to.dstA = from.dstA;
  to.dstB = from.dstB;
  to.dstC = from.dstC;
  to.dstD = from.dstD;
  to.protocol = from.protocol;
  to.srcPort = from.srcPort;
  to.dstPort = from.dstPort;
}
