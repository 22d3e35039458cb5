/**
 * The way to a running daemon: finds its socket, sends one request, hands on what is answered.
 */
import type { Socket } from 'node:net';
import { connect as netConnect } from 'node:net';
import process from 'node:process';
import type { ClientEvent } from '../control/client.ts';
import { ClientSession } from '../control/client.ts';
import type { RawArgs } from '../control/command.ts';
import { runtimeDir, socketPath } from '../control/paths.ts';

/** Why there is nobody to talk to: a sentence. */
export class NoDaemon extends Error {}

export interface Exchange {
  /** Each in its turn; the next comes when this one is done with. */
  readonly onEvent: (event: ClientEvent) => Promise<void> | void;
  /** Aborted when a stream shall end; a second time, when nobody wants to wait for it. */
  readonly signal: AbortSignal;
  /** Go on until the daemon hangs up: it is ending. */
  readonly untilClosed: boolean;
}

export async function exchange(
  name: string,
  command: string,
  args: RawArgs,
  options: Exchange,
): Promise<void> {
  const socket = await connectTo(name);
  const session = new ClientSession(command, args);
  const cancel = (): void => void socket.write(session.cancellation);
  options.signal.addEventListener('abort', cancel);
  socket.setEncoding('utf8');
  socket.write(session.request);
  if (options.signal.aborted) cancel();
  try {
    for await (const text of socket as AsyncIterable<string>) {
      session.handleText(text);
      await drain(session, options);
      if (session.isDone && !options.untilClosed) break;
    }
    session.handleEnd();
    await drain(session, options);
  } finally {
    options.signal.removeEventListener('abort', cancel);
    socket.destroy();
  }
}

async function drain(session: ClientSession, { onEvent }: Exchange): Promise<void> {
  for (let event = session.pollEvent(); event !== null; event = session.pollEvent()) await onEvent(event);
}

/** Our own instance of that name, or root's, which may be forbidden to us. */
async function connectTo(name: string): Promise<Socket> {
  const surroundings = {
    uid: process.getuid?.() ?? 0,
    runtimeDir: process.env.XDG_RUNTIME_DIR,
    override: process.env.TAPSTACK_RUNTIME_DIR,
  };
  const own = socketPath(runtimeDir(surroundings), name);
  const roots = socketPath(runtimeDir({ ...surroundings, uid: 0 }), name);
  for (const path of new Set([own, roots])) {
    const answer = await tryConnect(path);
    if (typeof answer !== 'string') return answer;
    if (answer === 'EACCES' || answer === 'EPERM')
      throw new NoDaemon(`the instance ${name} is another user's; ask it with sudo (${path})`);
  }
  const start = name === 'tapstack0' ? 'sudo tapstack up' : `sudo tapstack up --name ${name}`;
  throw new NoDaemon(
    `no instance named ${name} is running (nobody answers at ${own}); start one with \`${start}\``,
  );
}

function tryConnect(path: string): Promise<Socket | string> {
  return new Promise((resolve) => {
    const socket = netConnect(path);
    const onError = (error: NodeJS.ErrnoException): void => resolve(error.code ?? 'EIO');
    socket.once('error', onError);
    socket.once('connect', () => {
      socket.off('error', onError);
      resolve(socket);
    });
  });
}
