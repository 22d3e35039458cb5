/**
 * Between the numbers of a script and those on the wire, for the one connection that a script is about.
 *
 * Ports are chosen here and by the stack. The peer's sequence numbers are the script's own. Those of the stack
 * begin where its ISN says (RFC 6528) and the script counts from what its own SYN says, usually 0; timestamps likewise.
 */
import { Flag } from '../../wire/tcp.ts';
import type { IcmpSpec, PacketSpec, TcpOption, TcpSpec } from '../packet/spec.ts';

/**
 * What calls and packets have made of it: a new socket, `listening`, one whose `connect` was called (`connecting`)
 * and whose SYN the script has expected (`opening`), a child of a listener (`arriving`), or simply there.
 */
export type Phase = 'new' | 'listening' | 'connecting' | 'opening' | 'arriving' | 'open';

export type MappedProtocol = 'tcp' | 'udp' | 'icmp';

/** One moment on both clocks: all others are as far away on the one as on the other. */
interface ClockPair {
  readonly script: number;
  readonly live: number;
}

export class Connection {
  readonly protocol: MappedProtocol;
  phase: Phase = 'new';
  /** As the script numbers it; -1: a child that was not accepted yet. */
  fd = -1;
  /** 0: whichever the stack chooses. */
  localPort = 0;
  remotePort = 0;
  /** Live minus script, of the stack's sequence numbers. */
  #offset = 0;
  /** By the script's timestamps, what was sent there. */
  readonly #timestamps = new Map<number, number>();
  #clocks: ClockPair | null = null;
  #lastTimestamp: number | null = null;

  constructor(protocol: MappedProtocol) {
    this.protocol = protocol;
  }

  /** The stack's SYN has this number, and the script calls it that. */
  learnIsn(live: number, script: number): void {
    this.#offset = (live - script) >>> 0;
  }

  /** What the script sends, as the stack must see it. Answers a sentence where that cannot be said. */
  toLive(spec: PacketSpec): PacketSpec | string {
    if (spec.kind === 'tcp') return this.#tcpToLive(spec);
    return spec.kind === 'icmp' ? this.#icmpToLive(spec) : spec;
  }

  /** What the stack sent, as the script would say it; `want` is what it expects there. */
  toScript(live: PacketSpec, want: PacketSpec): PacketSpec {
    // What our errors quote the peer has sent, whose numbers are the script's.
    if (live.kind !== 'tcp') return live;
    const wanted = want.kind === 'tcp' ? findTimestamps(want.options) : null;
    const actual = findTimestamps(live.options);
    if (actual !== null) this.#learnTimestamp(actual.val, wanted?.val ?? null);
    return {
      ...live,
      seq: (live.seq - this.#offset) >>> 0,
      options: (live.options ?? []).map((option) => this.#optionToScript(option)),
    };
  }

  #tcpToLive(spec: TcpSpec): TcpSpec | string {
    const hasAck = (spec.flags & Flag.Ack) !== 0;
    const options: TcpOption[] = [];
    for (const option of spec.options ?? []) {
      if (option.kind === 'sack') {
        options.push({ kind: 'sack', edges: option.edges.map((edge) => (edge + this.#offset) >>> 0) });
      } else if (option.kind === 'TS' && hasAck) {
        const ecr = this.#liveTimestamp(option.ecr);
        if (ecr === null) return `TS ecr ${option.ecr}, but the stack sent no timestamp before`;
        options.push({ ...option, ecr });
      } else {
        options.push(option);
      }
    }
    return { ...spec, ack: hasAck ? (spec.ack + this.#offset) >>> 0 : spec.ack, options };
  }

  #icmpToLive(spec: IcmpSpec): IcmpSpec {
    const { quoted } = spec;
    if (quoted.kind !== 'tcp') return spec;
    return { ...spec, quoted: { ...quoted, seq: (quoted.seq + this.#offset) >>> 0 } };
  }

  #optionToScript(option: TcpOption): TcpOption {
    if (option.kind !== 'TS' || this.#clocks === null) return option;
    return { ...option, val: (option.val - this.#clocks.live + this.#clocks.script) >>> 0 };
  }

  #learnTimestamp(live: number, script: number | null): void {
    this.#lastTimestamp = live;
    if (script === null) return;
    this.#timestamps.set(script, live);
    this.#clocks ??= { script, live };
  }

  /**
   * What was sent when the script's clock showed `script`. Where the script has a time that no packet had, the same
   * distance on the stack's clock; where it never said, the last one.
   */
  #liveTimestamp(script: number): number | null {
    const exact = this.#timestamps.get(script);
    if (exact !== undefined) return exact;
    if (this.#clocks === null) return this.#lastTimestamp;
    return (script - this.#clocks.script + this.#clocks.live) >>> 0;
  }
}

function findTimestamps(options: readonly TcpOption[] | null): (TcpOption & { kind: 'TS' }) | null {
  for (const option of options ?? []) if (option.kind === 'TS') return option;
  return null;
}
