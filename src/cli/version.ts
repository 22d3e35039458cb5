/**
 * The version of this package, as its package.json has it.
 */
import { existsSync, readFileSync } from 'node:fs';

export function packageVersion(): string {
  // This file is src/cli/version.ts or, compiled, dist/src/cli/version.js.
  for (const above of ['../../package.json', '../../../package.json']) {
    const url = new URL(above, import.meta.url);
    if (!existsSync(url)) continue;
    const { version } = JSON.parse(readFileSync(url, 'utf8')) as { version: string };
    return version;
  }
  return 'unknown';
}
