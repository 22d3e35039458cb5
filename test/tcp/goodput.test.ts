import t from 'tap';
import { ms, sec } from '../../src/base/time.ts';
import type { CongestionName } from '../../src/tcp/congestion/control.ts';
import { pair } from './pair.ts';

// Whole connections over a bottleneck of 20 Mbit/s with a buffer of one round trip (32 KB at least), in
// virtual time.
const RATE = 20e6;
const SECONDS = 4;
const LOSSES = [0, 0.001, 0.01, 0.03];
const RTTS_MS = [1, 20, 100];
const CONTROLS: readonly CongestionName[] = ['reno', 'cubic', 'bbr'];

/** Mbit/s of data that arrive. */
function goodput(congestion: CongestionName, loss: number, rttMs: number): number {
  const bytesPerSecond = RATE / 8;
  const net = pair({
    delay: ms(rttMs / 2),
    loss,
    seed: 11,
    gso: 64_000,
    bytesPerSecond,
    queueBytes: Math.max(32_000, (bytesPerSecond * rttMs) / 1_000),
    a: { congestionControl: congestion },
  });
  net.isRecording = false;
  const [client, server] = net.connect();
  client.send(new Uint8Array((RATE / 8) * (SECONDS + 1)));
  net.wait(sec(SECONDS));
  return (server.receivedBytes * 8) / SECONDS / 1e6;
}

/**
 * Mbit/s at 1, 20 and 100 ms. A change of more than a tenth is to be understood, and then written down here.
 */
const TABLE = `
reno  0.0 %   19.3  19.1  17.5
reno  0.1 %   19.3  17.6  12.8
reno  1.0 %   19.2   7.4   4.2
reno  3.0 %   17.8   3.8   0.8
cubic 0.0 %   19.3  19.1  17.5
cubic 0.1 %   19.3  19.1  17.5
cubic 1.0 %   19.3   8.9   6.0
cubic 3.0 %   19.3   4.5   1.4
bbr   0.0 %   19.3  18.6  16.8
bbr   0.1 %   19.3  18.4  16.6
bbr   1.0 %   19.3  17.7  15.7
bbr   3.0 %   19.3  15.4  14.8
`;

t.test('goodput by loss and round trip, through whole connections, is what it was', async (t) => {
  const measured: string[] = [];
  for (const congestion of CONTROLS) {
    for (const loss of LOSSES) {
      const cells = RTTS_MS.map((rttMs) => goodput(congestion, loss, rttMs).toFixed(1).padStart(6));
      measured.push(`${congestion.padEnd(5)} ${(loss * 100).toFixed(1)} % ${cells.join('')}`);
    }
  }
  const wanted = TABLE.trim().split('\n');
  for (const [row, line] of measured.entries()) {
    const is = line.split(/ +/).slice(3).map(Number);
    const was = (wanted[row] ?? '').split(/ +/).slice(3).map(Number);
    const isSame = is.every((rate, i) => Math.abs(rate - (was[i] ?? 0)) <= 0.1 * rate + 0.1);
    t.ok(isSame, `${line}; was ${wanted[row]}`);
  }
});
