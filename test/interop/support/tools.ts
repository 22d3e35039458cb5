/**
 * What the kernel's tools say, read into numbers.
 */
import type { Namespace } from './namespace.ts';

export interface PingResult {
  readonly transmitted: number;
  readonly received: number;
  /** Errors and duplicates that it speaks of in its summary. */
  readonly others: string;
  readonly text: string;
}

/** `ping -n` in `space`; for how it went, see the numbers. */
export async function ping(space: Namespace, ...words: string[]): Promise<PingResult> {
  const { stdout, stderr } = await space.run(['ping', '-n', ...words]);
  const found = /(\d+) packets transmitted, (\d+) received(.*), [\d.]+% packet loss/.exec(stdout);
  if (found === null) throw new Error(`ping ${words.join(' ')} says\n${stdout}\n${stderr}`);
  return {
    transmitted: Number(found[1]),
    received: Number(found[2]),
    others: (found[3] as string).replace(/^, /, ''),
    text: stdout + stderr,
  };
}

/** One quick question: is it there? */
export async function answersPing(space: Namespace, address: string): Promise<boolean> {
  return (await ping(space, '-c', '1', '-W', '5', address)).received === 1;
}

export interface Hop {
  readonly ttl: number;
  /** The address that answered first; null for none. */
  readonly address: string | null;
  readonly line: string;
}

/** `traceroute -n`: its hops. */
export async function traceroute(space: Namespace, ...words: string[]): Promise<Hop[]> {
  const text = await space.must('traceroute', '-n', ...words);
  return [...text.matchAll(/^ *(\d+) +(.*)$/gm)].map(([line, ttl, rest]) => ({
    ttl: Number(ttl),
    address: /\d+\.\d+\.\d+\.\d+/.exec(rest as string)?.[0] ?? null,
    line,
  }));
}

/** State by port or protocol, as `nmap` prints it: `7/udp open echo`, `17 open udp`. */
export async function nmap(space: Namespace, ...words: string[]): Promise<Map<string, string>> {
  const text = await space.must('nmap', '-n', ...words);
  return new Map(
    [...text.matchAll(/^(\d+(?:\/\w+)?) +(\S+) +\S+$/gm)].map((row) => [row[1] as string, row[2] as string]),
  );
}
