/**
 * Receiving and sending until as much has been moved as the call promises: all of it for a stream that is written
 * to, or read with MSG_WAITALL; one datagram otherwise.
 */
import type { Instant } from '../../base/time.ts';
import { Linux } from '../constants.ts';
import type { CallErrno } from '../errno.ts';
import type { CallResult, ReceiveRequest, SendRequest } from '../syscalls.ts';
import type { SocketFile } from './file.ts';

/** What ends the wait of a writer. */
const WAKES = Linux.POLLOUT | Linux.POLLERR | Linux.POLLHUP;

export class ReceiveSteps {
  readonly #file: SocketFile;
  readonly #request: ReceiveRequest;
  readonly #wantsAll: boolean;
  #count = 0;

  constructor(file: SocketFile, request: ReceiveRequest) {
    this.#file = file;
    this.#request = request;
    const isPeek = (request.flags & Linux.MSG_PEEK) !== 0;
    this.#wantsAll = file.type === Linux.SOCK_STREAM && (request.flags & Linux.MSG_WAITALL) !== 0 && !isPeek;
  }

  /** EAGAIN: what there is, is not enough. */
  step(now: Instant): CallResult {
    for (;;) {
      const count = this.#file.receive(now, this.#request, this.#count);
      if (count === 'EAGAIN') return count;
      if (typeof count === 'string') return this.#count > 0 ? this.#count : count;
      this.#count += count;
      if (!this.#wantsAll || count === 0 || this.#count === this.#request.into.length) return this.#count;
    }
  }

  onTimeout(): CallResult {
    return this.#count > 0 ? this.#count : 'EAGAIN';
  }
}

export class SendSteps {
  readonly #file: SocketFile;
  readonly #mayWait: boolean;
  #request: SendRequest;
  #count = 0;
  #isConnecting = false;
  /** A stream had no room: not the first byte that is free wakes its writer. */
  #isWaiting = false;

  constructor(file: SocketFile, request: SendRequest, mayWait: boolean) {
    this.#file = file;
    this.#request = request;
    this.#mayWait = mayWait;
  }

  /** EAGAIN: not all has been taken. */
  step(now: Instant): CallResult {
    if (this.#isWaiting && (this.#file.poll(now) & WAKES) === 0) return 'EAGAIN';
    do {
      const refusal = this.#handleConnecting(now);
      if (refusal !== null) return refusal;
      const isFastOpen = (this.#request.flags & Linux.MSG_FASTOPEN) !== 0;
      const count = this.#file.send(now, this.#request, this.#count);
      if (count === 'EAGAIN') {
        this.#isWaiting = this.#file.type === Linux.SOCK_STREAM;
        return count;
      }
      if (count === 'EINPROGRESS' && isFastOpen && this.#mayWait) {
        this.#beginConnecting();
        continue;
      }
      if (typeof count === 'string') return this.#count > 0 ? this.#count : count;
      this.#count += count;
      if (isFastOpen && this.#mayWait) this.#beginConnecting();
    } while (!this.#isDone || this.#isConnecting);
    return this.#count;
  }

  onTimeout(): CallResult {
    if (this.#count > 0) return this.#count;
    return this.#isConnecting ? 'EINPROGRESS' : 'EAGAIN';
  }

  get #isDone(): boolean {
    return this.#file.type !== Linux.SOCK_STREAM || this.#count >= this.#request.data.length;
  }

  /** As connect(2), a call with MSG_FASTOPEN waits for the handshake; data that went with the SYN are sent. */
  #beginConnecting(): void {
    this.#isConnecting = true;
    this.#request = { ...this.#request, flags: this.#request.flags & ~Linux.MSG_FASTOPEN, to: null };
  }

  #handleConnecting(now: Instant): CallErrno | number | null {
    if (!this.#isConnecting) return null;
    const state = this.#file.connecting(now);
    if (state === 'EINPROGRESS') return 'EAGAIN';
    this.#isConnecting = false;
    if (state !== null) return state;
    return this.#isDone ? this.#count : null;
  }
}
