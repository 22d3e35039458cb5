/**
 * The probes of a traceroute: UDP datagrams that differ in their port, or echo requests that differ in their number.
 */
import { formatIp } from '../../addr/ip.ts';
import type { TraceRequest } from '../../control/host.ts';
import { DatagramInfo } from '../../socket/datagram-info.ts';
import type { PingSocket } from '../../socket/ping-socket.ts';
import type { UdpSocket } from '../../socket/udp-socket.ts';
import { PathError } from '../../udp/path-error.ts';
import type { ProbeReceiver, ProbeSocket } from './tracer.ts';

/** An IPv4 header and eight bytes of UDP or ICMP. */
const HEADERS_BYTES = 28;
const PORT_MAX = 0xffff;
const ANSWER_MAX_BYTES = 64;

/** What both kinds have: `@` to `DEL`, as Linux's traceroute fills its probes. */
function probeData({ bytes }: TraceRequest): Uint8Array {
  return Uint8Array.from({ length: Math.max(0, bytes - HEADERS_BYTES) }, (_, i) => 0x40 + (i & 0x3f));
}

export class UdpProbes implements ProbeSocket {
  readonly #socket: UdpSocket;
  readonly #request: TraceRequest;
  readonly #data: Uint8Array;
  readonly #answer: Uint8Array = new Uint8Array(ANSWER_MAX_BYTES);
  readonly #info = new DatagramInfo();
  readonly #error = new PathError();

  constructor(socket: UdpSocket, request: TraceRequest) {
    this.#socket = socket;
    this.#request = request;
    this.#data = probeData(request);
    socket.receivesErrors = true;
  }

  send(index: number, ttl: number): boolean {
    const port = this.#request.port + index;
    if (port > PORT_MAX) return false;
    this.#socket.setTtl(ttl);
    const data = this.#data;
    return typeof this.#socket.sendTo(data, 0, data.length, this.#request.destination, port) === 'number';
  }

  receive(to: ProbeReceiver): void {
    const error = this.#error;
    while (this.#socket.receiveError(error))
      to.handleError(error.receivedAt, this.#indexOf(error.sent.dstPort), error);
    for (;;) {
      // Somebody has the port after all.
      const length = this.#socket.receive(this.#answer, this.#info);
      if (length === 'EAGAIN' || length === 'EBADF') return;
      if (typeof length === 'number')
        to.handleAnswer(this.#info.receivedAt, this.#indexOf(this.#info.port), formatIp(this.#info.address));
    }
  }

  close(): void {
    this.#socket.close();
  }

  #indexOf(port: number): number {
    return port - this.#request.port;
  }
}

export class EchoProbes implements ProbeSocket {
  readonly #socket: PingSocket;
  readonly #request: TraceRequest;
  readonly #data: Uint8Array;
  readonly #answer: Uint8Array = new Uint8Array(ANSWER_MAX_BYTES);
  readonly #info = new DatagramInfo();
  readonly #error = new PathError();

  constructor(socket: PingSocket, request: TraceRequest) {
    this.#socket = socket;
    this.#request = request;
    this.#data = probeData(request);
    socket.receivesErrors = true;
  }

  send(index: number, ttl: number): boolean {
    this.#socket.setTtl(ttl);
    return typeof this.#socket.sendEcho(this.#request.destination, index + 1, this.#data) === 'number';
  }

  receive(to: ProbeReceiver): void {
    const error = this.#error;
    while (this.#socket.receiveError(error)) to.handleError(error.receivedAt, error.seq - 1, error);
    for (;;) {
      const length = this.#socket.receive(this.#answer, this.#info);
      if (length === 'EAGAIN' || length === 'EBADF') return;
      const seq = ((this.#answer[6] as number) << 8) | (this.#answer[7] as number);
      if (typeof length === 'number')
        to.handleAnswer(this.#info.receivedAt, seq - 1, formatIp(this.#info.address));
    }
  }

  close(): void {
    this.#socket.close();
  }
}
