/**
 * Why a script ends before its last line. The one exception of this folder: a parser and an interpreter unwind with
 * it from wherever they are, and `run/run.ts` alone catches it and makes a result of it.
 *
 * `unsupported`: the runner does not understand the script, or the stack lacks what it asks for; never a pass, and
 * never held against the stack. `mismatch`: the stack did something else than the script says.
 */
export type FaultKind = 'unsupported' | 'mismatch';

export class Fault extends Error {
  readonly kind: FaultKind;
  readonly line: number;

  constructor(kind: FaultKind, line: number, message: string) {
    super(message);
    this.name = 'Fault';
    this.kind = kind;
    this.line = line;
  }
}

/** Ends the script: something in it is not understood. */
export function unsupported(line: number, what: string): never {
  throw new Fault('unsupported', line, what);
}

/** Ends the script: it expected something else. */
export function mismatch(line: number, what: string): never {
  throw new Fault('mismatch', line, what);
}
