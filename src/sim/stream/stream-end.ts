/**
 * One end of a TCP connection in a random world: an application that writes, reads and leaves as its plan says, and
 * knows byte by byte what it may read.
 *
 *     connect │ accept ──> write … half-close ──> read … end of stream ──> close
 *                            └──> close or abort, at any time
 *
 * Which end sent what arrives is known by both addresses, both ports and the initial sequence number: a connection
 * that took the ports of another has its own.
 */
import type { Errno } from '../../base/errno.ts';
import type { Duration } from '../../base/time.ts';
import type { TcpSocket } from '../../socket/tcp-socket.ts';
import type { Stack } from '../../stack/stack.ts';
import { State } from '../../tcp/state.ts';
import type { SimHost } from '../host.ts';

/** What it does once all is written: half-close and hear the other out; close; reset. */
export type Ending = 'shut' | 'close' | 'abort';

export interface Plan {
  readonly bytes: number;
  /** At most so many in one call, and how long it waits after a call; 0 is not at all. */
  readonly writeBytes: number;
  readonly writePause: Duration;
  readonly readBytes: number;
  readonly readPause: Duration;
  readonly ending: Ending;
}

/** What ends see of those who run them. */
export interface StreamKeeper {
  readonly buffer: Uint8Array;
  after(delay: Duration, action: () => void): void;
  /** The end that sends what `end` reads; null when there is none. */
  peerOf(end: StreamEnd): StreamEnd | null;
  /** Bytes at `at` of the stream are not those that were written. True when it may be put down to bad luck. */
  excuse(): boolean;
  noteRead(count: number): void;
  /** It failed: whether it may is for those who know of all ends. */
  noteError(end: StreamEnd, error: Errno): void;
  complain(what: string): void;
}

export class StreamEnd {
  readonly number: number;
  readonly host: SimHost;
  readonly socket: TcpSocket;
  readonly plan: Plan;
  written = 0;
  read = 0;
  /** FIN has been asked for, after what is written. */
  isFinished = false;
  /** The peer's FIN has been read. */
  sawEnd = false;
  /** The application has let go of it. */
  isOver = false;
  /** It left without hearing the other out, so that the other may be reset. */
  isRude = false;
  error: Errno | null = null;
  readonly #keeper: StreamKeeper;
  readonly #stack: Stack;
  readonly #seed: number;
  #peer: StreamEnd | null = null;
  #isExcused = false;
  #isReadPaused = false;
  #isWritePaused = false;

  constructor(
    keeper: StreamKeeper,
    number: number,
    host: SimHost,
    socket: TcpSocket,
    plan: Plan,
    seed: number,
  ) {
    this.#keeper = keeper;
    this.number = number;
    this.host = host;
    this.#stack = host.stack;
    this.socket = socket;
    this.plan = plan;
    this.#seed = seed;
    socket.onReady = (): void => this.step();
  }

  /** Its host has not crashed since. */
  get isAlive(): boolean {
    return this.host.isUp && this.host.stack === this.#stack;
  }

  /** Initial sequence numbers, ours and the peer's; the second once there is a connection. */
  get iss(): number {
    return this.#stack.tcp.connections.tcb(this.socket.id).iss;
  }

  get irs(): number {
    return this.#stack.tcp.connections.tcb(this.socket.id).irs;
  }

  get isConnecting(): boolean {
    return this.socket.state === State.SynSent || this.socket.state === State.SynReceived;
  }

  toString(): string {
    const { host, number, written, read, plan, socket } = this;
    const progress = `${written} of ${plan.bytes} written, ${read} read`;
    const ports = `${socket.localPort} to ${socket.remotePort}`;
    return `stream ${number} of ${host.name} (${ports}, state ${socket.state}, ${progress})`;
  }

  /** Does whatever can be done now. */
  step(): void {
    if (this.isOver || !this.isAlive || this.isConnecting) return;
    this.#readSome();
    if (!this.isOver) this.#writeSome();
    if (!this.isOver && !this.isFinished && this.written >= this.plan.bytes) this.#finish();
    if (!this.isOver && this.isFinished && this.sawEnd) this.#leave();
  }

  /** In the middle of whatever it does. */
  leaveEarly(isAbort: boolean): void {
    if (this.isOver || !this.isAlive) return;
    this.isRude = true;
    if (isAbort) this.#abort();
    else this.#leave();
  }

  #readSome(): void {
    const { socket, plan } = this;
    const { buffer } = this.#keeper;
    while (!this.#isReadPaused && !this.sawEnd) {
      const count = socket.read(buffer, 0, plan.readBytes);
      if (count === 'EAGAIN') return;
      if (typeof count === 'string') {
        this.#fail(count);
        return;
      }
      if (count === 0) this.#handleEnd();
      else this.#handleBytes(count);
      if (plan.readPause > 0) this.#pauseReading();
    }
  }

  #writeSome(): void {
    const { socket, plan } = this;
    const { buffer } = this.#keeper;
    while (!this.isFinished && this.written < plan.bytes && !this.#isWritePaused) {
      const wanted = Math.min(plan.writeBytes, plan.bytes - this.written);
      for (let i = 0; i < wanted; i++) buffer[i] = octet(this.#seed, this.written + i);
      const count = socket.write(buffer, 0, wanted);
      if (count === 'EAGAIN') return;
      if (typeof count === 'string') {
        this.#fail(count);
        return;
      }
      this.written += count;
      if (count < wanted) return;
      if (plan.writePause > 0) this.#pauseWriting();
    }
  }

  #pauseReading(): void {
    this.#isReadPaused = true;
    this.#keeper.after(this.plan.readPause, () => {
      this.#isReadPaused = false;
      this.step();
    });
  }

  #pauseWriting(): void {
    this.#isWritePaused = true;
    this.#keeper.after(this.plan.writePause, () => {
      this.#isWritePaused = false;
      this.step();
    });
  }

  #handleBytes(count: number): void {
    const peer = this.#findPeer();
    const at = this.read;
    this.read += count;
    if (peer === null) {
      if (!this.#excused()) this.#keeper.complain(`${this} reads ${count} bytes that nobody wrote to it`);
      return;
    }
    this.#keeper.noteRead(count);
    if (this.#isExcused) return;
    if (this.read > peer.written && !this.#excused())
      this.#keeper.complain(`${this} reads more than ${peer} wrote`);
    const wrong = peer.firstDifference(this.#keeper.buffer, count, at);
    if (wrong >= 0 && !this.#excused())
      this.#keeper.complain(`${this} reads a wrong byte at ${wrong}, from ${peer}`);
  }

  /** Where `bytes` differ from what is written at `at` of this stream; -1 when they do not. */
  firstDifference(bytes: Uint8Array, count: number, at: number): number {
    for (let i = 0; i < count; i++) if (bytes[i] !== octet(this.#seed, at + i)) return at + i;
    return -1;
  }

  #handleEnd(): void {
    this.sawEnd = true;
    const peer = this.#findPeer();
    if (peer !== null && peer.isFinished && peer.written === this.read) return;
    if (!this.#excused())
      this.#keeper.complain(`${this} reads an end that is none, from ${peer ?? 'nobody'}`);
  }

  #finish(): void {
    const { ending } = this.plan;
    this.isFinished = true;
    this.isRude ||= ending !== 'shut';
    if (ending === 'close') this.#leave();
    else if (ending === 'abort') this.#abort();
    else this.socket.shutdown('write');
  }

  #fail(error: Errno): void {
    this.error = error;
    this.#keeper.noteError(this, error);
    this.#leave();
  }

  #leave(): void {
    // Without waiting for what was sent last, or with something unread, it is a reset.
    if (this.socket.option('lingerMs') === 0) this.isRude = true;
    this.isFinished = true;
    this.isOver = true;
    this.socket.close();
  }

  #abort(): void {
    this.isOver = true;
    this.socket.abort();
  }

  #findPeer(): StreamEnd | null {
    this.#peer ??= this.#keeper.peerOf(this);
    return this.#peer;
  }

  #excused(): boolean {
    this.#isExcused ||= this.#keeper.excuse();
    return this.#isExcused;
  }
}

/** A byte of the stream that follows from `seed`: it differs from its neighbours, and from those of other streams. */
function octet(seed: number, at: number): number {
  const word = Math.imul((at + seed) | 0, 0x9e3779b1);
  return ((word ^ (word >>> 15)) >>> 8) & 0xff;
}
