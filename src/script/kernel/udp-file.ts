/**
 * A UDP socket behind a descriptor: udp(7).
 */
import type { Instant } from '../../base/time.ts';
import { DatagramInfo, ReceiveFlag } from '../../socket/datagram-info.ts';
import { Ready } from '../../socket/datagram-socket.ts';
import type { UdpSocket } from '../../socket/udp-socket.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type { OptionValue, SendRequest, SocketAddress } from '../syscalls.ts';
import { CallError } from '../syscalls.ts';
import { DatagramFile } from './datagram-file.ts';

const NOTHING = new Uint8Array(0);
const INFO = new DatagramInfo();

export class UdpFile extends DatagramFile {
  readonly type: number = Linux.SOCK_DGRAM;
  readonly protocol: number = Linux.IPPROTO_UDP;
  readonly #socket: UdpSocket;

  constructor(domain: number, socket: UdpSocket) {
    super(domain, socket);
    this.#socket = socket;
  }

  bind(_now: Instant, { ip, port }: SocketAddress): CallErrno | null {
    return this.#socket.bind(ip, port);
  }

  connect(_now: Instant, { family, ip, port }: SocketAddress): CallErrno | null {
    if (family === Linux.AF_UNSPEC) return this.#socket.disconnect();
    return this.#socket.connect(ip, port);
  }

  send(_now: Instant, { data, to, flags }: SendRequest, at: number): number | CallErrno {
    if ((flags & Linux.MSG_OOB) !== 0) return 'EOPNOTSUPP';
    if (to === null) return this.#socket.send(data, at, data.length);
    if (to.family !== Linux.AF_INET && to.family !== Linux.AF_INET6) return 'EAFNOSUPPORT';
    return this.#socket.sendTo(data, at, data.length, to.ip, to.port);
  }

  localAddress(): SocketAddress {
    return this.address(this.#socket.local, this.#socket.localPort);
  }

  peerAddress(): SocketAddress | null {
    const { remote, remotePort } = this.#socket;
    return remote === null ? null : this.address(remote, remotePort);
  }

  override setOption(now: Instant, level: number, option: number, value: OptionValue): CallErrno | null {
    const socket = this.#socket;
    if (typeof value === 'number') {
      if (level === Linux.SOL_UDP && option === Linux.UDP_SEGMENT) {
        if (!(value >= 0 && value <= 0xffff)) return 'EINVAL';
        socket.segmentBytes = value;
        return null;
      }
      if (level === Linux.SOL_IPV6 && option === Linux.IPV6_V6ONLY) {
        if (socket.localPort !== 0) return 'EINVAL';
        socket.ipv6Only = value !== 0;
        return null;
      }
      if (level === Linux.SOL_SOCKET && option === Linux.SO_REUSEADDR) {
        socket.reuseAddress = value !== 0;
        return null;
      }
      if (level === Linux.SOL_SOCKET && option === Linux.SO_REUSEPORT) {
        socket.reusePort = value !== 0;
        return null;
      }
    }
    return super.setOption(now, level, option, value);
  }

  override option(now: Instant, level: number, option: number): OptionValue | CallError {
    const { reuseAddress, reusePort, segmentBytes, ipv6Only } = this.#socket;
    if (level === Linux.SOL_SOCKET && option === Linux.SO_REUSEADDR) return reuseAddress ? 1 : 0;
    if (level === Linux.SOL_SOCKET && option === Linux.SO_REUSEPORT) return reusePort ? 1 : 0;
    if (level === Linux.SOL_UDP && option === Linux.UDP_SEGMENT) return segmentBytes;
    if (level === Linux.SOL_IPV6 && option === Linux.IPV6_V6ONLY) return ipv6Only ? 1 : 0;
    return super.option(now, level, option);
  }

  /** The length of the next datagram. */
  override ioctl(now: Instant, request: number): number | CallError {
    if (request !== Linux.FIONREAD) return super.ioctl(now, request);
    const socket = this.#socket;
    // A look takes an error that waits to be told, so there is none while one does.
    if (socket.queuedCount === 0 || (socket.readiness & Ready.Error) !== 0) return 0;
    const length = socket.receive(NOTHING, INFO, ReceiveFlag.Peek | ReceiveFlag.Truncate);
    return typeof length === 'string' ? 0 : length;
  }
}
