/**
 * ARP: what is refused, answered, learnt and asked (RFC 826, RFC 1122 §2.3.2, RFC 5227).
 */
import t from 'tap';
import type { Ip } from '../../src/addr/ip.ts';
import { parseIp } from '../../src/addr/ip.ts';
import { Mac, ZERO_MAC } from '../../src/addr/mac.ts';
import { Drop } from '../../src/base/drop.ts';
import type { Rng } from '../../src/base/rng.ts';
import { ms, NEVER, sec } from '../../src/base/time.ts';
import { GC_THRESH1 } from '../../src/neighbor/table.ts';
import type { Packet } from '../../src/packet/packet.ts';
import * as arp from '../../src/wire/arp.ts';
import { Host, mac, OTHER_MAC, OWN, OWN_MAC, onHost, PEER, PEER_MAC, word } from './fixture.ts';

const REPLY = `02:00:00:00:00:01: ${OWN} is-at 02:00:00:00:00:02 for ${PEER} 02:00:00:00:00:01`;
const lladdr = (h: Host): string | undefined => h.table.find(0, 0, 0xffff, word(PEER))?.mac?.toString();
const OTHER = OTHER_MAC.toString();

// ---- requests (RFC 826, «Packet Reception»)

onHost(t, 'requests: for us: answered to who asks, who is learnt as stale', (t, h) => {
  h.receive();
  t.same(h.sent(), [REPLY]);
  t.same(h.list(), [`${PEER} dev tapstack0 lladdr 02:00:00:00:00:01 STALE`]);
  t.match(h.arp.counters, { requestsIn: 1, repliesOut: 1, learned: 1 });
});

onHost(
  t,
  'requests: for us, in a frame to us alone: answered as well (RFC 1122 §2.3.2.1 polls so)',
  (t, h) => {
    h.receive({ isBroadcast: false });
    t.same(h.sent(), [REPLY]);
  },
);

onHost(t, 'requests: for others: neither answered nor learnt', (t, h) => {
  h.receive({ target: '10.77.0.3' });
  t.same(h.sent(), []);
  t.equal(h.state(), 'absent');
  t.equal(h.dropped(Drop.ArpNotForUs), 1);
});

onHost(t, 'requests: for others by a known host: the merge rule updates its entry', (t, h) => {
  h.meet();
  h.pass(sec(1));
  h.receive({ target: '10.77.0.3', from: OTHER_MAC });
  t.equal(lladdr(h), OTHER);
  t.equal(h.state(), 'stale');
  t.same(h.sent(), []);
});

onHost(t, 'requests: answered even when no slot is free, and when the table has no room', (t, h) => {
  const taken = Array.from({ length: h.pool.capacity - 1 }, () => h.pool.take());
  h.receive();
  t.same(h.sent(), [REPLY]);
  for (const packet of taken) packet?.release();
});

onHost(
  t,
  'requests: for any address of the interface, and for no address of another one (arp_ignore 1)',
  (t, h) => {
    h.receive({ target: '192.0.2.2' });
    t.equal(h.sent().length, 1);
    h.receive({ target: '198.51.100.2' });
    t.equal(h.sent().length, 0);
  },
  { addresses: [OWN, '192.0.2.2'] },
);

onHost(t, 'requests: a probe is answered, and nothing is learnt from it (RFC 5227 §2.1)', (t, h) => {
  h.receive({ sender: '0.0.0.0' });
  t.same(h.sent(), [`02:00:00:00:00:01: ${OWN} is-at 02:00:00:00:00:02 for 0.0.0.0 02:00:00:00:00:01`]);
  t.equal(h.table.size, 0);
});

onHost(t, 'requests: what was on the wire after the packet is not sent back', (t, h) => {
  h.receive();
  t.same(h.sent(), [REPLY], 'the padding of 18 bytes is gone');
});

// ---- replies

onHost(t, 'replies: to a question of ours: reachable', (t, h) => {
  h.send();
  h.receive({ op: 'reply' });
  t.equal(h.state(), 'reachable');
});

onHost(
  t,
  'replies: to a question of ours, but to everyone: the address is taken, reachability is not',
  (t, h) => {
    h.send();
    h.receive({ op: 'reply', isBroadcast: true });
    t.equal(h.state(), 'delay');
    t.equal(h.sent().length, 2, 'what waited is sent');
  },
);

onHost(t, 'replies: that nobody asked for make no entry', (t, h) => {
  h.receive({ op: 'reply' });
  t.equal(h.table.size, 0);
  t.equal(h.dropped(Drop.ArpUnsolicited), 1);
});

onHost(t, 'replies: that nobody asked for change no entry', (t, h) => {
  h.meet();
  h.pass(sec(10));
  h.receive({ op: 'reply', from: OTHER_MAC });
  t.equal(h.dropped(Drop.ArpUnsolicited), 1);
  t.equal(lladdr(h), PEER_MAC.toString());
  t.equal(h.state(), 'reachable');
  h.pass(sec(60));
  h.receive({ op: 'reply' });
  t.equal(h.state(), 'stale', 'nor do they prove anything');
  t.equal(h.dropped(Drop.ArpUnsolicited), 1);
});

onHost(t, 'replies: to others', (t, h) => {
  h.meet();
  h.receive({ op: 'reply', target: '10.77.0.3', isBroadcast: true });
  t.equal(h.dropped(Drop.ArpNotForUs), 1);
});

onHost(t, 'replies: of two that answer the first one stays (locktime)', (t, h) => {
  h.meet();
  h.receive({ op: 'reply', from: OTHER_MAC });
  h.receive({ from: OTHER_MAC });
  h.receive({ from: OTHER_MAC, target: '10.77.0.3' });
  t.equal(lladdr(h), PEER_MAC.toString());
  t.equal(h.state(), 'reachable');
  t.equal(h.arp.counters.locked, 2);
  t.equal(h.sent().length, 1, 'the request is answered, though');
});

onHost(t, 'replies: to a question that went to the neighbour itself may tell a new address', (t, h) => {
  h.receive();
  h.send();
  h.pass(sec(5));
  t.equal(h.state(), 'probe');
  h.receive({ op: 'reply', from: OTHER_MAC });
  t.equal(h.state(), 'reachable');
  t.equal(lladdr(h), OTHER);
});

// ---- gratuitous ARP (RFC 5227 §3)

for (const op of ['request', 'reply'] as const) {
  const gratuitous = { op, target: PEER, from: OTHER_MAC, isBroadcast: true };

  onHost(t, `gratuitous ARP: as ${op}: makes no entry`, (t, h) => {
    h.receive(gratuitous);
    t.equal(h.table.size, 0);
    t.equal(h.dropped(op === 'reply' ? Drop.ArpUnsolicited : Drop.ArpNotForUs), 1);
  });

  onHost(
    t,
    `gratuitous ARP: as ${op}: moves a neighbour, but not within a second of its last answer`,
    (t, h) => {
      h.meet();
      h.pass(ms(999));
      h.receive(gratuitous);
      t.equal(h.state(), 'reachable');
      t.equal(lladdr(h), PEER_MAC.toString());
      t.equal(h.arp.counters.locked, 1);
      h.pass(ms(1));
      h.receive(gratuitous);
      t.equal(h.state(), 'stale');
      t.equal(lladdr(h), OTHER);
    },
  );

  onHost(t, `gratuitous ARP: as ${op}: heals a neighbour that failed`, (t, h) => {
    h.send();
    h.pass(sec(3));
    t.equal(h.state(), 'failed');
    h.receive(gratuitous);
    t.equal(h.state(), 'stale');
    h.refused();
  });
}

onHost(t, 'gratuitous ARP: by us', (t, h) => {
  h.arp.announce(h.now, word(OWN));
  t.same(h.sent(), [`all: who-has ${OWN} tell ${OWN} 02:00:00:00:00:02`]);
  t.equal(h.arp.counters.announcementsOut, 1);
});

// ---- senders that cannot be

const BAD_SENDERS = [
  ['a group', { from: mac('01:00:5e:00:00:01') }],
  ['broadcast', { from: mac('ff:ff:ff:ff:ff:ff') }],
  ['zero', { from: ZERO_MAC }],
  ['our own link address', { from: OWN_MAC }],
  ['a multicast IP address', { sender: '224.0.0.1' }],
  ['a loopback IP address', { sender: '127.0.0.1' }],
  ['the broadcast IP address', { sender: '255.255.255.255' }],
] as const;
for (const op of ['request', 'reply'] as const) {
  for (const [name, fields] of BAD_SENDERS) {
    onHost(t, `senders that cannot be: ${op} from ${name}`, (t, h) => {
      h.receive({ op, ...fields });
      t.equal(h.dropped(Drop.ArpSourceBad), 1);
      t.same(h.sent(), []);
      t.equal(h.table.size, 0);
    });
  }
}

onHost(
  t,
  'senders that cannot be: our own address, without a claim: refused and counted (RFC 5227 §2.4)',
  (t, h) => {
    h.receive({ sender: OWN });
    h.receive({ op: 'reply', sender: OWN, target: OWN });
    t.equal(h.dropped(Drop.ArpConflict), 2);
    t.equal(h.arp.counters.conflicts, 2);
    t.same(h.sent(), []);
    t.equal(h.table.size, 0);
  },
);

// ---- malformed packets are dropped by reason

const MALFORMED: readonly (readonly [name: string, reason: Drop, spoil: (packet: Packet) => void])[] = [
  ['truncated', Drop.ArpTruncated, (p) => (p.tail = p.l3 + 27)],
  ['hardware type', Drop.ArpHardwareType, (p) => p.view.setUint16(p.l3, 6)],
  ['protocol type', Drop.ArpProtocolType, (p) => p.view.setUint16(p.l3 + 2, 0x86dd)],
  ['hardware length', Drop.ArpLength, (p) => p.view.setUint8(p.l3 + 4, 8)],
  ['protocol length', Drop.ArpLength, (p) => p.view.setUint8(p.l3 + 5, 16)],
  ['operation 0', Drop.ArpOpcode, (p) => p.view.setUint16(p.l3 + 6, 0)],
  ['RARP', Drop.ArpOpcode, (p) => p.view.setUint16(p.l3 + 6, 3)],
];
for (const [name, reason, spoil] of MALFORMED) {
  onHost(t, `malformed: ${name}`, (t, h) => {
    const packet = h.pool.take() as Packet;
    packet.tail = arp.write(packet.view, packet.l3, 1, PEER_MAC, word(PEER), ZERO_MAC, word(OWN));
    spoil(packet);
    h.arp.handlePacket(h.now, packet);
    t.equal(h.dropped(reason), 1);
    t.same(h.sent(), []);
    t.equal(h.table.size, 0);
  });
}

// ---- the source of a question (RFC 1122 §3.3.4, arp_announce)

const addresses = [OWN, '192.0.2.2', '192.0.2.3'];
const teller = (h: Host): (string | undefined)[] => h.sent().map((frame) => frame.split(' ')[4]);

onHost(
  t,
  'the source of a question: is that of the packet, where it is ours',
  (t, h) => {
    h.send('192.0.2.9', 1, '192.0.2.3');
    t.same(teller(h), ['192.0.2.3']);
  },
  { addresses },
);

onHost(
  t,
  'the source of a question: is a primary one of the subnet for what is forwarded',
  (t, h) => {
    h.send('192.0.2.9', 1, '203.0.113.1');
    t.same(teller(h), ['192.0.2.2']);
  },
  { addresses },
);

onHost(
  t,
  'the source of a question: is a primary one of the subnet when nothing waits',
  (t, h) => {
    h.receive({ sender: '192.0.2.9', target: '192.0.2.3' });
    h.send('192.0.2.9', 1, '192.0.2.3');
    h.sent();
    h.pass(sec(5));
    t.same(teller(h), ['192.0.2.2']);
  },
  { addresses },
);

// ---- the link address of the interface may change

onHost(
  t,
  'the link address of the interface may change: frames carry the new one, and neighbours are told',
  (t, h) => {
    h.meet();
    h.mac = OTHER_MAC;
    h.table.handleLinkDown();
    h.arp.announce(h.now, word(OWN));
    t.same(h.sent(), [`all from ${OTHER_MAC}: who-has ${OWN} tell ${OWN} ${OTHER_MAC}`]);
  },
);

// ---- anything at all

/** One random thing that may happen to a host, on few enough addresses that things meet. */
function anything(h: Host, random: Rng): void {
  const address = `10.77.${random.below(4)}.${random.below(250) + 3}`;
  const from = new Mac(0x0200, random.below(4) + 1);
  const op = random.below(2) === 0 ? 'request' : 'reply';
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2:
      h.send(address, random.below(65_536));
      break;
    case 3:
    case 4:
      h.receive({ op, from, sender: address, isBroadcast: random.below(2) === 0 });
      break;
    case 5:
      h.receive({ op, from, sender: address, target: random.below(2) === 0 ? address : PEER });
      break;
    case 6:
      h.receive({ op, from, sender: random.below(2) === 0 ? '0.0.0.0' : OWN, target: OWN });
      break;
    case 7:
      h.confirm(address);
      break;
    case 8:
      h.table.delete(parseIp(address) as Ip);
      break;
    default:
      h.pass(ms(random.below(400)));
  }
}

for (const seed of [1, 2, 3]) {
  onHost(
    t,
    '20,000 random things leave everything accounted for',
    (t, h) => {
      const random = h.rng.fork('test');
      h.keepsText = false;
      h.arp.assume(h.now, word(OWN), 'insist');
      const states = new Set<string>();
      for (let i = 0; i < 20_000; i++) {
        anything(h, random);
        if (i % 500 === 499) for (const { state } of h.table.list(h.now)) states.add(state);
        if (random.below(1_000) === 0) h.table.flush();
        const { counters, pendingLength, size } = h.table;
        if (h.pool.available + pendingLength !== h.pool.capacity) t.fail(`step ${i}: a slot is nowhere`);
        if (counters.allocs - counters.destroys !== size) t.fail(`step ${i}: an entry is nowhere`);
      }
      t.equal(states.size, 6, `every state was seen: ${[...states]}`);
      t.equal(h.table.list(h.now).length, h.table.size);
      h.arp.unclaim(word(OWN));
      h.pass(sec(600));
      t.equal(h.table.pendingLength, 0, 'in time everything that waits is sent or refused');
      t.ok(h.table.size <= GC_THRESH1);
      t.equal(h.nextTimeout(), NEVER, 'and nothing is due');
      h.events();
    },
    { seed, slots: 256 },
  );

  onHost(
    t,
    'random bytes are counted, answered or ignored, and never kept',
    (t, h) => {
      const random = h.rng.fork('bytes');
      for (let i = 0; i < 5_000; i++) {
        const packet = h.pool.take() as Packet;
        packet.tail = packet.l3 + random.below(64);
        random.fill(packet.bytes, packet.l3, packet.tail);
        // Most of them with a true beginning, or nothing would get past the check.
        if (random.below(8) > 0) {
          packet.view.setInt32(packet.l3, 0x00010800);
          packet.view.setInt32(packet.l3 + 4, 0x06040000 | (random.below(2) + 1));
        }
        h.arp.handlePacket(h.now, packet);
      }
      t.equal(h.pool.available, h.pool.capacity);
      t.equal(h.table.size, 0, 'nobody asked for an address of ours');
      h.sent();
    },
    { seed },
  );
}
