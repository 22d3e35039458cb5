/**
 * A network device over a link driver: what turns `readBatch` and `writeBatch` into `receive` and `transmit`.
 *
 *     receive:   driver.readBatch -> batch -> receiver, one by one
 *     transmit:  queue -> flush -> driver.writeBatch -> release
 *
 * What the link does not take at once stays in the queue, in order, and is tried again at the next flush, or after
 * `RETRY` when nothing else flushes. The arrays are made once; a frame costs no allocation.
 */
import type { Mac } from '../addr/mac.ts';
import { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import { after, earliest, NEVER, us } from '../base/time.ts';
import type { Drops } from '../packet/drops.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType, PacketFlag } from '../packet/packet.ts';
import type { Pool } from '../packet/pool.ts';
import type { LinkDriver } from './link-driver.ts';
import type { DeviceCounters, DeviceFeatures, FrameReceiver, Medium, NetDevice } from './net-device.ts';
import { deviceCounters } from './net-device.ts';
import { admit, completeChecksum } from './offload.ts';

/** 32 to 64 frames per batch are enough; more only walks through more memory. */
const BATCH_FRAMES = 64;
/** Four batches: what one turn may make before the link is written to. */
const QUEUE_MAX_FRAMES = 256;
/**
 * Frames of this size and below leave with their checksum whole even where the link would complete it. It costs 10 ns
 * for a short one and 200 ns for a full one, a tenth of what handing it over costs, and a capture on the other side,
 * which otherwise calls each of them bad, is worth that. What is larger left segmentation to the link anyhow.
 */
const WHOLE_MAX_BYTES = 1_536;
/** A link that was full is tried again after the time in which 1 Gbit/s carries some 80 full frames. */
const RETRY = us(1_000);

// Linux errno numbers that speak of the link, not of the one frame: trying the next frame would be of no use.
const EIO = 5;
const ENXIO = 6;
const EBADF = 9;
const ENODEV = 19;
const EBADFD = 77;
const ENETDOWN = 100;

export interface NicOptions {
  readonly batchFrames?: number;
  readonly queueMaxFrames?: number;
}

export class Nic implements NetDevice {
  readonly name: string;
  index = 0;
  readonly medium: Medium;
  readonly mac: Mac | null;
  mtu: number;
  readonly features: DeviceFeatures;
  readonly counters: DeviceCounters = deviceCounters();
  isUp = true;
  receiver: FrameReceiver | null = null;
  readonly driver: LinkDriver;
  /** The last error of the link itself, as a positive errno; 0 when the last transfer went well. */
  linkErrno = 0;

  readonly #pool: Pool;
  readonly #drops: Drops;
  readonly #batch: Packet[];
  readonly #queue: Packet[];
  #queued = 0;
  #retryAt: Instant = NEVER;

  constructor(driver: LinkDriver, pool: Pool, drops: Drops, options: NicOptions = {}) {
    this.driver = driver;
    this.name = driver.name;
    this.medium = driver.medium;
    this.mac = driver.mac;
    this.mtu = driver.mtu;
    this.features = driver.features;
    this.#pool = pool;
    this.#drops = drops;
    this.#batch = new Array<Packet>(options.batchFrames ?? BATCH_FRAMES);
    this.#queue = new Array<Packet>(options.queueMaxFrames ?? QUEUE_MAX_FRAMES);
  }

  get isStopped(): boolean {
    return this.#queued === this.#queue.length && this.#retryAt !== NEVER;
  }

  receive(now: Instant, budget: number): number {
    let read = 0;
    let handed = 0;
    while (read < budget) {
      const want = Math.min(budget - read, this.#batch.length);
      const count = this.driver.readBatch(this.#pool, this.#batch, want);
      if (count < 0) {
        this.linkErrno = -count;
        this.counters.rxErrors++;
        break;
      }
      for (let i = 0; i < count; i++) handed += this.#deliver(now, this.#batch[i] as Packet);
      read += count;
      if (count < want) break;
    }
    return handed;
  }

  transmit(now: Instant, packet: Packet): Drop {
    const refusal = admit(this, packet);
    if (refusal !== Drop.None) return this.#dropOut(packet, refusal);
    // A field that is not in the frame is the link's to refuse, as it is for larger frames.
    if (isToBeWhole(packet)) completeChecksum(packet);
    if (this.#queued === this.#queue.length) return this.#dropOut(packet, Drop.LinkQueueFull);
    this.#queue[this.#queued++] = packet;
    // At once, so that whoever asks `isStopped` next knows; but while the link is known to be full, a frame must not
    // cost a system call to find that out again.
    if (this.#queued === this.#queue.length && this.#retryAt === NEVER) this.flush(now);
    return Drop.None;
  }

  flush(now: Instant): void {
    this.#retryAt = NEVER;
    if (!this.isUp) this.#dropQueue();
    while (this.#queued > 0) {
      const count = this.driver.writeBatch(this.#queue, this.#queued);
      if (count === 0) {
        this.#retryAt = after(now, RETRY);
        return;
      }
      if (count > 0) {
        this.linkErrno = 0;
        this.#releaseSent(count);
      } else {
        this.#handleRefusal(-count);
      }
    }
  }

  nextTimeout(): Instant {
    if (this.driver.fd !== -1 || this.driver.nextTimeout === undefined) return this.#retryAt;
    return earliest(this.#retryAt, this.driver.nextTimeout());
  }

  handleTimeout(now: Instant): void {
    if (this.#retryAt <= now) this.flush(now);
  }

  close(): void {
    this.isUp = false;
    this.#dropQueue();
    this.driver.close();
  }

  #deliver(now: Instant, packet: Packet): number {
    // A link that is down is read all the same: a descriptor that stays readable would wake the loop for ever.
    if (!this.isUp || this.receiver === null) {
      this.counters.rxDropped++;
      this.#drops.drop(packet, this.isUp ? Drop.NoReceiver : Drop.LinkDown);
      return 0;
    }
    this.counters.rxPackets++;
    this.counters.rxBytes += packet.length;
    packet.device = this.index;
    packet.receivedAt = now;
    this.receiver.handleFrame(now, packet);
    return 1;
  }

  #releaseSent(count: number): void {
    for (let i = 0; i < count; i++) {
      const packet = this.#queue[i] as Packet;
      this.counters.txPackets++;
      this.counters.txBytes += packet.length;
      packet.release();
    }
    this.#shift(count);
  }

  #handleRefusal(errno: number): void {
    this.counters.txErrors++;
    this.linkErrno = errno;
    if (isLinkError(errno)) {
      this.#dropQueue();
      return;
    }
    this.#dropOut(this.#queue[0] as Packet, Drop.LinkWriteFailed);
    this.#shift(1);
  }

  #shift(count: number): void {
    for (let i = count; i < this.#queued; i++) this.#queue[i - count] = this.#queue[i] as Packet;
    this.#queued -= count;
  }

  #dropQueue(): void {
    const count = this.#queued;
    this.#queued = 0;
    this.#retryAt = NEVER;
    for (let i = 0; i < count; i++) this.#dropOut(this.#queue[i] as Packet, Drop.LinkDown);
  }

  #dropOut(packet: Packet, reason: Drop): Drop {
    this.counters.txDropped++;
    return this.#drops.drop(packet, reason);
  }
}

function isToBeWhole(packet: Packet): boolean {
  if ((packet.flags & PacketFlag.ChecksumPartial) === 0 || packet.gsoType !== GsoType.None) return false;
  return packet.length <= WHOLE_MAX_BYTES;
}

/** A tap whose host side is down answers EIO to every write, a packet socket ENETDOWN; a removed device the others. */
function isLinkError(errno: number): boolean {
  switch (errno) {
    case EIO:
    case ENXIO:
    case EBADF:
    case ENODEV:
    case EBADFD:
    case ENETDOWN:
      return true;
    default:
      return false;
  }
}
