/**
 * One script from its text to its result.
 */
import type { Ip } from '../../addr/ip.ts';
import { ANY4, parseIp } from '../../addr/ip.ts';
import { Prefix, parsePrefix } from '../../addr/prefix.ts';
import { after, us } from '../../base/time.ts';
import type { HopSpec } from '../../route/nexthop.ts';
import { Fault } from '../fault.ts';
import type { Option, Script } from '../language/ast.ts';
import { definesOf, parseScript } from '../language/parser.ts';
import type { Config } from './config.ts';
import { applyOptions, defaultConfig } from './config.ts';
import { Machine } from './machine.ts';
import type { ScriptResult } from './report.ts';
import { Runner } from './runner.ts';
import type { RouteChange, ShellHost } from './shell.ts';
import { runShell } from './shell.ts';
import { setSysctl } from './sysctl.ts';

export interface RunOptions {
  /** How the script is called in messages. */
  readonly file: string;
  /** Of the command line; the script's own come after them. */
  readonly options?: readonly Option[];
  /** Files that its commands name, relative to it; null when there is none. */
  readonly readFile?: (path: string) => string | null;
  readonly seed?: number;
  /** Every packet is a note. */
  readonly isVerbose?: boolean;
}

const US_PER_SECOND = 1_000_000;

/** Never throws but for faults of our own. */
export function runScript(text: string, options: RunOptions): ScriptResult {
  const { file } = options;
  const run = new ScriptRun(options);
  try {
    run.run(text);
    return { file, outcome: 'pass', line: 0, message: '', ...run.figures };
  } catch (error) {
    // The one place that faults of scripts come to.
    if (!(error instanceof Fault)) throw error;
    const outcome = error.kind === 'mismatch' ? 'fail' : 'unsupported';
    run.end();
    return { file, outcome, line: error.line, message: error.message, ...run.figures };
  }
}

class ScriptRun {
  readonly #options: RunOptions;
  #machine: Machine | null = null;
  #runner: Runner | null = null;
  #isEnded = false;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  get figures(): Pick<ScriptResult, 'notes' | 'events' | 'seconds'> {
    const seconds = (this.#machine?.elapsed ?? 0) / US_PER_SECOND;
    return { notes: this.#runner?.notes ?? [], events: this.#runner?.eventCount ?? 0, seconds };
  }

  run(text: string): void {
    const given = this.#options.options ?? [];
    const script = parseScript(text, definesOf(given));
    const config = defaultConfig();
    applyOptions(config, given);
    applyOptions(config, script.options);
    if (!config.isDryRun) this.#run(script, config);
  }

  /** Gives back what the host held, once. Answers how many packets were lost. */
  end(): number {
    if (this.#isEnded || this.#machine === null) return 0;
    this.#isEnded = true;
    return this.#machine.close();
  }

  #run(script: Script, config: Config): void {
    const machine = new Machine(config, this.#options.seed ?? 1);
    this.#machine = machine;
    const shell = this.#shell(machine, config);
    const runner = new Runner(config, machine, shell);
    if (this.#options.isVerbose === true) machine.onPacket = (note): void => void runner.notes.push(note);
    this.#runner = runner;
    for (const path of config.initScripts) runShell(shell, path, 1);
    runner.run(script);
    const lost = this.end();
    if (lost > 0) throw new Fault('mismatch', 0, `${lost} packets did not come back to their pool`);
  }

  #shell(machine: Machine, config: Config): ShellHost {
    const { stack } = machine;
    const target = { ip: stack.ip.options, tcp: stack.tcp.config, recovery: stack.tcp.recovery };
    return {
      sysctl: (name, value) => setSysctl(target, name, value),
      route: (change) => changeRoute(machine, config, change),
      setMtu: (mtu) => {
        machine.mtu = mtu;
      },
      setPacing: (isPacing) => {
        stack.tcp.recovery.isPacing = isPacing;
      },
      sleep: (duration) => {
        const limit = after(machine.now, us(duration));
        while (machine.step(limit, limit) && machine.now < limit);
      },
      readFile: (path) => this.#options.readFile?.(path) ?? null,
      parsePrefix: prefixOf,
      parseIp: (text): Ip | null => parseIp(text),
    };
  }
}

function prefixOf(text: string): Prefix | null {
  if (text === 'default') return new Prefix(ANY4, 0);
  const ip = parseIp(text);
  return ip === null ? parsePrefix(text) : new Prefix(ip, 32);
}

/** Empty when it is done, else why not. */
function changeRoute(machine: Machine, config: Config, change: RouteChange): string {
  const { fib } = machine.stack.ip;
  const { prefix, mtu, type } = change;
  if (change.action === 'delete') {
    fib.del({ prefix });
    return '';
  }
  const hop = type === 'unicast' ? hopOf(machine, config, change.via) : {};
  const spec = { prefix, type, mtu, ...hop };
  const refusal = change.action === 'replace' ? fib.replace(spec) : fib.add(spec);
  return refusal === null ? '' : `a route to ${prefix.toString()}: ${refusal}`;
}

function hopOf(machine: Machine, config: Config, via: Ip | null): HopSpec {
  const oif = machine.iface.index;
  return via === null || via.equals(config.localIp) ? { oif } : { oif, via, onlink: true };
}
