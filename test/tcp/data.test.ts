import { createHash } from 'node:crypto';
import t from 'tap';
import { ms } from '../../src/base/time.ts';
import { noise } from './bytes.ts';
import type { PairOptions } from './pair.ts';
import { FOREVER, pair } from './pair.ts';

const hash = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('hex');

/** Both send `length` bytes, then FIN; answers what is wrong. */
function transfer(options: PairOptions, length: number): string[] {
  const net = pair(options);
  net.isRecording = false;
  const [client, server] = net.connect();
  const up = noise(length, 2);
  const down = noise(length + 777, 3);
  for (const socket of [client, server]) socket.closesAtEnd = true;
  client.send(up, true);
  server.send(down, true);
  net.drive(FOREVER);
  const wrong: string[] = [];
  if (hash(server.bytes) !== hash(up))
    wrong.push(`up: ${server.receivedBytes} of ${up.length}, ${server.error}`);
  if (hash(client.bytes) !== hash(down))
    wrong.push(`down: ${client.receivedBytes} of ${down.length}, ${client.error}`);
  return [...wrong, ...net.a.leftovers(), ...net.b.leftovers()];
}

t.test('data arrive as they were sent (RFC 9293 §3.7)', async (t) => {
  t.same(transfer({ delay: ms(10) }, 1), [], 'one byte');
  t.same(transfer({ delay: ms(10) }, 300_000), [], 'many segments');
  t.same(transfer({ delay: ms(10), gso: 65_000 }, 3_000_000), [], 'super-segments, cut on the way');
  t.same(transfer({ delay: ms(1), gso: 65_000, keepWhole: true }, 5_000_000), [], 'super-segments, whole');
});

t.test('whatever the network does (random transfers)', async (t) => {
  for (const loss of [0, 0.01, 0.03, 0.1]) {
    for (const gso of [0, 20_000]) {
      const options = {
        delay: ms(20),
        loss,
        duplicate: loss,
        reorder: loss,
        gso,
        seed: Math.round(loss * 100) + gso,
      };
      t.same(
        transfer(options, loss > 0.05 ? 60_000 : 200_000),
        [],
        `loss ${loss}, gso ${gso}, seed ${options.seed}`,
      );
    }
  }
});
