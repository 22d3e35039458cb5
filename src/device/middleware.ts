/**
 * A device that wraps a device: what is common to netem and monitor. Everything is the inner device's, and a
 * subclass changes what it is about.
 *
 * The wrapper is what a stack knows; name, index, state and counters are shared with the inner device, so that a
 * chain of them is one interface.
 */
import type { Mac } from '../addr/mac.ts';
import type { Drop } from '../base/drop.ts';
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import type { DeviceCounters, DeviceFeatures, FrameReceiver, Medium, NetDevice } from './net-device.ts';

export abstract class Middleware implements NetDevice, FrameReceiver {
  readonly inner: NetDevice;
  receiver: FrameReceiver | null = null;

  constructor(inner: NetDevice) {
    this.inner = inner;
    inner.receiver = this;
  }

  get name(): string {
    return this.inner.name;
  }
  get index(): number {
    return this.inner.index;
  }
  set index(index: number) {
    this.inner.index = index;
  }
  get medium(): Medium {
    return this.inner.medium;
  }
  get mac(): Mac | null {
    return this.inner.mac;
  }
  get mtu(): number {
    return this.inner.mtu;
  }
  set mtu(mtu: number) {
    this.inner.mtu = mtu;
  }
  get features(): DeviceFeatures {
    return this.inner.features;
  }
  get counters(): DeviceCounters {
    return this.inner.counters;
  }
  get isUp(): boolean {
    return this.inner.isUp;
  }
  set isUp(isUp: boolean) {
    this.inner.isUp = isUp;
  }

  get isStopped(): boolean {
    return this.inner.isStopped;
  }

  receive(now: Instant, budget: number): number {
    return this.inner.receive(now, budget);
  }
  /** The inner device received this. */
  abstract handleFrame(now: Instant, packet: Packet): void;

  transmit(now: Instant, packet: Packet): Drop {
    return this.inner.transmit(now, packet);
  }
  flush(now: Instant): void {
    this.inner.flush(now);
  }
  nextTimeout(): Instant {
    return this.inner.nextTimeout();
  }
  handleTimeout(now: Instant): void {
    this.inner.handleTimeout(now);
  }
  close(): void {
    this.inner.close();
  }
}
