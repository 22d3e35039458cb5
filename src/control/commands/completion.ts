/**
 * `tapstack completion`: a script for the shell, made from the declarations.
 */
import type { LocalCommand } from '../command.ts';
import { local, word } from '../command.ts';
import type { Type } from '../schema.ts';
import { choice } from '../schema.ts';

export type Shell = 'bash' | 'zsh';
const shell: Type<Shell> = choice('SHELL', ['bash', 'zsh']);

export const completion: LocalCommand = local({
  name: 'completion',
  summary: 'print a script that completes command lines in a shell',
  details:
    'For bash: `source <(tapstack completion bash)` in ~/.bashrc. For zsh: the same with zsh, in ~/.zshrc.',
  examples: ['source <(tapstack completion bash)'],
  params: { shell: word(shell, 'bash or zsh') },
});
