/** A user of one end of a pair: reads whatever comes, and writes what it was given as there is room. */
import type { Errno } from '../../src/base/errno.ts';
import type { TcpUser } from '../../src/tcp/host.ts';
import { TcpEvent } from '../../src/tcp/shared.ts';
import { stateName } from '../../src/tcp/state.ts';
import type { Tcp } from '../../src/tcp/tcp.ts';
import { concat } from './bytes.ts';

/** What it needs to know of its end. */
export interface SocketEnd {
  readonly tcp: Tcp;
  readonly net: { later(action: () => void): void };
}

export class TestSocket implements TcpUser {
  readonly end: SocketEnd;
  id = -1;
  events = 0;
  /** Reads as soon as there is something. */
  isReading = true;
  /** Closes its direction when the peer has. */
  closesAtEnd = false;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  isEnd = false;
  error: Errno | null = null;
  isGone = false;
  #pending: Uint8Array | null = null;
  #at = 0;
  #finAfter = false;

  constructor(end: SocketEnd) {
    this.end = end;
  }

  handleTcpEvent(): void {
    this.end.net.later(() => this.report());
  }

  get state(): string {
    return this.isGone ? 'gone' : stateName(this.end.tcp.connections.state(this.id));
  }

  report(): void {
    if (this.isGone) return;
    const events = this.end.tcp.connections.takeEvents(this.id);
    this.events |= events;
    if ((events & TcpEvent.Error) !== 0 && !this.isReading) {
      this.error ??= this.end.tcp.connections.takeError(this.id);
    }
    if (this.isReading) this.read();
    this.#write();
  }

  read(max: number = Number.POSITIVE_INFINITY): number {
    const into = new Uint8Array(65_536);
    let total = 0;
    while (total < max && !this.isGone) {
      const count = this.end.tcp.connections.read(this.id, into, 0, Math.min(into.length, max - total));
      if (typeof count === 'string') {
        if (count !== 'EAGAIN') this.error ??= count;
        break;
      }
      if (count === 0) {
        this.isEnd = true;
        if (this.closesAtEnd && this.#pending === null) this.close();
        break;
      }
      this.received.push(into.slice(0, count));
      this.receivedBytes += count;
      total += count;
    }
    return total;
  }

  /** Writes all of it, as there is room; then FIN, if asked. */
  send(bytes: Uint8Array, thenFin = false): void {
    this.#pending = this.#pending === null ? bytes : concat([this.#pending.subarray(this.#at), bytes]);
    this.#at = 0;
    this.#finAfter = thenFin;
    this.#write();
  }

  shutdown(how: 'read' | 'write' | 'both' = 'write'): void {
    this.end.tcp.connections.shutdown(this.id, how);
  }

  close(): void {
    if (this.isGone) return;
    this.end.tcp.connections.close(this.id);
    this.isGone = true;
  }

  abort(): void {
    this.end.tcp.connections.abort(this.id);
    this.isGone = true;
  }

  get bytes(): Uint8Array {
    return concat(this.received);
  }

  #write(): void {
    const pending = this.#pending;
    if (pending === null || this.isGone) return;
    const count = this.end.tcp.connections.write(this.id, pending, this.#at, pending.length);
    if (typeof count === 'string') {
      if (count === 'EAGAIN') return;
      this.error ??= count;
      this.#pending = null;
      return;
    }
    this.#at += count;
    if (this.#at < pending.length) return;
    this.#pending = null;
    if (this.#finAfter) this.shutdown('write');
    if (this.isEnd && this.closesAtEnd) this.close();
  }
}
