/** The programs in `examples/` run, and say what their comments promise. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const EXAMPLES = new URL('../../examples/', import.meta.url);

function run(name: string, ...args: string[]): string {
  return execFileSync(process.execPath, [fileURLToPath(new URL(name, EXAMPLES)), ...args], {
    encoding: 'utf8',
  });
}

t.test('lossy-link.js: all bytes arrive although frames are lost, and a seed is a run', (t) => {
  const output = run('lossy-link.js', '3');
  t.match(
    output,
    /^bob has 1000000 bytes after [\d.]+ s\nalice sent \d+ segments, [1-9]\d* of them again\n$/,
  );
  t.equal(run('lossy-link.js', '3'), output, 'the same seed, the same run');
  t.not(run('lossy-link.js', '4'), output, 'another seed, another run');
  t.end();
});
