/**
 * The frames of a device, kept by tcpdump, and what tcpdump and tshark think of those that we sent.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { Namespace, Started } from './namespace.ts';
import { run } from './namespace.ts';

/** What tcpdump says of a frame that it does not like: `bad udp cksum`, `[|udp]`, `truncated-ip`. */
const COMPLAINT = /\bbad\b|wrong|incorrect|truncated|malformed|invalid|\[\||\billegal\b/i;

const CHECKSUMS = ['ip', 'udp', 'tcp'].flatMap((name) => ['-o', `${name}.check_checksum:TRUE`]);
/** Frames that Wireshark finds at fault. `status == 0` is «bad». */
const FAULTS = [
  '_ws.malformed',
  ...['ip', 'udp', 'tcp', 'icmp', 'igmp'].map((name) => `${name}.checksum.status == 0`),
  '_ws.expert.severity == error',
].join(' || ');

export class Sniffer {
  readonly file: string;
  readonly #started: Started;

  constructor(file: string, started: Started) {
    this.file = file;
    this.#started = started;
  }

  /** No more frames; those until now are in the file. */
  async stop(): Promise<void> {
    // What is still on its way to tcpdump comes within its poll.
    await new Promise((resolve) => setTimeout(resolve, 150));
    const status = await this.#started.stop('SIGINT');
    if (status !== 0) throw new Error(`tcpdump ended with ${status}: ${this.#started.stderr}`);
  }

  /** A line of tcpdump for each frame that the filter of pcap-filter(7) lets through. */
  async lines(filter = '', ...flags: string[]): Promise<string[]> {
    const { stdout } = await run(['tcpdump', '-n', ...flags, '-r', this.file, filter]);
    // What goes on in the next line is indented.
    return stdout
      .replace(/\n\s+/g, ' ')
      .split('\n')
      .filter((line) => line !== '');
  }

  /** Values of fields of tshark, a list per frame that the filter of wireshark-filter(4) lets through. */
  async fields(filter: string, ...names: string[]): Promise<string[][]> {
    const words = names.flatMap((name) => ['-e', name]);
    const { status, stdout, stderr } = await run([
      'tshark',
      ...CHECKSUMS,
      '-n',
      '-r',
      this.file,
      '-Y',
      filter,
      '-T',
      'fields',
      ...words,
    ]);
    if (status !== 0) throw new Error(`tshark -Y '${filter}' → ${status}: ${stderr}`);
    return stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.split('\t'));
  }

  /**
   * What is wrong with the frames that come from us, a line for each: nothing, if all is well. `from` is a filter in
   * both languages: `ether src …`, `eth.src == …`.
   */
  async complaints(from: { readonly pcap: string; readonly wireshark: string }): Promise<string[]> {
    const said = (await this.lines(from.pcap, '-vvv', '-e')).filter((line) => COMPLAINT.test(line));
    const faults = await this.fields(
      `(${from.wireshark}) && (${FAULTS})`,
      'frame.number',
      '_ws.expert.message',
    );
    return [...said, ...faults.map((fault) => `tshark: ${fault.join(' ')}`)];
  }
}

/** Frames from a TAP of ours. */
export const fromMac = (mac: string): { pcap: string; wireshark: string } => ({
  pcap: `ether src ${mac}`,
  wireshark: `eth.src == ${mac}`,
});

/** Datagrams from a TUN of ours. */
export const fromAddress = (address: string): { pcap: string; wireshark: string } => ({
  pcap: `ip src ${address}`,
  wireshark: `ip.src == ${address}`,
});

/** Begins to keep the frames of `device` in `space`. */
export async function sniff(t: Test, space: Namespace, device: string): Promise<Sniffer> {
  const directory = mkdtempSync(join(tmpdir(), 'tapstack-sniff-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'frames.pcap');
  const started = space.start(
    'tcpdump',
    '-i',
    device,
    '-w',
    file,
    '-U',
    '-B',
    '32768',
    '--immediate-mode',
    '-Z',
    'root',
  );
  t.teardown(() => started.stop());
  await started.says(/listening on/);
  return new Sniffer(file, started);
}
