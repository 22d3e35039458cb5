import t from 'tap';
import { Drop } from '../../src/base/drop.ts';
import { START } from '../../src/base/time.ts';
import type { HookFunction } from '../../src/filter/hook.ts';
import { ACCEPT, HookContext, HookPoint, HookPriority, Hooks, STOLEN } from '../../src/filter/hook.ts';
import { Drops } from '../../src/packet/drops.ts';
import type { Packet } from '../../src/packet/packet.ts';
import { Pool } from '../../src/packet/pool.ts';

function fixture(): { pool: Pool; drops: Drops; hooks: Hooks; context: HookContext; packet: Packet } {
  const pool = new Pool(2);
  const drops = new Drops();
  return { pool, drops, hooks: new Hooks(drops), context: new HookContext(), packet: pool.take() as Packet };
}

t.test('an empty point accepts and leaves the packet with its caller', (t) => {
  const { pool, hooks, context, packet } = fixture();
  for (const point of Object.values(HookPoint)) {
    t.equal(hooks.isActive(point), false);
    t.equal(hooks.run(point, START, packet, context), ACCEPT);
  }
  t.equal(packet.isFree, false);
  packet.release();
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test('hooks run by priority, equals in order of registration, each point for itself', (t) => {
  const { pool, hooks, context, packet } = fixture();
  const seen: string[] = [];
  const hook = (name: string): HookFunction => {
    return () => {
      seen.push(name);
      return ACCEPT;
    };
  };
  hooks.register(HookPoint.Input, HookPriority.Filter, hook('filter 1'));
  hooks.register(HookPoint.Input, HookPriority.Last, hook('last'));
  hooks.register(HookPoint.Input, HookPriority.Conntrack, hook('conntrack'));
  hooks.register(HookPoint.Input, HookPriority.Filter, hook('filter 2'));
  hooks.register(HookPoint.Output, HookPriority.Filter, hook('output'));
  t.equal(hooks.run(HookPoint.Input, START, packet, context), ACCEPT);
  t.strictSame(seen, ['conntrack', 'filter 1', 'filter 2', 'last']);
  packet.release();
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test(
  'a refused packet is dropped once, under the reason of the hook, and later hooks do not see it',
  (t) => {
    const { pool, drops, hooks, context, packet } = fixture();
    let later = 0;
    hooks.register(HookPoint.Forward, 0, (_now, _packet, ctx) => (ctx.iif === 7 ? Drop.HookDropped : ACCEPT));
    hooks.register(HookPoint.Forward, 1, () => {
      later++;
      return ACCEPT;
    });
    t.equal(hooks.run(HookPoint.Forward, START, packet, context), ACCEPT);
    t.equal(later, 1);
    context.iif = 7;
    t.equal(hooks.run(HookPoint.Forward, START, packet, context), Drop.HookDropped);
    t.equal(later, 1);
    t.equal(drops.counts[Drop.HookDropped], 1);
    t.equal(pool.available, pool.capacity);
    t.end();
  },
);

t.test('a stolen packet belongs to the hook', (t) => {
  const { pool, drops, hooks, context, packet } = fixture();
  const stolen: Packet[] = [];
  hooks.register(HookPoint.Prerouting, 0, (_now, taken) => {
    stolen.push(taken);
    return STOLEN;
  });
  t.equal(hooks.run(HookPoint.Prerouting, START, packet, context), STOLEN);
  t.equal(packet.isFree, false);
  t.strictSame(drops.status(), {});
  for (const taken of stolen) taken.release();
  t.equal(pool.available, pool.capacity);
  t.end();
});

t.test('a hook can be taken away, also from within a run', (t) => {
  const { pool, hooks, context, packet } = fixture();
  let calls = 0;
  const once: HookFunction = () => {
    calls++;
    t.equal(hooks.unregister(HookPoint.Output, once), true);
    return ACCEPT;
  };
  hooks.register(HookPoint.Output, 0, once);
  t.throws(() => hooks.register(HookPoint.Output, 0, once), /registered once/);
  hooks.register(HookPoint.Output, 1, () => {
    calls++;
    return ACCEPT;
  });
  hooks.run(HookPoint.Output, START, packet, context);
  t.equal(calls, 2);
  hooks.run(HookPoint.Output, START, packet, context);
  t.equal(calls, 3);
  t.equal(hooks.unregister(HookPoint.Output, once), false);
  packet.release();
  t.equal(pool.available, pool.capacity);
  t.end();
});
