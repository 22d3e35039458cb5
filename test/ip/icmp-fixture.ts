/**
 * ICMP over a fake host with two interfaces that records what it is asked to do. Addresses: 10.77.0.2/24 on
 * interface 2 with the gateway 10.77.0.1, 192.0.2.2/24 on interface 3; 127/8 is local.
 */
import type { Instant } from '../../src/base/time.ts';
import { START } from '../../src/base/time.ts';
import type { IcmpHost } from '../../src/ip/icmp/host.ts';
import { IcmpQuote } from '../../src/ip/icmp/host.ts';
import { Icmp } from '../../src/ip/icmp/icmp.ts';
import type { IcmpOptions } from '../../src/ip/icmp/options.ts';
import { defaultIcmpOptions } from '../../src/ip/icmp/options.ts';
import { IpId } from '../../src/ip/ip-id.ts';
import type { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import type { Pool } from '../../src/packet/pool.ts';
import * as icmp4 from '../../src/wire/icmp4.ts';
import * as ipv4 from '../../src/wire/ipv4.ts';
import { type Ip4Fields, ip, Lab } from './fixture.ts';

export const OWN = '10.77.0.2';
export const PEER = '10.77.0.1';
export const OTHER_OWN = '192.0.2.2';

const onNet = (address: number, net: string): boolean => address >>> 8 === ip(net) >>> 8;

class FakeHost implements IcmpHost {
  readonly pool: Pool;
  readonly drops: Drops;
  isForwarding = false;
  readonly sent: Packet[] = [];
  readonly quotes: IcmpQuote[] = [];
  readonly redirects: [destination: number, gateway: number, device: number][] = [];
  readonly replies: Packet[] = [];
  /** Whether a socket is found for quotes and replies. */
  hasSocket = true;
  gateway: number = ip(PEER);
  hasSource = true;

  constructor(pool: Pool, drops: Drops) {
    this.pool = pool;
    this.drops = drops;
  }

  isLocal(address: number): boolean {
    return address === ip(OWN) || address === ip(OTHER_OWN) || address >>> 24 === 127;
  }

  isBroadcast(address: number): boolean {
    return address === -1 || address === ip('10.77.0.255') || address === ip('192.0.2.255');
  }

  isOnLink(address: number, device: number): boolean {
    return onNet(address, device === 2 ? OWN : OTHER_OWN);
  }

  gatewayFor(destination: number, _device: number): number {
    return onNet(destination, OWN) || onNet(destination, OTHER_OWN) ? 0 : this.gateway;
  }

  selectSource(_destination: number, device: number): number {
    if (!this.hasSource) return 0;
    return ip(device === 3 ? OTHER_OWN : OWN);
  }

  send(_now: Instant, packet: Packet): void {
    this.sent.push(packet);
  }

  handleQuote(_now: Instant, quote: IcmpQuote): boolean {
    this.quotes.push(Object.assign(new IcmpQuote(), quote));
    return this.hasSocket;
  }

  handleRedirect(_now: Instant, destination: number, gateway: number, device: number): void {
    this.redirects.push([destination, gateway, device]);
  }

  deliverEchoReply(_now: Instant, packet: Packet): boolean {
    if (this.hasSocket) this.replies.push(packet);
    return this.hasSocket;
  }
}

export class IcmpLab extends Lab {
  readonly host: FakeHost;
  readonly icmp: Icmp;
  now: Instant = START;

  constructor(options: Partial<IcmpOptions> = {}, slots = 16) {
    super(slots);
    this.host = new FakeHost(this.pool, this.drops);
    const ids = new IpId(this.rng.fork('id'));
    this.icmp = new Icmp(this.host, ids, this.rng.fork('icmp'), { ...defaultIcmpOptions(), ...options });
  }

  /** An ICMP message from the peer to us, with its checksum; `data` follows the 8 bytes of header. */
  message(type: number, code: number, word: number, data: Uint8Array, fields: Ip4Fields = {}): Packet {
    const payload = new Uint8Array(8 + data.length);
    payload.set(data, 8);
    const packet = this.datagram({ protocol: ipv4.Protocol.Icmp, data: payload, ...fields });
    packet.device = 2;
    icmp4.write(packet.view, packet.l4, type, code, word);
    icmp4.fillChecksum(packet.view, packet.l4, packet.tail);
    return packet;
  }

  /** The bytes of a datagram, to quote. By default UDP with ports 7 and 9, from us to a host behind the gateway. */
  quoted(fields: Ip4Fields = {}): Uint8Array {
    const data = Uint8Array.of(0, 7, 0, 9, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8);
    const packet = this.datagram({ src: OWN, dst: '198.51.100.1', data, ...fields });
    const bytes = packet.bytes.slice(packet.l3, packet.tail);
    packet.release();
    return bytes;
  }

  /** The one packet sent; its owner is the test. */
  sentOne(): Packet {
    const [packet, ...others] = this.host.sent.splice(0);
    if (packet === undefined || others.length > 0)
      throw new Error(`sent ${others.length + 1} packets, or none`);
    return packet;
  }
}
