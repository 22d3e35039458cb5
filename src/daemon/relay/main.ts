/**
 * `tapstack relay`: from flags to two joined devices, and from a signal to nothing left.
 */
import process from 'node:process';
import { Mac } from '../../addr/mac.ts';
import { rng } from '../../base/rng.ts';
import type { RelayConfig, RelayEnd } from '../../control/relay/config.ts';
import type { LinkDriver } from '../../device/link-driver.ts';
import type { NetemCounters } from '../../device/netem/lane.ts';
import { errnoName } from '../../link/errno-text.ts';
import { LinkFailure } from '../../link/failure.ts';
import { setMtu, setQueueLength, setUp } from '../../link/host-config.ts';
import { inNetns } from '../../link/netns.ts';
import { openPacketSocket } from '../../link/packet-socket.ts';
import { dropPrivileges, resolveUser } from '../../link/privilege.ts';
import { openTunTap } from '../../link/tun-tap.ts';
import { Drops } from '../../packet/drops.ts';
import { monotonicClock, systemRng } from '../clock.ts';
import { Relay } from './relay.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** What is lost is to be lost by the link: the kernel's queue in front of a device that we made holds any burst. */
const QUEUE_LENGTH = 10_000;
/** Of no station: a relay has no address, and its devices want one. */
const NO_MAC = new Mac(0x0200, 0);

/** Runs until it is told to end; answers what it did, or why it could not go on. */
export async function runRelay(
  config: RelayConfig,
  onReady: (text: string) => void,
): Promise<string | LinkFailure> {
  const drops = new Drops();
  const links = openEnds(config, drops);
  if (links instanceof LinkFailure) return links;
  const [first, second] = links;
  const { there, back, seed } = config;
  const chance = seed === null ? systemRng() : rng(seed);
  const relay = new Relay(first, second, { rng: chance, clock: monotonicClock, there, back, drops });
  const refused = becomeUser(config.user) ?? relay.start();
  if (refused !== null) {
    relay.close();
    return refused;
  }
  onReady(`${first.name} and ${second.name} are joined\n`);
  const lost = await ending(relay);
  relay.close();
  if (lost !== null) return lost;
  const { counters } = relay;
  return report(first.name, second.name, counters.there) + report(second.name, first.name, counters.back);
}

/** Of a signal: null; of a device that went away: that. */
function ending(relay: Relay): Promise<LinkFailure | null> {
  return new Promise((resolve) => {
    const end = (failure: LinkFailure | null): void => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      resolve(failure);
    };
    const onSignal = (): void => end(null);
    for (const signal of SIGNALS) process.on(signal, onSignal);
    relay.onLost = (device, errno): void =>
      end(new LinkFailure('ENODEV', `${device}: the device was deleted (${errnoName(errno)}).`));
  });
}

function openEnds(config: RelayConfig, drops: Drops): readonly [LinkDriver, LinkDriver] | LinkFailure {
  const [first, second] = config.ends;
  const one = openEnd(first, config.mtu, drops);
  if (one instanceof LinkFailure) return one;
  const other = openEnd(second, config.mtu, drops);
  if (!(other instanceof LinkFailure) && one.medium === other.medium) return [one, other];
  one.close();
  if (other instanceof LinkFailure) return other;
  other.close();
  return new LinkFailure(
    'EMEDIUMTYPE',
    `${one.name} and ${other.name} cannot be joined: one carries frames and the other IP packets.`,
  );
}

/** Without offload: what is delayed, lost or damaged is to be what a wire carries, not a super-segment. */
function openEnd(end: RelayEnd, mtu: number, drops: Drops): LinkDriver | LinkFailure {
  const { kind, device } = end;
  const netns = end.netns ?? undefined;
  if (kind === 'if')
    return openPacketSocket({ interfaceName: device, netns, promiscuous: true, offload: false, drops });
  const link = openTunTap({ mode: kind, name: device, mac: NO_MAC, netns, mtu, offload: false, drops });
  if (link instanceof LinkFailure) return link;
  const refused = inNetns(
    end.netns,
    () => setMtu(link.name, mtu) ?? setQueueLength(link.name, QUEUE_LENGTH) ?? setUp(link.name, true),
  );
  if (refused === null) return link;
  link.close();
  return refused;
}

function becomeUser(name: string | null): LinkFailure | null {
  if (name === null || name === 'root') return null;
  const user = resolveUser(name);
  return user instanceof LinkFailure ? user : dropPrivileges(user);
}

function report(from: string, to: string, counters: NetemCounters): string {
  const { offered, delivered, lost, duplicated, corrupted, reordered, rateDropped, limitDropped } = counters;
  const words = [
    `${offered} frames`,
    `${delivered} delivered`,
    `${lost} lost`,
    `${duplicated} duplicated`,
    `${corrupted} corrupted`,
    `${reordered} reordered`,
    `${rateDropped + limitDropped} dropped from full queues`,
  ];
  return `${from} to ${to}: ${words.join(', ')}\n`;
}
