/**
 * The control socket: a Unix socket that only its owner may use, and the clients on it.
 *
 * Its file lies in a directory of our own. A socket file that nobody answers on was left by a daemon that was killed,
 * and is replaced; one on which somebody answers is that of a running daemon, and is left alone.
 */
import { chownSync, rmSync } from 'node:fs';
import type { Server, Socket } from 'node:net';
import { createServer, connect as netConnect } from 'node:net';
import { dirname } from 'node:path';
import process from 'node:process';
import type { Instant } from '../base/time.ts';
import { NEVER } from '../base/time.ts';
import type { Command } from '../control/command.ts';
import type { ControlHost } from '../control/host.ts';
import type { Hello } from '../control/protocol.ts';
import { formatLine } from '../control/protocol.ts';
import { Session } from '../control/session.ts';
import type { User } from '../link/privilege.ts';
import type { Clock } from './clock.ts';
import type { Task } from './loop.ts';
import { makeRuntimeDir } from './runtime-dir.ts';

const CLIENTS_MAX = 32;
/** While a client has so much to read before it, nothing more is made for it, and nothing is read from it. */
const PENDING_MAX_BYTES = 1 << 20;
/** How long clients may take to read the last answer. */
const GOODBYE_MS = 500;

export interface ControlOptions {
  readonly path: string;
  readonly commands: readonly Command[];
  readonly hello: Hello;
  readonly clock: Clock;
  /** A turn of the stack is wanted soon. */
  readonly wake: () => void;
}

interface Client {
  readonly socket: Socket;
  readonly session: Session;
}

export class ControlServer implements Task {
  readonly #options: ControlOptions;
  readonly #host: ControlHost;
  readonly #server: Server;
  readonly #clients = new Set<Client>();

  constructor(options: ControlOptions, host: ControlHost) {
    this.#options = options;
    this.#host = host;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  get clientCount(): number {
    return this.#clients.size;
  }

  /** Rejects with what was wrong; see `prepareSocket` for the place. */
  async listen(): Promise<void> {
    const { path } = this.#options;
    // The file is there at once, and nobody else may connect to it even for a moment.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#server.once('error', reject);
        this.#server.listen(path, resolve);
        process.umask(umask);
      });
    } finally {
      process.umask(umask);
    }
  }

  /** So that who we become can take the file away at the end. */
  giveTo(user: User): void {
    const { path } = this.#options;
    chownSync(path, user.uid, user.gid);
  }

  /** Streams go on after each turn. */
  handleTurn(now: Instant): void {
    for (const client of this.#clients) if (client.session.streamCount > 0) this.#pump(now, client);
  }

  nextTimeout(): Instant {
    return NEVER;
  }

  /** Ends after the last answers were read, or a moment later. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const { socket } of this.#clients) socket.end();
    const timer = setTimeout(() => {
      for (const { socket } of this.#clients) socket.destroy();
    }, GOODBYE_MS);
    await closed;
    clearTimeout(timer);
    // libuv takes the file away; where it could not, a later start will.
    removeIfAllowed(this.#options.path);
  }

  #accept(socket: Socket): void {
    if (this.#clients.size >= CLIENTS_MAX) {
      const error = { code: 'EMFILE', text: `${CLIENTS_MAX} clients are connected already` };
      socket.write(formatLine({ id: -1, error }));
      socket.destroySoon();
      return;
    }
    const { commands, hello, clock, wake } = this.#options;
    const client = { socket, session: new Session(commands, this.#host, hello) };
    this.#clients.add(client);
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      const now = clock();
      client.session.handleText(now, text);
      this.#pump(now, client);
      wake();
    });
    socket.on('drain', () => {
      socket.resume();
      this.#pump(clock(), client);
    });
    // Whatever was wrong with it, it is closed after that.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#clients.delete(client);
      client.session.close();
      wake();
    });
    this.#pump(clock(), client);
  }

  #pump(now: Instant, { socket, session }: Client): void {
    while (socket.writableLength <= PENDING_MAX_BYTES) {
      const text = session.pollOutput(now);
      if (text === '') break;
      socket.write(text);
    }
    if (socket.writableLength > PENDING_MAX_BYTES) socket.pause();
    if (session.isBroken) socket.destroySoon();
  }
}

/** Makes the directory and takes a dead socket away. Answers a sentence when the name is taken. */
export async function prepareSocket(path: string, name: string, user: User | null): Promise<string | null> {
  makeRuntimeDir(dirname(path), user);
  if (!(await isAnswered(path))) {
    rmSync(path, { force: true });
    return null;
  }
  return (
    `an instance named ${name} is running already; ` +
    `end it with \`tapstack down${name === 'tapstack0' ? '' : ` --name ${name}`}\`, or choose another --name`
  );
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = netConnect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // Full, or not ours to ask: alive in any case.
      resolve(error.code === 'EAGAIN' || error.code === 'EACCES');
    });
  });
}

function removeIfAllowed(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The directory is not ours any more: the next start finds a socket on which nobody answers.
  }
}
