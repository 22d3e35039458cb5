/**
 * What UDP, raw and ping sockets have in common behind a descriptor: options of SOL_SOCKET and SOL_IP, the error
 * queue, readiness as poll(2) says it. The numbers and rules are those of socket(7), ip(7) and udp(7).
 */
import { Ip } from '../../addr/ip.ts';
import type { Instant } from '../../base/time.ts';
import { DatagramInfo, ReceiveFlag } from '../../socket/datagram-info.ts';
import type { DatagramSocket } from '../../socket/datagram-socket.ts';
import { Ready } from '../../socket/datagram-socket.ts';
import { PathMtu } from '../../socket/host.ts';
import { PathError } from '../../udp/path-error.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import { errnoNumber } from '../errno.ts';
import type { Cmsg, Linger, OptionValue, ReceiveRequest, SendRequest, SocketAddress } from '../syscalls.ts';
import { CallError } from '../syscalls.ts';
import type { SocketFile } from './file.ts';

/** What the socket itself is asked, by kind. */
type AnySocket = DatagramSocket & {
  receive(
    into: Uint8Array,
    info: DatagramInfo,
    flags: number,
    start: number,
    end: number,
  ): number | CallErrno;
};

const INFO = new DatagramInfo();

export abstract class DatagramFile implements SocketFile {
  readonly domain: number;
  abstract readonly type: number;
  abstract readonly protocol: number;
  onEdge: ((events: number) => void) | null = null;
  /** Control messages that were asked for. */
  #wantsPacketInfo = false;
  #wantsTtl = false;
  #wantsTos = false;
  readonly #socket: AnySocket;

  constructor(domain: number, socket: AnySocket) {
    this.domain = domain;
    this.#socket = socket;
    socket.onReady = (_now, edges): void => {
      if (this.onEdge !== null) this.onEdge(pollBits(edges));
    };
  }

  abstract bind(now: Instant, address: SocketAddress): CallErrno | null;
  abstract connect(now: Instant, address: SocketAddress): CallErrno | null;
  abstract send(now: Instant, request: SendRequest, at: number): number | CallErrno;
  abstract localAddress(): SocketAddress;
  abstract peerAddress(): SocketAddress | null;

  connecting(_now: Instant): CallErrno | null {
    return null;
  }

  listen(_now: Instant, _backlog: number): CallErrno | null {
    return 'EOPNOTSUPP';
  }

  accept(_now: Instant): SocketFile | CallErrno {
    return 'EOPNOTSUPP';
  }

  receive(_now: Instant, request: ReceiveRequest, at: number): number | CallErrno {
    if ((request.flags & Linux.MSG_ERRQUEUE) !== 0) return this.#receiveError(request);
    if ((request.flags & Linux.MSG_OOB) !== 0) return 'EOPNOTSUPP';
    const flags =
      ((request.flags & Linux.MSG_PEEK) === 0 ? 0 : ReceiveFlag.Peek) |
      ((request.flags & Linux.MSG_TRUNC) === 0 ? 0 : ReceiveFlag.Truncate);
    const count = this.#socket.receive(request.into, INFO, flags, at, request.into.length);
    if (typeof count === 'string') return count;
    request.from = this.address(INFO.address, INFO.port);
    request.outFlags = INFO.isTruncated ? Linux.MSG_TRUNC : 0;
    request.control = this.#control();
    return count;
  }

  shutdown(_now: Instant, how: number): CallErrno | null {
    const sides = ['read', 'write', 'both'] as const;
    return this.#socket.shutdown(sides[how] ?? 'both');
  }

  close(_now: Instant): void {
    this.#socket.close();
  }

  lingersUntil(_now: Instant): Instant | null {
    return null;
  }

  setOption(_now: Instant, level: number, option: number, value: OptionValue): CallErrno | null {
    if (level === Linux.SOL_SOCKET) return this.setSocketOption(option, value);
    if (typeof value !== 'number') return 'EINVAL';
    return level === Linux.SOL_IP ? this.setIpOption(option, value) : 'ENOPROTOOPT';
  }

  option(_now: Instant, level: number, option: number): OptionValue | CallError {
    if (level === Linux.SOL_SOCKET) return this.#socketOption(option);
    return level === Linux.SOL_IP ? this.#ipOption(option) : new CallError('ENOPROTOOPT');
  }

  ioctl(_now: Instant, request: number): number | CallError {
    if (request === Linux.SIOCOUTQ) return 0;
    return new CallError(request === Linux.FIONREAD ? 'EINVAL' : 'ENOTTY');
  }

  poll(_now: Instant): number {
    return pollBits(this.#socket.readiness);
  }

  /** An address as the family of this socket writes it. */
  protected address(ip: Ip, port: number): SocketAddress {
    return { family: this.domain, ip, port };
  }

  protected setSocketOption(option: number, value: OptionValue): CallErrno | null {
    const socket = this.#socket;
    if (option === Linux.SO_LINGER) return isLinger(value) ? null : 'EINVAL';
    if (typeof value !== 'number') return 'EINVAL';
    switch (option) {
      case Linux.SO_BROADCAST:
        socket.options.broadcast = value !== 0;
        return null;
      case Linux.SO_SNDBUF:
        socket.setSendBuffer(value);
        return null;
      case Linux.SO_RCVBUF:
        socket.setReceiveBuffer(value);
        return null;
      case Linux.SO_MARK:
        socket.options.mark = value;
        return null;
      default:
        return 'ENOPROTOOPT';
    }
  }

  protected setIpOption(option: number, value: number): CallErrno | null {
    const socket = this.#socket;
    switch (option) {
      case Linux.IP_TOS:
        return socket.setTos(value & 0xff);
      case Linux.IP_TTL:
        return socket.setTtl(value);
      case Linux.IP_MTU_DISCOVER:
        if (!(value >= PathMtu.Dont && value <= PathMtu.Probe)) return 'EINVAL';
        socket.options.pathMtu = value as PathMtu;
        return null;
      case Linux.IP_RECVERR:
        socket.receivesErrors = value !== 0;
        return null;
      case Linux.IP_PKTINFO:
        this.#wantsPacketInfo = value !== 0;
        return null;
      case Linux.IP_RECVTTL:
        this.#wantsTtl = value !== 0;
        return null;
      case Linux.IP_RECVTOS:
        this.#wantsTos = value !== 0;
        return null;
      case Linux.IP_MULTICAST_TTL:
        return socket.setMulticastTtl(value);
      case Linux.IP_MULTICAST_LOOP:
        socket.options.multicastLoop = value !== 0;
        return null;
      default:
        return 'ENOPROTOOPT';
    }
  }

  #socketOption(option: number): OptionValue | CallError {
    const socket = this.#socket;
    switch (option) {
      case Linux.SO_ERROR: {
        const error = socket.takeError();
        return error === null ? 0 : errnoNumber(error);
      }
      case Linux.SO_BROADCAST:
        return socket.options.broadcast ? 1 : 0;
      case Linux.SO_SNDBUF:
        return socket.sendBuffer;
      case Linux.SO_RCVBUF:
        return socket.receiveBuffer;
      case Linux.SO_MARK:
        return socket.options.mark;
      case Linux.SO_ACCEPTCONN:
        return 0;
      default:
        return new CallError('ENOPROTOOPT');
    }
  }

  #ipOption(option: number): OptionValue | CallError {
    const { options, receivesErrors } = this.#socket;
    switch (option) {
      case Linux.IP_TOS:
        return options.tos;
      case Linux.IP_TTL:
        return options.ttl === 0 ? 64 : options.ttl;
      case Linux.IP_MTU_DISCOVER:
        return options.pathMtu;
      case Linux.IP_RECVERR:
        return receivesErrors ? 1 : 0;
      case Linux.IP_MTU:
        return this.pathMtu();
      default:
        return new CallError('ENOPROTOOPT');
    }
  }

  /** IP_MTU: of a connected socket's path. */
  protected pathMtu(): number | CallError {
    return new CallError('ENOTCONN');
  }

  /** cmsg(3): what was asked for, about the datagram in `INFO`. */
  #control(): Cmsg[] {
    const control: Cmsg[] = [];
    const level = Linux.SOL_IP;
    if (this.#wantsPacketInfo)
      control.push({ level, type: Linux.IP_PKTINFO, data: [INFO.iif, INFO.localAddress.d] });
    if (this.#wantsTtl) control.push({ level, type: Linux.IP_TTL, data: [INFO.ttl] });
    if (this.#wantsTos) control.push({ level, type: Linux.IP_TOS, data: [INFO.tos] });
    return control;
  }

  /** ip(7), IP_RECVERR: the error as control data. The datagram it is about we do not have: no bytes. */
  #receiveError(request: ReceiveRequest): number | CallErrno {
    const error = new PathError();
    if (!this.#socket.receiveError(error)) return 'EAGAIN';
    const { sent, info, type, code } = error;
    const origin = error.origin === 'local' ? Linux.SO_EE_ORIGIN_LOCAL : Linux.SO_EE_ORIGIN_ICMP;
    const data = [errnoNumber(error.errno), origin, type, code, info, 0];
    request.control = [{ level: Linux.SOL_IP, type: Linux.IP_RECVERR, data }];
    request.from = this.address(new Ip(sent.dstA, sent.dstB, sent.dstC, sent.dstD), sent.dstPort);
    request.outFlags = Linux.MSG_ERRQUEUE;
    return 0;
  }
}

function isLinger(value: OptionValue): value is Linger {
  return typeof value === 'object' && 'onoff' in value;
}

export function pollBits(ready: number): number {
  let bits = 0;
  if ((ready & Ready.Readable) !== 0) bits |= Linux.POLLIN | Linux.POLLRDNORM;
  if ((ready & Ready.Writable) !== 0) bits |= Linux.POLLOUT | Linux.POLLWRNORM | Linux.POLLWRBAND;
  if ((ready & Ready.Error) !== 0) bits |= Linux.POLLERR;
  if ((ready & Ready.Hangup) !== 0) bits |= Linux.POLLHUP | Linux.POLLRDHUP;
  return bits;
}
