/**
 * What the hosts of a random world do to each other: datagrams of all sizes, echoes of UDP and ICMP, broadcasts,
 * groups; and what each of them may receive.
 */
import type { Ip } from '../addr/ip.ts';
import { Ip as IpValue } from '../addr/ip.ts';
import type { Rng } from '../base/rng.ts';
import type { Duration } from '../base/time.ts';
import { DatagramInfo } from '../socket/datagram-info.ts';
import { PathMtu } from '../socket/host.ts';
import type { PingSocket } from '../socket/ping-socket.ts';
import type { UdpSocket } from '../socket/udp-socket.ts';
import { payloadAt } from '../socket/udp-socket.ts';
import { chance, oneOf } from './chance.ts';
import type { SimHost } from './host.ts';
import type { Inspector } from './inspector.ts';
import type { Entry, Ledger } from './ledger.ts';
import { TAG_BYTES } from './ledger.ts';
import type { Topology } from './topology.ts';
import type { World } from './world.ts';

/** Sends back what it gets; takes it; takes what is sent to groups and broadcast; sends, and gets echoes. */
export const Port = { Echo: 4_000, Sink: 4_001, Group: 4_002, Client: 4_003 } as const;
export const PORTS: readonly number[] = Object.values(Port);
/** 239.77.0.1 and so on. */
export const GROUPS: readonly Ip[] = [1, 2, 3].map((n) => IpValue.v4(0xef4d0000 + n));

const PAYLOAD_MAX = 65_507;
const ICMP_HEADER = 8;
const REFUSALS = new Set<string>([
  'EAGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ECONNREFUSED',
  'EMSGSIZE',
  'EACCES',
  'EADDRNOTAVAIL',
  'ENOPROTOOPT',
  'EPROTO',
  'EOPNOTSUPP',
]);

interface Sockets {
  readonly group: UdpSocket;
  readonly client: UdpSocket;
  readonly ping: PingSocket;
  readonly groups: Set<number>;
}

export class Load {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #topology: Topology;
  readonly #ledger: Ledger;
  readonly #inspector: Inspector;
  readonly #everybody: readonly SimHost[];
  readonly #sockets = new Map<SimHost, Sockets>();
  readonly #buffer = new Uint8Array(0x1_0000);
  readonly #info = new DatagramInfo();

  constructor(world: World, rng: Rng, topology: Topology, ledger: Ledger, inspector: Inspector) {
    this.#world = world;
    this.#rng = rng;
    this.#topology = topology;
    this.#ledger = ledger;
    this.#inspector = inspector;
    this.#everybody = [...topology.hosts, ...topology.routers];
    // Sockets do not survive a crash: they are opened whenever a host comes up.
    for (const host of this.#everybody) host.configure(() => this.#open(host));
  }

  /** Sends `count` things in the time that follows. */
  schedule(count: number, duration: Duration): void {
    for (let i = 0; i < count; i++) {
      const when = this.#rng.below(duration) as Duration;
      this.#world.after(when, () => this.#act(oneOf(this.#rng, this.#everybody)));
    }
  }

  /** A datagram of `length` bytes from `from` to `address`; the entry says later whether it arrived. */
  probe(from: SimHost, address: Ip, length: number): Entry | null {
    const { client } = this.#sockets.get(from) as Sockets;
    client.disconnect();
    client.setTtl(-1);
    client.segmentBytes = 0;
    client.options.pathMtu = PathMtu.Want;
    return this.#send(from, client, address, Port.Sink, length);
  }

  #act(host: SimHost): void {
    if (!host.isUp) return;
    const rng = this.#rng;
    const sockets = this.#sockets.get(host) as Sockets;
    const { client, ping } = sockets;
    switch (rng.below(10)) {
      case 0:
      case 1:
        this.#ping(host, ping, this.#anyAddress(), this.#length());
        return;
      case 2:
        this.#sendToMany(host, client);
        return;
      case 3:
        this.#changeGroups(sockets);
        return;
      case 4:
        this.#changeOptions(client);
        return;
      case 5:
        this.#burst(host, client);
        return;
      default:
        this.#send(host, client, this.#anyAddress(), oneOf(rng, [Port.Echo, Port.Sink]), this.#length());
    }
  }

  #burst(host: SimHost, client: UdpSocket): void {
    const address = this.#anyAddress();
    for (let i = this.#rng.below(40); i > 0; i--) this.#send(host, client, address, Port.Sink, TAG_BYTES + i);
  }

  #sendToMany(host: SimHost, client: UdpSocket): void {
    const rng = this.#rng;
    const home = this.#topology.subnets.find(({ members }) => members.some((member) => member.host === host));
    const broadcast = home?.prefix.broadcast;
    const to =
      broadcast !== undefined && broadcast !== null && chance(rng, 0.4) ? broadcast : oneOf(rng, GROUPS);
    this.#send(host, client, to, Port.Group, TAG_BYTES + rng.below(chance(rng, 0.2) ? 4_000 : 200));
  }

  #changeGroups({ group: socket, groups }: Sockets): void {
    const group = oneOf(this.#rng, GROUPS);
    if (groups.has(group.d)) {
      socket.leaveGroup(group);
      groups.delete(group.d);
    } else if (socket.joinGroup(group) === null) {
      groups.add(group.d);
    }
  }

  #changeOptions(client: UdpSocket): void {
    const rng = this.#rng;
    client.options.pathMtu = oneOf(rng, [
      PathMtu.Dont,
      PathMtu.Want,
      PathMtu.Want,
      PathMtu.Do,
      PathMtu.Probe,
    ]);
    client.segmentBytes = chance(rng, 0.3) ? 200 + rng.below(1_200) : 0;
    client.receivesErrors = chance(rng, 0.5);
    client.setTtl(chance(rng, 0.2) ? 1 + rng.below(4) : -1);
    client.setTos(rng.below(256));
    if (chance(rng, 0.3)) client.connect(this.#anyAddress(), Port.Echo);
    else client.disconnect();
    // A socket that lost its port is one that cannot be told from others any more.
    if (client.localPort === 0) client.bind(client.local, Port.Client);
  }

  /** A pending error is told once; the second try is the real one. */
  #send(host: SimHost, client: UdpSocket, to: Ip, port: number, length: number): Entry | null {
    const { segmentBytes } = client;
    // What is cut into pieces is several payloads, which the ledger does not know.
    const isWhole = segmentBytes === 0 || segmentBytes >= length;
    if (!isWhole) client.segmentBytes = 0;
    const entry = this.#ledger.write(this.#buffer, length, host.name, to.d, port);
    client.takeError();
    const answer = client.sendTo(this.#buffer, 0, length, to, port);
    client.segmentBytes = segmentBytes;
    if (typeof answer === 'number') return entry;
    this.#ledger.forget(entry);
    if (!REFUSALS.has(answer))
      this.#complain(`${host.name}: sending ${length} bytes to ${to}:${port} said ${answer}`);
    return null;
  }

  #ping(host: SimHost, ping: PingSocket, to: Ip, length: number): void {
    const entry = this.#ledger.write(this.#buffer, length, host.name, to.d, 0);
    ping.takeError();
    const answer = ping.sendEcho(to, this.#rng.below(0x1_0000), this.#buffer, 0, length);
    if (typeof answer === 'number') return;
    this.#ledger.forget(entry);
    if (!REFUSALS.has(answer))
      this.#complain(`${host.name}: a ping of ${length} bytes to ${to} said ${answer}`);
  }

  #anyAddress(): Ip {
    const rng = this.#rng;
    const { prefix, members } = oneOf(rng, this.#topology.subnets);
    // Now and then somebody who is not there, or nowhere.
    if (chance(rng, 0.05)) return IpValue.v4(prefix.address.d + 200 + rng.below(50));
    if (chance(rng, 0.02)) return IpValue.v4(0xc0000201 | 0);
    return members.length === 0 ? prefix.address : oneOf(rng, members).address;
  }

  #length(): number {
    const rng = this.#rng;
    const most = oneOf(rng, [64, 64, 512, 1_472, 1_473, 4_000, 9_000, PAYLOAD_MAX]);
    const length = most < PAYLOAD_MAX || chance(rng, 0.5) ? rng.below(most + 1) : most - rng.below(2);
    return Math.max(TAG_BYTES, length);
  }

  #open(host: SimHost): void {
    const echo = host.udp(Port.Echo);
    echo.onReady = (): void => this.#echo(host, echo);
    const sink = host.udp(Port.Sink);
    const group = host.udp(Port.Group);
    const client = host.udp(Port.Client);
    group.multicastAll = false;
    client.options.broadcast = true;
    for (const socket of [sink, group, client]) socket.onReady = (): void => this.#drain(host, socket);
    const ping = host.stack.sockets.openPing();
    if (typeof ping === 'string')
      throw new Error(`assertion failed: a fresh host opens a socket, but said ${ping}`);
    ping.onReady = (): void => this.#drainPing(host, ping);
    this.#sockets.set(host, { group, client, ping, groups: new Set() });
  }

  /** Looks at each payload, and sends the packet itself back. */
  #echo(host: SimHost, socket: UdpSocket): void {
    socket.takeError();
    for (let packet = socket.receivePacket(); packet !== null; packet = socket.receivePacket()) {
      const entry = this.#ledger.read(packet.bytes, payloadAt(packet), packet.tail);
      if (typeof entry === 'string') this.#complain(`${host.name}, echo: ${entry}`);
      else if (entry !== null && entry.port !== Port.Echo)
        this.#complain(`${host.name}, echo: ${entry.id} was for port ${entry.port}`);
      socket.reply(packet);
    }
  }

  #drain(host: SimHost, socket: UdpSocket): void {
    const info = this.#info;
    for (;;) {
      const count = socket.receive(this.#buffer, info);
      if (count === 'EAGAIN' || count === 'EBADF') return;
      if (typeof count === 'string') continue;
      const entry = this.#ledger.read(this.#buffer, 0, count);
      if (entry === null) continue;
      const wrong = typeof entry === 'string' ? entry : this.#judge(host, socket, info, entry);
      if (wrong !== '')
        this.#complain(`${host.name}:${socket.localPort} from ${info.address}:${info.port}: ${wrong}`);
    }
  }

  #judge(host: SimHost, socket: UdpSocket, info: DatagramInfo, entry: Entry): string {
    const what = `datagram ${entry.id}`;
    if (socket.localPort === Port.Client) {
      // An echo: from where it was sent to, to who sent it.
      if (entry.port !== Port.Echo || info.port !== Port.Echo) return `${what} is no echo`;
      if (host.name !== entry.from) return `${what} was sent by ${entry.from}`;
      return info.flow.srcD === entry.address ? '' : `${what} was sent to another address`;
    }
    if (entry.port !== socket.localPort) return `${what} was for port ${entry.port}`;
    if (info.flow.dstD !== entry.address) return `${what} was for another address`;
    if (info.port !== Port.Client) return `${what} comes from another port`;
    const source = info.flow.srcD;
    const isSenders = this.#topology.subnets.some(({ members }) =>
      members.some(({ host, address }) => host.name === entry.from && address.d === source),
    );
    return isSenders ? '' : `${what} comes from an address that ${entry.from} does not have`;
  }

  #drainPing(host: SimHost, socket: PingSocket): void {
    const info = this.#info;
    for (;;) {
      const count = socket.receive(this.#buffer, info);
      if (count === 'EAGAIN' || count === 'EBADF') return;
      if (typeof count === 'string') continue;
      const entry = this.#ledger.read(this.#buffer, ICMP_HEADER, count);
      if (entry === null) continue;
      let wrong = '';
      if (typeof entry === 'string') wrong = entry;
      else if (entry.port !== 0 || entry.from !== host.name)
        wrong = `echo ${entry.id} was asked by ${entry.from}`;
      else if (info.flow.srcD !== entry.address) wrong = `echo ${entry.id} was asked of another address`;
      if (wrong !== '') this.#complain(`${host.name}, ping from ${info.address}: ${wrong}`);
    }
  }

  #complain(what: string): void {
    this.#inspector.complain(this.#world.now, what);
  }
}
