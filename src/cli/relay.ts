/**
 * `tapstack relay` at the command line. As with `up`, the program itself is loaded here only.
 */
import process from 'node:process';
import type { Command, RawArgs } from '../control/command.ts';
import { readRelay } from '../control/relay/command.ts';
import type { RelayConfig } from '../control/relay/config.ts';
import { ConfigError } from '../control/schema.ts';
import { describeError } from '../control/usage.ts';

interface RelayModule {
  readonly runRelay: (
    config: RelayConfig,
    onReady: (text: string) => void,
  ) => Promise<string | { readonly text: string }>;
}

export async function startRelay(command: Command, raw: RawArgs): Promise<number> {
  const config = readRelay(raw, process.getuid?.() === 0);
  if (config instanceof ConfigError) {
    process.stderr.write(`${describeError(command, config)}\n`);
    return 2;
  }
  const url = new URL('../daemon/relay/main.js', import.meta.url);
  const { runRelay } = (await import(url.href)) as RelayModule;
  const answer = await runRelay(config, (text) => process.stdout.write(text));
  if (typeof answer === 'string') {
    process.stdout.write(answer);
    return 0;
  }
  process.stderr.write(`tapstack relay: ${answer.text}\n`);
  return 1;
}
