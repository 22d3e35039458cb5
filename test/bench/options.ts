/**
 * The flags that every benchmark takes.
 */
import { parseArgs } from 'node:util';

export interface Options {
  readonly rounds: number;
  /** Of each measurement. */
  readonly seconds: number;
  /** Puts the table into `docs/benchmarks.md`. */
  readonly isWritten: boolean;
  /** For the daemon. */
  readonly flags: readonly string[];
}

export function parseOptions(args: string[]): Options {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '2' },
      write: { type: 'boolean', default: false },
    },
  });
  const rounds = Number(values.rounds);
  const seconds = Number(values.seconds);
  if (!(rounds >= 1 && Number.isInteger(rounds)))
    throw new Error(`--rounds takes a whole number, not '${values.rounds}'`);
  if (!(seconds > 0)) throw new Error(`--seconds takes a number above 0, not '${values.seconds}'`);
  return { rounds, seconds, isWritten: values.write, flags: positionals };
}
