import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import type { Instant } from '../../src/base/time.ts';
import { Metrics, snakeCase } from '../../src/observe/metrics.ts';
import { TextTrace } from '../../src/observe/trace.ts';
import { Pool } from '../../src/packet/pool.ts';
import { udpFrame } from '../device/frames.ts';

t.test('counters become Prometheus text by their names', (t) => {
  const metrics = new Metrics();
  metrics.add(
    'ip',
    () => ({ inReceives: 3, note: 'no number', fragments: { inOk: 1, queueLength: 4 } }),
    {},
    ['queueLength'],
  );
  metrics.add('device', () => ({ rxPackets: 1 }), { device: 'tap0' });
  metrics.add('device', () => ({ rxPackets: 2 }), { device: 'we"ird\\\n' });
  metrics.addFamily('drops', 'reason', () => ({ NoRoute: 2, TtlExceeded: 1 }));
  t.equal(
    metrics.toPrometheus(),
    [
      '# TYPE tapstack_ip_in_receives_total counter',
      'tapstack_ip_in_receives_total 3',
      '# TYPE tapstack_ip_fragments_in_ok_total counter',
      'tapstack_ip_fragments_in_ok_total 1',
      '# TYPE tapstack_ip_fragments_queue_length gauge',
      'tapstack_ip_fragments_queue_length 4',
      '# TYPE tapstack_device_rx_packets_total counter',
      'tapstack_device_rx_packets_total{device="tap0"} 1',
      'tapstack_device_rx_packets_total{device="we\\"ird\\\\\\n"} 2',
      '# TYPE tapstack_drops_total counter',
      'tapstack_drops_total{reason="NoRoute"} 2',
      'tapstack_drops_total{reason="TtlExceeded"} 1',
      '',
    ].join('\n'),
  );
  t.end();
});

t.test('counters become JSON, and a source may go', (t) => {
  const metrics = new Metrics();
  const counters = { rxPackets: 1 };
  const tap0 = (): object => counters;
  const loop: Record<string, unknown> = { n: 1 };
  loop['self'] = loop;
  metrics.add('ip', () => ({ inReceives: 3, fragments: { inOk: 1 }, text: 'x' }));
  metrics.add('device', tap0, { device: 'tap0' });
  metrics.add('device', () => ({ rxPackets: 2 }), { device: 'tap1' });
  t.same(metrics.toJson(), {
    ip: { inReceives: 3, fragments: { inOk: 1 } },
    device: [
      { device: 'tap0', rxPackets: 1 },
      { device: 'tap1', rxPackets: 2 },
    ],
  });
  metrics.remove(tap0);
  t.same(metrics.toJson()['device'], [{ device: 'tap1', rxPackets: 2 }]);
  metrics.add('loop', () => loop);
  t.ok(metrics.toPrometheus().length > 0, 'objects that hold themselves end somewhere');
  t.end();
});

t.test('names are turned from camelCase', (t) => {
  for (const [name, wanted] of [
    ['inReceives', 'in_receives'],
    ['rtoMs', 'rto_ms'],
    ['icmp4', 'icmp4'],
    ['tap0.5', 'tap0_5'],
  ] as const) {
    t.equal(snakeCase(name), wanted);
  }
  t.end();
});

t.test('a trace says time, interface, direction, frame and drop', (t) => {
  const lines: string[] = [];
  const trace = new TextTrace((line) => void lines.push(line));
  const id = trace.addInterface({ name: 'tap0', medium: 'ethernet' });
  const frame = udpFrame(new Pool(1), 'ethernet', 60);
  const ticket = trace.peekFrame(1_500 as Instant, id, frame, 'in');
  trace.noteDrop(ticket, Drop.UdpNoPort);
  t.equal(trace.peekFrame(1_500 as Instant, 9, frame, 'in'), -1);
  t.match(lines, [
    /^0\.001500 tap0 in {2}IP 10\.77\.0\.1\.1000 > 10\.77\.0\.2\.7: UDP/,
    /^0\.001500 tap0 in {2}dropped: UdpNoPort$/,
  ]);
  t.end();
});
