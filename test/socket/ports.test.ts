import t from 'tap';
import { ANY4, ANY6, type Ip, parseIp } from '../../src/addr/ip.ts';
import { rng } from '../../src/base/rng.ts';
import type { PortUser } from '../../src/socket/ports.ts';
import { EPHEMERAL_MAX, EPHEMERAL_MIN, Ports } from '../../src/socket/ports.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;

const user = (fields: Partial<PortUser> = {}): PortUser => ({
  local: ANY4,
  device: 0,
  ipv6Only: false,
  reuseAddress: false,
  reusePort: false,
  ...fields,
});

class Space {
  readonly users = new Map<number, PortUser[]>();

  atPort(port: number): readonly PortUser[] {
    return this.users.get(port) ?? [];
  }

  add(port: number, one: PortUser): void {
    this.users.set(port, [...this.atPort(port), one]);
  }
}

t.test('who conflicts on a port (Linux: inet_rcv_saddr_equal, udp_lib_lport_inuse)', (t) => {
  const a = { local: ip('10.0.0.1') };
  const b = { local: ip('10.0.0.2') };
  const any4 = { local: ANY4 };
  const any6 = { local: ANY6 };
  const only6 = { local: ANY6, ipv6Only: true };
  const six = { local: ip('2001:db8::1') };
  const cases: [name: string, first: Partial<PortUser>, second: Partial<PortUser>, isTaken: boolean][] = [
    ['the same address', a, a, true],
    ['two addresses', a, b, false],
    ['any address and one', any4, a, true],
    ['any address twice', any4, any4, true],
    [':: and an IPv4 address', any6, a, true],
    [':: and 0.0.0.0', any6, any4, true],
    ['IPv6-only :: and 0.0.0.0', only6, any4, false],
    ['IPv6-only :: and an IPv4 address', only6, a, false],
    ['IPv6-only :: and ::', only6, any6, true],
    ['IPv6-only :: and an IPv6 address', only6, six, true],
    [':: and an IPv6 address', any6, six, true],
    ['0.0.0.0 and an IPv6 address', any4, six, false],
    ['SO_REUSEADDR on both', { ...a, reuseAddress: true }, { ...any4, reuseAddress: true }, false],
    ['SO_REUSEADDR on one', { ...a, reuseAddress: true }, a, true],
    ['SO_REUSEPORT on both', { ...a, reusePort: true }, { ...a, reusePort: true }, false],
    [
      'SO_REUSEPORT on one, SO_REUSEADDR on the other',
      { ...a, reusePort: true },
      { ...a, reuseAddress: true },
      true,
    ],
    ['two interfaces', { ...a, device: 1 }, { ...a, device: 2 }, false],
    ['one interface and all', { ...a, device: 1 }, a, true],
  ];
  for (const [name, first, second, isTaken] of cases) {
    for (const [x, y] of [
      [user(first), user(second)],
      [user(second), user(first)],
    ] as const) {
      const space = new Space();
      space.add(53, x);
      t.equal(new Ports(space, rng(1)).isTaken(y, y.local, 53), isTaken, name);
    }
  }
  t.end();
});

t.test('ephemeral ports are random within the range (RFC 6056 §3.3.1)', (t) => {
  const ports = new Ports(new Space(), rng(3));
  const seen = new Set<number>();
  let low = 0;
  for (let i = 0; i < 1_000; i++) {
    const port = ports.allocate(user(), ANY4);
    if (port < EPHEMERAL_MIN || port > EPHEMERAL_MAX) t.fail(`${port} is out of range`);
    if (port < (EPHEMERAL_MIN + EPHEMERAL_MAX) / 2) low++;
    seen.add(port);
  }
  t.ok(seen.size > 950, `${seen.size} different ones of 1,000`);
  t.ok(low > 430 && low < 570, `${low} in the lower half`);
  t.end();
});

t.test(
  'towards one peer ports follow each other, and peers tell nothing of each other (RFC 6056 §3.3.3)',
  (t) => {
    const local = ip('10.0.0.1');
    const first = (seed: number, peer: string): number =>
      new Ports(new Space(), rng(seed)).allocateFor(user(), local, ip(peer), 53);
    const ports = new Ports(new Space(), rng(3));
    const one = ports.allocateFor(user(), local, ip('10.0.0.9'), 53);
    const two = ports.allocateFor(user(), local, ip('10.0.0.9'), 53);
    const span = EPHEMERAL_MAX - EPHEMERAL_MIN + 1;
    t.equal((two - one + span) % span, 1);
    t.equal(one, first(3, '10.0.0.9'), 'the same secret gives the same port');
    t.not(one, first(4, '10.0.0.9'), 'another secret another');
    t.not(one, first(3, '10.0.0.8'), 'another peer another');
    t.end();
  },
);

t.test('skips taken ports and says when there is none (0)', (t) => {
  const space = new Space();
  const ports = new Ports(space, rng(1));
  for (let port = EPHEMERAL_MIN; port <= EPHEMERAL_MAX; port++) if (port !== 40_000) space.add(port, user());
  t.equal(ports.allocate(user(), ANY4), 40_000);
  t.equal(ports.allocateFor(user(), ip('10.0.0.1'), ip('10.0.0.9'), 53), 40_000);
  space.add(40_000, user());
  t.equal(ports.allocate(user(), ANY4), 0);
  t.end();
});
