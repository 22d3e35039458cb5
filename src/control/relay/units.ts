/**
 * Times, shares and rates as tc(8) writes them, and the events of tc-netem(8) made of them.
 *
 * Stricter than tc, in which a number without a unit is a microsecond here, a percentage there and bytes elsewhere:
 * here a unit is never left out.
 */
import type { Duration } from '../../base/time.ts';
import { ms, sec, us } from '../../base/time.ts';
import type { Type } from '../schema.ts';
import { textType } from '../schema.ts';
import type { Chance, GilbertElliottLoss } from './config.ts';

/** Longer than any link; and the clock of a day keeps its microseconds. */
const DURATION_MAX = sec(3_600);
/** Of a link that a process can still be: beyond it, leave the rate out. */
const RATE_MAX = 1e12;

const NUMBER = '(\\d{1,12}(?:\\.\\d{1,12})?)';
const TIME = new RegExp(`^${NUMBER}(us|ms|s)$`);
const SHARE = new RegExp(`^${NUMBER}%$`);
const RATE = new RegExp(`^${NUMBER}([kmgt]?)bit$`, 'i');
const UNITS: Readonly<Record<string, (n: number) => Duration>> = { us, ms, s: sec };
const MULTIPLES: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };

export const duration: Type<Duration> = textType(
  'TIME',
  parseDuration,
  'is no time up to an hour; write one such as 20ms, 1.5s or 500us',
);

export const chance: Type<Chance> = textType(
  'PERCENT[,CORRELATION]',
  (text) => {
    const [probability, correlation, ...rest] = parseShares(text);
    if (probability === undefined || rest.length > 0) return null;
    return correlation === undefined ? { probability } : { probability, correlation };
  },
  'is no share; write one such as 1%, or 1%,25% where neighbours are alike',
);

/** As netem's `gemodel p [r [1-h [1-k]]]`. */
export const gilbertElliott: Type<GilbertElliottLoss> = textType(
  'P[,R[,BAD[,GOOD]]]',
  (text) => {
    const [p, r, lossBad, lossGood, ...rest] = parseShares(text);
    if (p === undefined || rest.length > 0) return null;
    return {
      model: 'gilbert-elliott',
      p,
      ...(r === undefined ? {} : { r }),
      ...(lossBad === undefined ? {} : { lossBad }),
      ...(lossGood === undefined ? {} : { lossGood }),
    };
  },
  'is no list of one to four shares; write one such as 1%,30%',
);

/** Bits per second. */
export const rate: Type<number> = textType(
  'RATE',
  (text) => {
    const [, number, multiple = ''] = RATE.exec(text) ?? [];
    const bits = Number(number) * (MULTIPLES[multiple.toLowerCase()] ?? Number.NaN);
    return bits >= 1 && bits <= RATE_MAX ? bits : null;
  },
  'is no rate up to 1tbit; write one such as 100mbit',
);

function parseDuration(text: string): Duration | null {
  const [, number, unit] = TIME.exec(text) ?? [];
  if (number === undefined) return null;
  const toDuration = UNITS[unit ?? ''] ?? us;
  const value = Math.round(toDuration(Number(number))) as Duration;
  return value <= DURATION_MAX ? value : null;
}

/** Fractions of one, or nothing when one of them is no share. */
function parseShares(text: string): number[] {
  const shares = text.split(',').map((part) => Number(SHARE.exec(part)?.[1]) / 100);
  return shares.every((share) => share <= 1) ? shares : [];
}
