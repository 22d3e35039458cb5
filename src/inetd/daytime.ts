/**
 * Daytime: RFC 867. Any datagram is answered with the time of day as a line of text.
 *
 *     Friday, November 20, 2026 14:51:26-UTC
 *
 * RFC 867 leaves the form open; this is the first of those it suggests. The time comes from a wall clock that is
 * handed in, since nothing here has one.
 */
import type { Instant } from '../base/time.ts';
import type { Packet } from '../packet/packet.ts';
import { GsoType } from '../packet/packet.ts';
import type { UdpSocket } from '../socket/udp-socket.ts';
import { payloadAt } from '../socket/udp-socket.ts';
import { SmallServer } from './small-server.ts';

export const DAYTIME_PORT = 13;

/** Milliseconds since 1970-01-01 00:00 UTC, leap seconds not counted. */
export type WallClock = (now: Instant) => number;

const DAYS = ['Thursday', 'Friday', 'Saturday', 'Sunday', 'Monday', 'Tuesday', 'Wednesday'] as const;
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

const SECONDS_OF_DAY = 86_400;
const LINE_MAX = 64;

export class DaytimeServer extends SmallServer {
  readonly name = 'daytime';
  readonly #wallClock: WallClock;
  /** The line of second `#second`, for all that ask in it. */
  readonly #line = new Uint8Array(LINE_MAX);
  #length = 0;
  #second = Number.NaN;

  constructor(socket: UdpSocket, wallClock: WallClock) {
    super(socket);
    this.#wallClock = wallClock;
  }

  protected handleDatagram(now: Instant, packet: Packet): void {
    if (!this.admit(packet)) {
      packet.release();
      return;
    }
    this.#refresh(now);
    // One answer to a super-datagram: what it was cut of came from one program in one call.
    packet.gsoType = GsoType.None;
    packet.gsoSize = 0;
    const at = payloadAt(packet);
    for (let i = 0; i < this.#length; i++) packet.bytes[at + i] = this.#line[i] as number;
    packet.tail = at + this.#length;
    this.answer(packet);
  }

  #refresh(now: Instant): void {
    const second = Math.floor(this.#wallClock(now) / 1_000);
    if (second === this.#second) return;
    this.#second = second;
    const text = `${formatDaytime(second)}\r\n`;
    for (let i = 0; i < text.length; i++) this.#line[i] = text.charCodeAt(i);
    this.#length = text.length;
  }
}

/** The line without its end, for a second of Unix time from 0 on. */
export function formatDaytime(second: number): string {
  const days = Math.floor(second / SECONDS_OF_DAY);
  const rest = second - days * SECONDS_OF_DAY;
  // The Gregorian calendar counted from 1 March of year 0: leap days come last in their year, so that month lengths
  // follow a line (Richards, Explanatory Supplement to the Astronomical Almanac, §15.11).
  const day = days + 719_468;
  const era = Math.floor(day / 146_097);
  const dayOfEra = day - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  const month = (marchMonth + 2) % 12;
  const year = era * 400 + yearOfEra + (month < 2 ? 1 : 0);
  const time = `${two(Math.floor(rest / 3_600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return `${DAYS[days % 7]}, ${MONTHS[month]} ${dayOfMonth}, ${year} ${time}-UTC`;
}

function two(n: number): string {
  return String(n).padStart(2, '0');
}
