/**
 * Events with a probability and a memory, and the spread of delays: everything that netem leaves to chance.
 *
 * Deviates from tc, whose correlation averages uniform numbers: that squeezes them towards the middle, so that 1 %
 * of correlated loss is no longer 1 %. Here the marginal distribution stays what was asked for. An event repeats the
 * previous draw with probability `correlation`, which makes that the correlation of neighbouring outcomes; a delay
 * is correlated in its normal deviate.
 */
import type { Rng } from '../../base/rng.ts';
import type { Chance, JitterDistribution, NetemProfile } from './profile.ts';

/** An event per frame. */
export class Coin {
  readonly #probability: number;
  readonly #correlation: number;
  readonly #rng: Rng;
  #last: number;

  constructor(rng: Rng, chance: number | Chance | undefined) {
    const spec = typeof chance === 'number' ? { probability: chance } : (chance ?? { probability: 0 });
    this.#rng = rng;
    this.#probability = spec.probability;
    this.#correlation = spec.correlation ?? 0;
    this.#last = rng.unit();
  }

  flip(): boolean {
    if (this.#probability <= 0) return false;
    if (this.#correlation === 0 || this.#rng.unit() >= this.#correlation) this.#last = this.#rng.unit();
    return this.#last < this.#probability;
  }
}

/** The delay of each frame: a constant, and jitter around it. */
export class DelaySpread {
  readonly #delay: number;
  readonly #jitter: number;
  readonly #distribution: JitterDistribution;
  readonly #correlation: number;
  readonly #rng: Rng;
  #deviate = 0;

  constructor(rng: Rng, profile: NetemProfile) {
    this.#rng = rng;
    this.#delay = profile.delay ?? 0;
    this.#jitter = profile.jitter ?? 0;
    this.#distribution = profile.distribution ?? 'uniform';
    this.#correlation = profile.delayCorrelation ?? 0;
    this.#deviate = normalDeviate(rng);
  }

  /** In whole microseconds, never negative. */
  draw(): number {
    if (this.#jitter === 0) return this.#delay;
    const offset = this.#distribution === 'normal' ? this.#nextDeviate() : this.#nextUniform();
    return Math.max(0, Math.round(this.#delay + this.#jitter * offset));
  }

  #nextDeviate(): number {
    const rho = this.#correlation;
    this.#deviate = rho * this.#deviate + Math.sqrt(1 - rho * rho) * normalDeviate(this.#rng);
    return this.#deviate;
  }

  /** From -1 to 1. */
  #nextUniform(): number {
    const u = this.#correlation === 0 ? this.#rng.unit() : normalCumulative(this.#nextDeviate());
    return 2 * u - 1;
  }
}

/** Box and Muller's method, one of its two. */
function normalDeviate(rng: Rng): number {
  const u = 1 - rng.unit();
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * rng.unit());
}

/** Abramowitz and Stegun 7.1.26: within 1.5e-7. */
function normalCumulative(x: number): number {
  const z = Math.abs(x) * Math.SQRT1_2;
  const t = 1 / (1 + 0.327_591_1 * z);
  const poly =
    t *
    (0.254_829_592 + t * (-0.284_496_736 + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
  const erf = 1 - poly * Math.exp(-z * z);
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}
