/**
 * The words of a command line by the declared parameters: `ip`'s grammar, in which a word stands in its place or
 * behind the keyword that introduces it.
 *
 *     10.0.0.0/8 via 10.77.0.1 dev tapstack0 mtu 1400
 *     10.0.0.0/8 nexthop via 10.77.0.1 weight 2 nexthop via 10.77.0.3
 */
import type { Param, Params, RawArgs } from './command.ts';
import { ConfigError, quote } from './schema.ts';

interface Scope {
  readonly params: Params;
  readonly args: RawArgs;
}

/** Adds to `args` what the words say; they are checked for being there, not for their values. */
export function parseWords(params: Params, words: readonly string[], args: RawArgs): ConfigError | null {
  const outer: Scope = { params, args };
  let scope = outer;
  for (let at = 0; at < words.length; at++) {
    const text = words[at] as string;
    // Within a group its own keywords come first; what it does not know ends it.
    let found = findKeyword(scope.params, text);
    if (found === null && scope !== outer && findBare(scope.params, text) === null) {
      scope = outer;
      found = findKeyword(scope.params, text);
    }
    if (found !== null) {
      const [key, param] = found;
      if (param.syntax.group !== undefined) {
        const inner: RawArgs = {};
        append(scope.args, key, inner);
        scope = { params: param.syntax.group, args: inner };
        continue;
      }
      const value = words[++at];
      if (value === undefined) return new ConfigError(text, `is not followed by its ${param.type.name}`);
      const refused = put(scope.args, key, param, value, text);
      if (refused !== null) return refused;
      continue;
    }
    const place = findBare(scope.params, text) ?? findPlace(scope);
    if (place === null) return new ConfigError('', `${quote(text)} is not expected here`);
    const refused = put(scope.args, place[0], place[1], text, text);
    if (refused !== null) return refused;
  }
  return null;
}

type Found = readonly [key: string, param: Param];

function findKeyword(params: Params, text: string): Found | null {
  for (const [key, param] of Object.entries(params)) {
    if (param.syntax.keywords?.includes(text) === true) return [key, param];
  }
  return null;
}

function findBare(params: Params, text: string): Found | null {
  for (const [key, param] of Object.entries(params)) {
    if (param.syntax.isBare === true && param.type.choices?.includes(text) === true) return [key, param];
  }
  return null;
}

/** The first place that is still free. */
function findPlace({ params, args }: Scope): Found | null {
  for (const [key, param] of Object.entries(params)) {
    if (param.syntax.isWord !== true) continue;
    if (param.need === 'repeated' || !Object.hasOwn(args, key)) return [key, param];
  }
  return null;
}

function put(args: RawArgs, key: string, param: Param, value: string, word: string): ConfigError | null {
  if (param.need === 'repeated') {
    append(args, key, value);
    return null;
  }
  if (Object.hasOwn(args, key)) return new ConfigError(word, 'stands here twice');
  args[key] = value;
  return null;
}

function append(args: RawArgs, key: string, value: unknown): void {
  const list = args[key];
  if (Array.isArray(list)) list.push(value);
  else args[key] = [value];
}
