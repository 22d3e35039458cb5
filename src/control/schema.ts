/**
 * Values that people and programs write, and what is wrong with them: the one way by which anything enters the
 * control plane.
 *
 * A type reads what JSON can hold (text, numbers, lists, objects) and answers the value or a `ConfigError`, which
 * says where, what, and what to do instead. The command line hands in words, so every type reads text too.
 */

/** Immutable. The path has a dot per level: `nexthop.1.via`. */
export class ConfigError {
  readonly path: string;
  /** A clause that needs no subject: `"ten" is no number`. */
  readonly problem: string;

  constructor(path: string, problem: string) {
    this.path = path;
    this.problem = problem;
  }

  get text(): string {
    return this.path === '' ? this.problem : `${this.path}: ${this.problem}`;
  }

  /** The same one level further out. */
  under(path: string): ConfigError {
    return new ConfigError(this.path === '' ? path : `${path}.${this.path}`, this.problem);
  }
}

export interface Type<T> {
  /** What stands for a value in a usage line: `ADDRESS`. */
  readonly name: string;
  /** All values, where they are few: for completion. */
  readonly choices?: readonly string[];
  read(value: unknown): T | ConfigError;
}

/** How a value is quoted in a sentence. */
export function quote(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

export function wrong(value: unknown, problem: string): ConfigError {
  return new ConfigError('', `${quote(value)} ${problem}`);
}

/** A type over text: `parse` answers null, or what is wrong as a clause that follows the quoted text. */
export function textType<T extends object | string | number | boolean>(
  name: string,
  parse: (text: string) => T | null,
  problem: string,
  choices?: readonly string[],
): Type<T> {
  const read = (value: unknown): T | ConfigError => {
    const text = typeof value === 'number' ? String(value) : value;
    const parsed = typeof text === 'string' ? parse(text) : null;
    return parsed ?? wrong(value, problem);
  };
  return choices === undefined ? { name, read } : { name, read, choices };
}

/** `count` is at least one; `"${words}"` is one of several words. */
export function choice<const W extends string>(name: string, words: readonly W[]): Type<W> {
  const list = words.length === 1 ? words[0] : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
  const parse = (text: string): W | null => words.find((word) => word === text) ?? null;
  return textType<W>(name, parse, `is not ${list}`, words);
}

/** Decimal, or hexadecimal after `0x`. */
export function integer(name: string, min: number, max: number): Type<number> {
  const parse = (text: string): number | null => {
    const value = /^(?:-?\d{1,15}|0x[0-9a-f]{1,12})$/i.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : null;
  };
  return textType(name, parse, `is no whole number from ${min} to ${max}`);
}

/** With a fraction. */
export function decimal(name: string, min: number, max: number): Type<number> {
  const parse = (text: string): number | null => {
    const value = /^\d{1,12}(?:\.\d{0,12})?$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : null;
  };
  return textType(name, parse, `is no number from ${min} to ${max}`);
}

/** What is there or not: on the wire `true`. */
export const flag: Type<boolean> = {
  name: '',
  read: (value) => (typeof value === 'boolean' ? value : wrong(value, 'is neither true nor false')),
};
