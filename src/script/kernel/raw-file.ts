/**
 * Raw and ping sockets behind a descriptor: raw(7), and icmp(7) for `SOCK_DGRAM` with `IPPROTO_ICMP`.
 */
import type { Ip } from '../../addr/ip.ts';
import type { Instant } from '../../base/time.ts';
import type { PingSocket } from '../../socket/ping-socket.ts';
import type { RawSocket } from '../../socket/raw-socket.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type { OptionValue, SendRequest, SocketAddress } from '../syscalls.ts';
import { DatagramFile } from './datagram-file.ts';

export class RawFile extends DatagramFile {
  readonly type: number = Linux.SOCK_RAW;
  readonly protocol: number;
  readonly #socket: RawSocket;

  constructor(domain: number, socket: RawSocket) {
    super(domain, socket);
    this.#socket = socket;
    this.protocol = socket.protocol;
  }

  bind(_now: Instant, { ip }: SocketAddress): CallErrno | null {
    return this.#socket.bind(ip);
  }

  connect(_now: Instant, { family, ip }: SocketAddress): CallErrno | null {
    return this.#socket.connect(family === Linux.AF_UNSPEC ? null : ip);
  }

  send(_now: Instant, { data, to }: SendRequest, at: number): number | CallErrno {
    if (to === null) return this.#socket.send(data, at, data.length);
    return this.#socket.sendTo(data, at, data.length, to.ip);
  }

  localAddress(): SocketAddress {
    return this.address(this.#socket.local, this.protocol);
  }

  peerAddress(): SocketAddress | null {
    return peer(this.domain, this.#socket.remote);
  }

  override setOption(now: Instant, level: number, option: number, value: OptionValue): CallErrno | null {
    if (typeof value === 'number') {
      if (level === Linux.SOL_IP && option === Linux.IP_HDRINCL) {
        this.#socket.options.headerIncluded = value !== 0;
        return null;
      }
      if (level === Linux.SOL_RAW && option === Linux.ICMP_FILTER) {
        this.#socket.icmpFilter = value;
        return null;
      }
    }
    return super.setOption(now, level, option, value);
  }
}

export class PingFile extends DatagramFile {
  readonly type: number = Linux.SOCK_DGRAM;
  readonly protocol: number = Linux.IPPROTO_ICMP;
  readonly #socket: PingSocket;

  constructor(domain: number, socket: PingSocket) {
    super(domain, socket);
    this.#socket = socket;
  }

  /** The port is the identifier. */
  bind(_now: Instant, { ip, port }: SocketAddress): CallErrno | null {
    return this.#socket.bind(ip, port);
  }

  connect(_now: Instant, { family, ip }: SocketAddress): CallErrno | null {
    return this.#socket.connect(family === Linux.AF_UNSPEC ? null : ip);
  }

  send(_now: Instant, { data, to }: SendRequest, at: number): number | CallErrno {
    const address = to === null ? this.#socket.remote : to.ip;
    if (address === null) return 'EDESTADDRREQ';
    return this.#socket.sendTo(data, at, data.length, address);
  }

  localAddress(): SocketAddress {
    return this.address(this.#socket.local, this.#socket.id);
  }

  peerAddress(): SocketAddress | null {
    return peer(this.domain, this.#socket.remote);
  }
}

function peer(family: number, ip: Ip | null): SocketAddress | null {
  return ip === null ? null : { family, ip, port: 0 };
}
