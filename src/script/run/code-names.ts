/**
 * What names stand for in the code of a script: the fields of `tcp_info` and of the congestion control, constants, and
 * what the code itself has assigned.
 */
import { Linux } from '../constants.ts';
import { mismatch } from '../fault.ts';
import { CallError } from '../syscalls.ts';
import type { CodeNames, CodeValue } from './code-expr.ts';
import type { Machine } from './machine.ts';

const CONSTANTS: ReadonlyMap<string, number> = new Map<string, number>(
  Object.entries(Linux).filter(([name]) => /^TCP_|^TCPI_/.test(name)),
);

export class SocketNames implements CodeNames {
  readonly #machine: Machine;
  readonly #notes: string[];
  /** The host's descriptor of the connection that the script is about, or -1. */
  readonly #descriptor: () => number;
  readonly #assigned = new Map<string, CodeValue>();
  #fields: Readonly<Record<string, number>> = {};
  #line = 0;

  constructor(machine: Machine, notes: string[], descriptor: () => number) {
    this.#machine = machine;
    this.#notes = notes;
    this.#descriptor = descriptor;
  }

  /** The socket as it is now. */
  refresh(line: number): void {
    this.#line = line;
    this.#fields = {
      ...this.#read(Linux.SOL_TCP, Linux.TCP_INFO),
      ...this.#read(Linux.SOL_TCP, Linux.TCP_CC_INFO),
      ...this.#read(Linux.SOL_SOCKET, Linux.SO_MEMINFO),
    };
  }

  lookup(name: string): CodeValue | undefined {
    const known = this.#assigned.get(name) ?? this.#fields[name] ?? CONSTANTS.get(name);
    if (known === undefined && name.startsWith('tcpi_') && this.#descriptor() < 0)
      return mismatch(this.#line, `${name}, but the script has no socket`);
    return known;
  }

  assign(name: string, value: CodeValue): void {
    this.#assigned.set(name, value);
  }

  print(text: string): void {
    this.#notes.push(text);
  }

  #read(level: number, option: number): Readonly<Record<string, number>> {
    const { kernel, now } = this.#machine;
    const got = kernel.getsockopt(now, this.#descriptor(), level, option);
    return typeof got === 'object' && !(got instanceof CallError)
      ? (got as Readonly<Record<string, number>>)
      : {};
  }
}
