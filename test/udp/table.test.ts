import t from 'tap';
import { FlowKey } from '../../src/addr/flow-key.ts';
import { ANY4, ANY6, Ip, parseIp } from '../../src/addr/ip.ts';
import { rng } from '../../src/base/rng.ts';
import type { UdpEndpoint } from '../../src/udp/endpoint.ts';
import { UdpTable } from '../../src/udp/table.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const LOCAL = ip('10.0.0.1');
const PEER = ip('10.0.0.9');

function endpoint(fields: Partial<UdpEndpoint> = {}): UdpEndpoint {
  return {
    family: 4,
    local: ANY4,
    localPort: 53,
    remote: null,
    remotePort: 0,
    device: 0,
    ipv6Only: false,
    reuseAddress: false,
    reusePort: false,
    wantsGroup: () => true,
    handleDatagram: () => {},
    handleError: () => {},
    ...fields,
  };
}

function table(...endpoints: UdpEndpoint[]): UdpTable {
  const made = new UdpTable(rng(1));
  for (const one of endpoints) made.add(one);
  return made;
}

function flow(src: Ip, srcPort: number, dst: Ip, dstPort = 53, iif = 2): FlowKey {
  const key = new FlowKey();
  key.setSource(src);
  key.setDestination(dst);
  key.srcPort = srcPort;
  key.dstPort = dstPort;
  key.iif = iif;
  return key;
}

t.test('the most specific match wins, as in udp4_lib_lookup2 of Linux', (t) => {
  const any = endpoint();
  const bound = endpoint({ local: LOCAL });
  const connected = endpoint({ local: LOCAL, remote: PEER, remotePort: 7 });
  const all = table(any, bound, connected);
  t.equal(all.lookup(flow(PEER, 7, LOCAL)), connected);
  t.equal(all.lookup(flow(PEER, 8, LOCAL)), bound, 'another port of the peer');
  t.equal(all.lookup(flow(ip('10.0.0.8'), 7, LOCAL)), bound, 'another peer');
  t.equal(all.lookup(flow(PEER, 7, ip('10.0.0.2'))), any, 'another address of ours');
  t.equal(all.lookup(flow(PEER, 7, LOCAL, 54)), null, 'another port');
  all.remove(connected);
  t.equal(all.lookup(flow(PEER, 7, LOCAL)), bound);
  all.remove(bound);
  t.equal(all.lookup(flow(PEER, 7, LOCAL)), any);
  all.remove(any);
  t.equal(all.lookup(flow(PEER, 7, LOCAL)), null);
  t.equal(all.count, 0);
  t.end();
});

t.test('alone on its port, a socket is still matched by address, peer, interface and family', (t) => {
  t.equal(table(endpoint({ local: LOCAL })).lookup(flow(PEER, 7, ip('10.0.0.2'))), null);
  const connected = endpoint({ local: LOCAL, remote: PEER, remotePort: 7 });
  t.equal(table(connected).lookup(flow(PEER, 7, LOCAL)), connected);
  t.equal(table(connected).lookup(flow(PEER, 8, LOCAL)), null);
  t.equal(table(connected).lookup(flow(ip('10.0.0.8'), 7, LOCAL)), null);
  t.equal(table(endpoint({ device: 3 })).lookup(flow(PEER, 7, LOCAL)), null);
  t.equal(table(endpoint()).lookup(flow(ip('2001:db8::9'), 7, ip('2001:db8::1'))), null);
  t.end();
});

t.test('a socket bound to the interface is preferred, and hears of no other (SO_BINDTODEVICE)', (t) => {
  const any = endpoint();
  const device = endpoint({ device: 2 });
  const all = table(any, device);
  t.equal(all.lookup(flow(PEER, 7, LOCAL, 53, 2)), device);
  t.equal(all.lookup(flow(PEER, 7, LOCAL, 53, 3)), any);
  t.end();
});

t.test('an IPv6 socket takes IPv4 unless it is IPv6 only (RFC 3493 §5.3)', (t) => {
  const dual = endpoint({ family: 6, local: ANY6 });
  const only = endpoint({ family: 6, local: ANY6, ipv6Only: true });
  const four = endpoint();
  t.equal(table(dual).lookup(flow(PEER, 7, LOCAL)), dual);
  t.equal(table(only).lookup(flow(PEER, 7, LOCAL)), null);
  t.equal(table(dual, four).lookup(flow(PEER, 7, LOCAL)), four, 'its own family is better');
  t.equal(table(four, dual).lookup(flow(PEER, 7, LOCAL)), four);
  t.equal(table(four, only).lookup(flow(ip('2001:db8::9'), 7, ip('2001:db8::1'))), only);
  t.end();
});

t.test('with SO_REUSEADDR the newest of equals has it, as on Linux', (t) => {
  const older = endpoint({ reuseAddress: true });
  const newer = endpoint({ reuseAddress: true });
  const all = table(older, newer);
  t.equal(all.lookup(flow(PEER, 7, LOCAL)), newer);
  all.remove(newer);
  t.equal(all.lookup(flow(PEER, 7, LOCAL)), older);
  t.end();
});

t.test('SO_REUSEPORT shares flows evenly and keeps each with one socket', (t) => {
  const group = Array.from({ length: 4 }, () => endpoint({ reusePort: true }));
  const all = table(...group);
  const counts = new Map<UdpEndpoint, number>();
  for (let port = 1; port <= 4_000; port++) {
    const chosen = all.lookup(flow(PEER, port, LOCAL)) as UdpEndpoint;
    if (chosen !== all.lookup(flow(PEER, port, LOCAL))) t.fail(`port ${port} changed its socket`);
    counts.set(chosen, (counts.get(chosen) ?? 0) + 1);
  }
  for (const one of group) {
    const count = counts.get(one) ?? 0;
    t.ok(count > 850 && count < 1_150, `${count} of 4,000 flows`);
  }
  t.end();
});

t.test('broadcasts and multicasts go to all that match, as in __udp4_lib_mcast_deliver', (t) => {
  const group = ip('239.1.2.3');
  const any = endpoint();
  const other = endpoint({ localPort: 54 });
  const bound = endpoint({ local: group });
  const elsewhere = endpoint({ local: LOCAL });
  const uninterested = endpoint({ wantsGroup: () => false });
  const all = table(any, other, bound, elsewhere, uninterested);
  const out: UdpEndpoint[] = [];
  t.equal(all.lookupAll(flow(PEER, 7, group), true, out), 2);
  t.strictSame(out.slice(0, 2), [any, bound]);
  t.equal(all.lookupAll(flow(PEER, 7, ip('10.0.0.255')), false, out), 2);
  t.strictSame(out.slice(0, 2), [any, uninterested], 'membership says nothing about broadcasts');
  t.equal(all.lookupAll(flow(PEER, 7, group, 99), true, out), 0);
  t.end();
});

t.test('thousands of connected sockets on one port are told apart', (t) => {
  const all = new UdpTable(rng(7));
  const made: UdpEndpoint[] = [];
  for (let i = 0; i < 5_000; i++) {
    const one = endpoint({ local: LOCAL, remote: Ip.v4(0x0b000000 + i), remotePort: 1_000 + (i % 7) });
    made.push(one);
    all.add(one);
  }
  t.ok(made.every((one) => all.lookup(flow(one.remote as Ip, one.remotePort, LOCAL)) === one));
  for (const [i, one] of made.entries()) if (i % 2 === 0) all.remove(one);
  t.ok(
    made.every(
      (one, i) => all.lookup(flow(one.remote as Ip, one.remotePort, LOCAL)) === (i % 2 === 0 ? null : one),
    ),
  );
  t.equal(all.count, 2_500);
  t.end();
});
