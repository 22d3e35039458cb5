/**
 * What a running stack reports: in the shape of `ip -j` where `ip` has one, so that whoever reads that reads this.
 */

export interface AddressReport {
  readonly family: 'inet' | 'inet6';
  readonly local: string;
  readonly prefixlen: number;
  readonly broadcast?: string;
  readonly scope: string;
  /** As `ip` has them: there or not. */
  readonly tentative?: true;
  readonly dadfailed?: true;
  readonly label: string;
  readonly valid_life_time: number;
  readonly preferred_life_time: number;
}

export interface DirectionReport {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

export interface LinkReport {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly qdisc: string;
  readonly operstate: string;
  readonly group: string;
  readonly txqlen: number;
  readonly link_type: string;
  readonly address?: string;
  readonly broadcast?: string;
  readonly stats64: {
    readonly rx: DirectionReport & { readonly over_errors: number; readonly multicast: number };
    readonly tx: DirectionReport & { readonly carrier_errors: number; readonly collisions: number };
  };
  readonly addr_info: readonly AddressReport[];
}

export interface HopReport {
  readonly gateway?: string;
  readonly dev?: string;
  readonly weight: number;
  readonly flags: readonly string[];
}

export interface RouteReport {
  readonly type?: string;
  readonly dst: string;
  readonly from?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly scope?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly flags: readonly string[];
  readonly metrics?: readonly { readonly mtu: number }[];
  readonly nexthops?: readonly HopReport[];
  /** Of an answer to `route get`: what was learned about the path. */
  readonly cache?: readonly string[];
}

export interface RuleReport {
  readonly priority: number;
  readonly not?: null;
  readonly src: string;
  readonly srclen?: number;
  readonly dst?: string;
  readonly dstlen?: number;
  readonly tos?: string;
  readonly fwmark?: string;
  readonly fwmask?: string;
  readonly iif?: string;
  readonly oif?: string;
  readonly ipproto?: string;
  readonly sport?: number;
  readonly sport_start?: number;
  readonly sport_end?: number;
  readonly dport?: number;
  readonly dport_start?: number;
  readonly dport_end?: number;
  readonly table?: string;
  readonly action?: string;
}

export interface NeighborReport {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  /** In seconds; left out where it never happened. */
  readonly used?: number;
  readonly confirmed?: number;
  readonly updated?: number;
  readonly probes: number;
  readonly state: readonly string[];
}

export type SocketKind = 'tcp' | 'udp' | 'raw' | 'icmp';

/** A socket, or a connection that none holds any more. */
export interface SocketReport {
  readonly netid: SocketKind;
  /** As ss writes it: `ESTAB`, `TIME-WAIT`, `LISTEN`, `UNCONN` … */
  readonly state: string;
  /** Of a listener: connections that wait, and how many may. */
  readonly recvQ: number;
  readonly sendQ: number;
  readonly local: string;
  readonly localPort: number;
  readonly peer: string;
  /** 0 without a peer. */
  readonly peerPort: number;
  /** The device that it is bound to. */
  readonly dev?: string;
  readonly timer?: SocketTimerReport;
  readonly memory?: SocketMemoryReport;
  readonly tcp?: TcpReport;
}

export interface SocketTimerReport {
  /** As ss has them: retransmission `on`, `keepalive`, `timewait`, `persist`. */
  readonly name: 'on' | 'keepalive' | 'timewait' | 'persist';
  readonly expiresMs: number;
  readonly retransmits: number;
}

/** In bytes: what is used, and what may be. */
export interface SocketMemoryReport {
  readonly receive: number;
  readonly receiveMax: number;
  readonly send: number;
  readonly sendMax: number;
}

/** `struct tcp_info`, field for field, and what it leaves out. */
export interface TcpReport {
  readonly congestion: string;
  readonly info: Readonly<Record<string, number>>;
}

export interface ServiceReport {
  readonly name: string;
  readonly protocol: 'udp' | 'tcp';
  readonly port: number;
  /** Datagrams, or connections. */
  readonly received: number;
  /** Datagrams, or bytes. */
  readonly answered: number;
}

export interface StatusReport {
  readonly name: string;
  readonly version: string;
  readonly pid: number;
  readonly user: string;
  readonly uptimeSec: number;
  readonly device: {
    readonly name: string;
    readonly mode: string;
    readonly isUp: boolean;
    readonly mtu: number;
    readonly mac: string | null;
    readonly offload: readonly string[];
    /** Of the link itself, when its last transfer failed. */
    readonly error: string | null;
  };
  readonly netns: string | null;
  readonly addresses: readonly string[];
  readonly gateway: string | null;
  readonly services: readonly ServiceReport[];
  readonly sockets: Readonly<Record<string, number>>;
  readonly pool: { readonly slots: number; readonly free: number; readonly lowWater: number };
  readonly drops: Readonly<Record<string, number>>;
  readonly captures: readonly CaptureReport[];
  readonly loop: { readonly runs: number; readonly turns: number };
}

export interface CaptureReport {
  /** The file, or `live`. */
  readonly target: string;
  readonly frames: number;
  /** Frames that found no room because the writer was too slow. */
  readonly left: number;
}

/** By part of the stack, each an object of numbers, or a list of such with what it belongs to. */
export type CountersReport = Readonly<Record<string, unknown>>;

// ---- streams

export type PingItem =
  | {
      readonly type: 'start';
      readonly destination: string;
      /** Where it was asked for. */
      readonly source: string | null;
      /** Bytes of data, and of the datagram. */
      readonly data: number;
      readonly datagram: number;
    }
  | {
      readonly type: 'reply';
      readonly from: string;
      readonly bytes: number;
      readonly seq: number;
      readonly ttl: number;
      readonly timeMs: number;
      readonly isDuplicate: boolean;
      readonly isDamaged: boolean;
    }
  | {
      readonly type: 'error';
      /** Null: this host itself. */
      readonly from: string | null;
      readonly seq: number;
      /** In ping's words. */
      readonly text: string;
    };

export interface PingEnd {
  readonly destination: string;
  readonly transmitted: number;
  readonly received: number;
  readonly duplicates: number;
  readonly errors: number;
  readonly damaged: number;
  readonly timeMs: number;
  readonly rttMs: {
    readonly min: number;
    readonly avg: number;
    readonly max: number;
    readonly mdev: number;
  } | null;
  /** How many replies would have been enough to be called a success. */
  readonly wanted: number;
}

export interface ProbeReport {
  /** Null: nothing came back. */
  readonly from: string | null;
  readonly timeMs: number | null;
  /** `!H` and the like, or nothing. */
  readonly mark: string;
}

export type TraceItem =
  | {
      readonly type: 'start';
      readonly destination: string;
      readonly hopsMax: number;
      readonly bytes: number;
    }
  | { readonly type: 'hop'; readonly ttl: number; readonly probes: readonly ProbeReport[] };

export interface TraceEnd {
  readonly isReached: boolean;
  readonly hops: number;
}

/** A piece of a capture file in base64, or a line about one frame. */
export type CaptureItem = { readonly chunk: string } | { readonly line: string };

export interface CaptureEnd {
  readonly frames: number;
  readonly left: number;
}
