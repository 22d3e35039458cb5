/**
 * Runs the events of a script, in order and in virtual time:
 *
 *     packet in, call, command, code      waits until it is due, then does it
 *     packet out                          waits until the stack sends one, then compares it and its time
 *
 * A call that blocks goes on beside the events that follow it.
 */
import type { Instant } from '../../base/time.ts';
import { after, sec, us } from '../../base/time.ts';
import { prepareCall } from '../call/prepare.ts';
import { numberOf, valueText } from '../call/values.ts';
import { Linux } from '../constants.ts';
import { errnoOfName, errnoText } from '../errno.ts';
import { Fault, mismatch, unsupported } from '../fault.ts';
import type { CallAction, Event, PacketAction, Script, Value } from '../language/ast.ts';
import { buildPacket } from '../packet/build.ts';
import type { CallResult, SocketAddress } from '../syscalls.ts';
import type { Due } from './clock.ts';
import { EventClock, secondsText, timeFault } from './clock.ts';
import { runCode } from './code-expr.ts';
import { SocketNames } from './code-names.ts';
import type { Config } from './config.ts';
import { Expectations } from './expect.ts';
import type { Machine } from './machine.ts';
import type { PendingCall } from './pending.ts';
import { PendingCalls } from './pending.ts';
import type { ShellHost } from './shell.ts';
import { runShell } from './shell.ts';
import { Tracker } from './tracker.ts';

/** A call in the foreground that takes longer than this will never come back. */
const FOREGROUND_MAX = sec(3_600);
/** Calls where an error may only mean that the stack has no such thing. */
const MAY_LACK: Readonly<Record<string, readonly string[]>> = {
  socket: ['EPROTONOSUPPORT', 'ESOCKTNOSUPPORT', 'EAFNOSUPPORT'],
  setsockopt: ['ENOPROTOOPT'],
  getsockopt: ['ENOPROTOOPT'],
  ioctl: ['ENOTTY'],
  send: ['EOPNOTSUPP'],
  sendto: ['EOPNOTSUPP'],
  sendmsg: ['EOPNOTSUPP'],
};
const SENDING: readonly string[] = ['write', 'writev', 'send', 'sendto', 'sendmsg'];

export class Runner {
  /** Events that were begun. */
  eventCount = 0;
  readonly notes: string[] = [];
  readonly #config: Config;
  readonly #machine: Machine;
  readonly #shell: ShellHost;
  readonly #tracker: Tracker;
  readonly #clock: EventClock;
  readonly #expectations: Expectations;
  readonly #pending: PendingCalls;
  readonly #names: SocketNames;
  readonly #addresses: {
    readonly domain: number;
    readonly bind: SocketAddress;
    readonly connect: SocketAddress;
  };

  constructor(config: Config, machine: Machine, shell: ShellHost) {
    this.#config = config;
    this.#machine = machine;
    this.#shell = shell;
    this.#tracker = new Tracker(config);
    this.#clock = new EventClock(config);
    this.#expectations = new Expectations(machine, this.#tracker, config);
    this.#pending = new PendingCalls((call, result) => this.#finish(call, result));
    this.#names = new SocketNames(machine, this.notes, () =>
      this.#tracker.descriptor(this.#tracker.current?.fd ?? -1),
    );
    const family = config.ipVersion === 'ipv4' ? Linux.AF_INET : Linux.AF_INET6;
    this.#addresses = {
      domain: family,
      bind: { family, ip: config.localIp, port: config.bindPort },
      connect: { family, ip: config.remoteIp, port: config.connectPort },
    };
    machine.onTurn = (): boolean => this.#pending.attempt(machine.now);
  }

  run(script: Script): void {
    if (script.init !== null) runShell(this.#shell, script.init.text, script.init.line);
    this.#machine.begin();
    for (const event of script.events) {
      this.eventCount++;
      this.#event(event);
    }
    for (let call = this.#pending.first; call !== null; call = this.#pending.first) {
      if (!this.#step(after(call.end ?? this.#machine.now, this.#config.tolerance))) this.#checkPending(true);
    }
  }

  #event(event: Event): void {
    const due = this.#clock.due(event, this.#machine.elapsed);
    const { action, line } = event;
    if (action.kind === 'packet' && !action.isInbound) {
      this.#tolerate(this.#config.nonFatal.packet, line, () =>
        this.#expectations.expect(line, action.packet, due, (limit) => this.#step(limit)),
      );
      return;
    }
    this.#waitUntil(due, line);
    switch (action.kind) {
      case 'packet':
        this.#inject(action, line);
        break;
      case 'call':
        this.#call(action, line, due);
        break;
      case 'command':
        runShell(this.#shell, action.text, line);
        this.#machine.settle();
        break;
      case 'code':
        this.#names.refresh(line);
        runCode(action.text, action.line, this.#names);
        break;
    }
  }

  /** Runs `action`; where the script says so, its failure is only noted. */
  #tolerate(isTolerated: boolean, line: number, action: () => void): void {
    if (!isTolerated) {
      action();
      return;
    }
    try {
      action();
    } catch (error) {
      // Not hidden: whoever runs the script prints the notes. Everything else goes on its way.
      if (!(error instanceof Fault) || error.kind !== 'mismatch') throw error;
      this.notes.push(`line ${line}: ${error.message}`);
    }
  }

  #step(limit: Instant): boolean {
    const isDue = this.#machine.step(limit, this.#pending.next());
    this.#checkPending(false);
    return isDue;
  }

  #waitUntil(due: Due, line: number): void {
    const { elapsed } = this.#machine;
    if (due.start < elapsed && due.kind === 'absolute' && due.start < elapsed - due.tolerance)
      mismatch(line, `it was due at ${secondsText(due.start)}, and it is ${secondsText(elapsed)} already`);
    const limit = this.#machine.at(due.start);
    while (this.#step(limit));
    const fault = timeFault(due, this.#machine.elapsed);
    if (fault !== '') mismatch(line, fault);
  }

  #inject({ packet }: PacketAction, line: number): void {
    const connection = this.#tracker.forInbound(packet);
    const live = connection.toLive(packet);
    if (typeof live === 'string') return unsupported(line, live);
    const { localIp, remoteIp } = this.#config;
    const ports = packet.kind === 'icmp' ? { srcPort: 0, dstPort: 0 } : packet;
    const refusal = this.#machine.inject((slot) =>
      buildPacket(slot, live, {
        src: remoteIp.d,
        dst: localIp.d,
        srcPort: ports.srcPort || connection.remotePort,
        dstPort: ports.dstPort || connection.localPort,
      }),
    );
    if (refusal !== null) unsupported(line, refusal);
  }

  #call(action: CallAction, line: number, due: Due): void {
    const { args, name } = action;
    if (SENDING.includes(name) && args.some(hasString)) this.#expectations.hasText = true;
    if (action.errno !== null && errnoOfName(action.errno) === null)
      unsupported(line, `the error ${action.errno}`);
    const { now, kernel } = this.#machine;
    const prepared = prepareCall(name, {
      host: kernel,
      now,
      line,
      args,
      domain: this.#addresses.domain,
      bindAddress: this.#addresses.bind,
      connectAddress: this.#addresses.connect,
      descriptor: (script) => this.#tracker.descriptor(script),
    });
    this.#noteBegin(action, line);
    const end = action.end === null ? null : this.#machine.at(us(due.base + action.end));
    const call: PendingCall = { line, action, prepared, end, begin: now };
    this.#pending.begin(now, call);
    this.#machine.settle();
    if (end !== null) return;
    const limit = after(now, FOREGROUND_MAX);
    while (this.#pending.has(call)) {
      if (!this.#step(limit)) mismatch(line, `${name} blocks, and nothing ends it`);
    }
  }

  /** Each that was to be back by now is late; `isEnd`: all that are left are. */
  #checkPending(isEnd: boolean): void {
    for (const { end, line, action } of this.#pending.all()) {
      if (end === null) continue;
      const time = this.#machine.timeOf(end);
      const isLate = this.#machine.now > after(end, this.#clock.tolerance(time));
      if (isLate || isEnd)
        mismatch(line, `${action.name} was to come back at ${secondsText(time)}, and still blocks`);
    }
  }

  #finish(call: PendingCall, result: CallResult): void {
    const { action, line, end, begin } = call;
    this.#tolerate(this.#config.nonFatal.call, line, () => {
      this.#judge(call, result);
      this.#noteEnd(action, result, line);
      if (end === null) return;
      const start = this.#machine.timeOf(end);
      const tolerance = us(
        Math.max(this.#config.tolerance, (this.#config.tolerancePercent / 100) * (end - begin)),
      );
      const due: Due = { kind: 'absolute', start, end: start, base: us(0), tolerance };
      const fault = timeFault(due, this.#machine.elapsed);
      if (fault !== '') mismatch(line, `${action.name} came back: ${fault}`);
    });
  }

  #judge({ action, prepared, line }: PendingCall, result: CallResult): void {
    const { name, errno } = action;
    const actual = typeof result === 'string' ? -1 : result;
    const want = action.result.kind === 'ellipsis' ? actual : numberOf(action.result, line);
    const wantErrno = errno === null ? null : errnoOfName(errno);
    const isRight =
      (prepared.makesDescriptor && want >= 0 ? actual >= 0 : actual === want) &&
      (wantErrno === null || result === wantErrno);
    if (!isRight) {
      if (want >= 0 && MAY_LACK[name]?.includes(String(result)) === true)
        unsupported(line, `${name}(${action.args.map(valueText).join(', ')}): ${result}`);
      mismatch(line, `${name} = ${resultText(result)}, not ${want}${errno === null ? '' : ` ${errno}`}`);
    }
    const wrong = prepared.check(result);
    if (wrong !== '') mismatch(line, `${name}: ${wrong}`);
  }

  /** What the call says about the connection before it is made: a SYN may leave at once. */
  #noteBegin({ name, args }: CallAction, line: number): void {
    const fd = args[0] === undefined || args[0].kind === 'list' ? -1 : this.#scriptFd(args[0], line);
    const target = targetOf(name, args);
    if (target === undefined || (name !== 'connect' && isZero(target))) return;
    const usual = this.#addresses.connect;
    const isFamily = target.kind === 'integer' || target.kind === 'word';
    const family = isFamily ? numberOf(target, line) : usual.family;
    const port = target.kind === 'struct' ? portOf(target, line, usual.port) : usual.port;
    this.#tracker.handleConnect(fd, family, port);
  }

  #noteEnd({ name, args, result: wanted }: CallAction, result: CallResult, line: number): void {
    if (typeof result === 'string') return;
    const script = wanted.kind === 'ellipsis' ? result : numberOf(wanted, line);
    const makes = name === 'socket' || name.startsWith('accept') || name.startsWith('epoll_create');
    if (makes && !this.#tracker.addDescriptor(script, result))
      unsupported(line, `the descriptor ${script} twice`);
    switch (name) {
      case 'socket':
        this.#tracker.handleSocket(
          script,
          numberOf(args[1] as Value, line),
          numberOf(args[2] as Value, line),
        );
        break;
      case 'accept':
      case 'accept4':
        this.#tracker.handleAccept(script);
        break;
      case 'bind':
        this.#tracker.handleBind(this.#scriptFd(args[0] as Value, line));
        break;
      case 'connect':
        this.#learnPort(this.#scriptFd(args[0] as Value, line));
        break;
      case 'listen':
        this.#tracker.handleListen(this.#scriptFd(args[0] as Value, line));
        break;
      case 'close':
        this.#tracker.handleClose(this.#scriptFd(args[0] as Value, line));
        break;
      default:
        break;
    }
  }

  /** A datagram socket has its port before anything was sent. */
  #learnPort(fd: number): void {
    const name = this.#machine.kernel.getsockname(this.#tracker.descriptor(fd));
    if (typeof name !== 'string') this.#tracker.handlePort(fd, name.port);
  }

  #scriptFd(value: Value, line: number): number {
    return value.kind === 'ellipsis' ? -1 : numberOf(value, line);
  }
}

function hasString(value: Value): boolean {
  switch (value.kind) {
    case 'string':
      return true;
    case 'list':
      return value.items.some(hasString);
    case 'struct':
      return value.fields.some((field) => hasString(field.value));
    default:
      return false;
  }
}

/** The argument that names the peer. */
function targetOf(name: string, args: readonly Value[]): Value | undefined {
  if (name === 'connect') return args[1];
  if (name === 'sendto') return args[4];
  return name === 'sendmsg' ? msgName(args[1]) : undefined;
}

function msgName(value: Value | undefined): Value | undefined {
  if (value?.kind !== 'struct') return undefined;
  return value.fields.find((field) => field.name === 'msg_name')?.value;
}

const isZero = (value: Value): boolean => value.kind === 'integer' && value.value === 0;

function portOf(value: Value & { kind: 'struct' }, line: number, usual: number): number {
  const port = value.fields.find((field) => field.name === 'sin_port' || field.name === 'sin6_port');
  return port === undefined ? usual : numberOf(port.value, line);
}

function resultText(result: CallResult): string {
  return typeof result === 'string' ? `-1 ${result} (${errnoText(result)})` : String(result);
}
