import t from 'tap';
import { rng } from '../../src/base/rng.ts';
import { ms, sec } from '../../src/base/time.ts';
import type { StateName } from '../../src/tcp/state.ts';
import { noise } from './bytes.ts';
import { FOREVER, pair } from './pair.ts';
import type { RawPeer, RawSegment } from './raw-peer.ts';
import { inState } from './raw-peer.ts';

const STATES: readonly StateName[] = [
  'LISTEN',
  'SYN-SENT',
  'SYN-RECEIVED',
  'ESTABLISHED',
  'FIN-WAIT-1',
  'FIN-WAIT-2',
  'CLOSE-WAIT',
  'CLOSING',
  'LAST-ACK',
  'TIME-WAIT',
];

/** A segment that is nearly right: numbers around what is expected, any flags, any options. */
function randomSegment(peer: RawPeer, chance: ReturnType<typeof rng>): RawSegment {
  const { socket } = peer;
  const tcb = socket === null || socket.isGone ? null : peer.end.tcp.shared.tcb.at(socket.id);
  const near = (): number => (chance.below(4) === 0 ? chance.u32() : chance.below(4000) - 1000);
  const next = tcb === null ? 0 : (tcb.rcvNxt - peer.iss) | 0;
  const una = tcb === null ? 0 : (tcb.sndUna - peer.irs) | 0;
  let flags = '';
  for (const letter of 'FSRPUEC')
    if (chance.below(letter === 'R' || letter === 'S' ? 12 : 4) === 0) flags += letter;
  if (chance.below(5) > 0) flags += 'A';
  const isExact = chance.below(2) === 0;
  return {
    flags,
    seq: isExact ? next : (next + near()) | 0,
    ack: chance.below(2) === 0 ? una : (una + near()) | 0,
    window: chance.below(4) === 0 ? 0 : chance.below(65_536),
    data: chance.below(2) === 0 ? 0 : chance.below(1500),
    urgentPointer: chance.below(65_536),
    tos: chance.below(4),
    mss: chance.below(3) * 500,
    ...(chance.below(3) === 0 ? { ts: [chance.u32(), chance.u32()] as const } : {}),
    ...(chance.below(3) === 0
      ? { sack: [[una + near(), una + near()] as const, [una, una + 10] as const] }
      : {}),
  };
}

/** What holds whatever arrives. */
function checkInvariants(peer: RawPeer): string | null {
  const { socket } = peer;
  if (socket === null || socket.isGone) return null;
  const { shared } = peer.end.tcp;
  const tcb = shared.tcb.at(socket.id);
  if (((tcb.sndNxt - tcb.sndUna) | 0) < 0) return 'sndUna passed sndNxt';
  if (((tcb.sndNxt - tcb.sndEnd) | 0) > 1) return 'sent more than there is';
  if (((tcb.rcvNxt - tcb.rcvRead) | 0) < 0) return 'read more than arrived';
  if (shared.receiveBuffer.readable(tcb) > tcb.rcvLimit + 70_000) return 'more than the buffer';
  return null;
}

t.test('whatever arrives, in any state, nothing breaks and nothing stays', async (t) => {
  for (const state of STATES) {
    for (let seed = 1; seed <= 12; seed++) {
      const chance = rng(seed * 100 + STATES.indexOf(state));
      const peer = inState(state, { config: { timestamps: seed % 2 === 0 } });
      const { socket } = peer;
      let wrong: string | null = null;
      for (let i = 0; i < 150 && wrong === null; i++) {
        peer.say(randomSegment(peer, chance));
        if (chance.below(10) === 0) peer.net.wait(ms(chance.below(3000)));
        if (socket !== null && !socket.isGone) {
          if (chance.below(8) === 0) socket.send(noise(chance.below(5000)));
          if (chance.below(8) === 0) socket.read(chance.below(3000));
          if (chance.below(100) === 0) socket.shutdown();
        }
        wrong = checkInvariants(peer);
      }
      if (socket !== null && !socket.isGone) socket.close();
      peer.end.tcp.connections.closeListener(peer.end.listener!);
      peer.net.wait(FOREVER);
      const left = peer.end.leftovers();
      t.same([wrong, left], [null, []], `${state}, seed ${seed}`);
    }
  }
});

t.test('few slots and full queues slow it down, no more', async (t) => {
  const net = pair({ delay: ms(2), slots: 6, gso: 10_000, loss: 0.01, seed: 4 });
  const [client, server] = net.connect();
  client.closesAtEnd = true;
  server.closesAtEnd = true;
  client.send(noise(300_000), true);
  server.send(noise(200_000, 2), true);
  for (let i = 0; i < 40; i++) {
    net.a.hasRoom = i % 2 === 0;
    net.drive(ms(20));
  }
  net.a.hasRoom = true;
  net.drive(sec(1000));
  t.ok(Buffer.from(server.bytes).equals(noise(300_000)));
  t.ok(Buffer.from(client.bytes).equals(noise(200_000, 2)));
  t.same([...net.a.leftovers(), ...net.b.leftovers()], []);
});
