/** Clients in C, for what no tool does. */

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { temporaryDirectory } from './daemon.ts';
import { run } from './namespace.ts';

/** Compiles `NAME.c` from beside this file; answers the program. It goes with the test. */
export async function compile(t: Test, name: string): Promise<string> {
  const source = fileURLToPath(new URL(`../../../../test/interop/support/${name}.c`, import.meta.url));
  const program = join(temporaryDirectory(t), name);
  const { status, stderr } = await run(['cc', '-O1', '-Wall', '-Wextra', '-o', program, source]);
  if (status !== 0) throw new Error(`cc: ${stderr}`);
  return program;
}
