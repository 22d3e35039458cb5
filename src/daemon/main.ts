/**
 * `tapstack up`: from flags to a running stack, and from a signal to nothing left.
 *
 *     control socket free? → device, stack → control socket → drop privileges → loop → … → signal, `down`, device lost
 *
 * Started as a program of its own it is the daemon in the background; see `background.ts`.
 */
import process from 'node:process';
import type { Logger } from 'pino';
import { formatIp } from '../addr/ip.ts';
import { COMMANDS } from '../control/commands/list.ts';
import { socketPath } from '../control/paths.ts';
import { PROTOCOL } from '../control/protocol.ts';
import type { UpConfig } from '../control/up-config.ts';
import { LinkFailure } from '../link/failure.ts';
import type { User } from '../link/privilege.ts';
import { dropPrivileges, resolveUser } from '../link/privilege.ts';
import { StackHost } from './control-host.ts';
import { ControlServer, prepareSocket } from './control-server.ts';
import { pageResources } from './host/page.ts';
import { Instance } from './instance.ts';
import { createLog } from './log.ts';
import { ownRuntimeDir } from './runtime-dir.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Why it could not be started, or could not go on: a sentence. */
export class DaemonError extends Error {}

export interface DaemonOptions {
  readonly version: string;
  /** Called once it is ready, with what a person might try. */
  readonly onReady: (tries: readonly string[]) => void;
}

/** Runs until it is told to end. Throws a `DaemonError` when it cannot. */
export async function runDaemon(config: UpConfig, options: DaemonOptions): Promise<void> {
  const log = createLog(config.logLevel);
  const user = userOf(config);
  const path = socketPath(ownRuntimeDir(), config.name);
  const taken = await attempt(path, () => prepareSocket(path, config.name, user));
  if (taken !== null) throw new DaemonError(taken);

  const instance = Instance.open(config, options.version);
  if (instance instanceof LinkFailure) throw new DaemonError(instance.text);
  if (config.services) {
    const refused = instance.serve(pageResources(instance));
    if (refused !== null) {
      instance.close();
      throw new DaemonError(refused.text);
    }
  }
  const ending = new Ending();
  const host = new StackHost(instance, options.version, () => ending.ask('asked by a client'));
  const { clock, loop } = instance;
  const hello = { tapstack: PROTOCOL, version: options.version, name: config.name, pid: process.pid };
  const server = new ControlServer({ path, commands: COMMANDS, hello, clock, wake: () => loop.wake() }, host);
  loop.add(server);
  let failure: string | null = null;
  try {
    await attempt(path, () => server.listen());
    try {
      start(instance, server, user);
      instance.onLinkLost = (reason): void => ending.fail(reason);
      instance.onCaptureLost = (reason): void => log.error({ reason }, 'the capture ended');
      report(log, instance, path, user);
      options.onReady(tries(config));
      failure = await ending.wait();
      log.info({ reason: ending.reason }, 'ending');
    } finally {
      // The device first: whoever waits for the end of the connection finds it gone.
      instance.close();
      await server.close();
    }
  } finally {
    instance.close();
    ending.close();
  }
  if (failure !== null) throw new DaemonError(failure);
}

/** Everything that needs privileges has been done by then. */
function start(instance: Instance, server: ControlServer, user: User | null): void {
  if (user !== null) {
    server.giveTo(user);
    const refused = dropPrivileges(user);
    if (refused !== null) throw new DaemonError(refused.text);
  }
  const refused = instance.start();
  if (refused !== null) throw new DaemonError(refused.text);
}

/** Waits for the first reason to end, of which one may be a failure. */
class Ending {
  reason = '';
  readonly #promise: Promise<string | null>;
  #resolve: (failure: string | null) => void = () => undefined;
  readonly #onSignal = (signal: NodeJS.Signals): void => this.ask(signal);
  readonly #onHangup = (): void => undefined;

  constructor() {
    this.#promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    // A terminal that is closed does not end a network.
    process.on('SIGHUP', this.#onHangup);
  }

  ask(reason: string): void {
    this.reason = reason;
    // After the answer to whoever asked.
    setImmediate(() => this.#resolve(null));
  }

  fail(reason: string): void {
    this.reason = reason;
    this.#resolve(reason);
  }

  wait(): Promise<string | null> {
    return this.#promise;
  }

  close(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    process.off('SIGHUP', this.#onHangup);
  }
}

/** Whom to become, or null to stay. */
export function userOf({ user }: UpConfig): User | null {
  if (user === null || user === 'root') return null;
  const resolved = resolveUser(user);
  if (resolved instanceof LinkFailure) throw new DaemonError(resolved.text);
  return resolved;
}

/** What the system refuses about the control socket, as a sentence. */
async function attempt<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const advice =
      code === 'EACCES' || code === 'EPERM'
        ? 'no permission to make it; run as root, or set XDG_RUNTIME_DIR to a directory of yours'
        : message;
    throw new DaemonError(`${path}: the control socket cannot be made: ${advice}`);
  }
}

function report(log: Logger, instance: Instance, path: string, user: User | null): void {
  const { link, config } = instance;
  const offload = Object.entries(link.features).filter(([, isOn]) => isOn === true);
  log.info(
    {
      device: link.name,
      mode: link.mode,
      mtu: link.mtu,
      addresses: config.addresses.map(String),
      offload: offload.map(([name]) => name).join(' ') || 'none',
      control: path,
      user: user?.name ?? 'unchanged',
    },
    `${config.name} is up`,
  );
}

/** Three things that work now. */
function tries({ name, addresses, netns, services }: UpConfig): string[] {
  const address = addresses[0] === undefined ? '' : formatIp(addresses[0].address);
  const there = netns === null ? '' : `ip netns exec ${netns} `;
  const which = name === 'tapstack0' ? '' : ` --name ${name}`;
  return [
    `${there}ping ${address}`,
    services ? `${there}curl http://${address}/` : `tapstack${which} capture`,
    `tapstack${which} status`,
  ];
}
