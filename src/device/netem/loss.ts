/**
 * The loss models of tc-netem(8), as machines of at most four states: after Gilbert (1960), Elliott (1963), and
 * Salsano, Ludovici, Ordine and Giannuzzi, "Definition of a general and intuitive loss model" (2012).
 */
import { unreachable } from '../../base/assert.ts';
import type { Rng } from '../../base/rng.ts';
import { Coin } from './chance.ts';
import type { FourStateLoss, GilbertElliottLoss, LossModel } from './profile.ts';

/** Asked once per frame, in order. */
export interface Loss {
  isLost(): boolean;
}

export function lossOf(model: number | LossModel | undefined, rng: Rng): Loss {
  if (model === undefined || typeof model === 'number') return new RandomLosses(new Coin(rng, model));
  switch (model.model) {
    case 'random':
      return new RandomLosses(new Coin(rng, model));
    case 'gilbert-elliott':
      return new GilbertElliott(model, rng);
    case 'state':
      return new FourState(model, rng);
    default:
      return unreachable(model);
  }
}

class RandomLosses implements Loss {
  readonly #coin: Coin;

  constructor(coin: Coin) {
    this.#coin = coin;
  }

  isLost(): boolean {
    return this.#coin.flip();
  }
}

/**
 *             p
 *     good ------> bad
 *          <------
 *             r
 */
class GilbertElliott implements Loss {
  readonly #rng: Rng;
  readonly #p: number;
  readonly #r: number;
  readonly #lossBad: number;
  readonly #lossGood: number;
  #isBad = false;

  constructor(model: GilbertElliottLoss, rng: Rng) {
    this.#rng = rng;
    this.#p = model.p;
    this.#r = model.r ?? 1 - model.p;
    this.#lossBad = model.lossBad ?? 1;
    this.#lossGood = model.lossGood ?? 0;
  }

  isLost(): boolean {
    // The frame meets the state it finds, and the state changes behind it: a stay lasts 1 / r frames in the mean.
    const loss = this.#isBad ? this.#lossBad : this.#lossGood;
    const isLost = this.#rng.unit() < loss;
    if (this.#rng.unit() < (this.#isBad ? this.#r : this.#p)) this.#isBad = !this.#isBad;
    return isLost;
  }
}

class FourState implements Loss {
  readonly #rng: Rng;
  readonly #p13: number;
  readonly #p31: number;
  readonly #p32: number;
  readonly #p23: number;
  readonly #p14: number;
  #state: 1 | 2 | 3 | 4 = 1;

  constructor(model: FourStateLoss, rng: Rng) {
    this.#rng = rng;
    this.#p13 = model.p13;
    this.#p31 = model.p31 ?? 1 - model.p13;
    this.#p32 = model.p32 ?? 0;
    this.#p23 = model.p23 ?? 1;
    this.#p14 = model.p14 ?? 0;
  }

  isLost(): boolean {
    this.#state = this.#next(this.#rng.unit());
    return this.#state >= 3;
  }

  #next(draw: number): 1 | 2 | 3 | 4 {
    switch (this.#state) {
      case 1:
        if (draw < this.#p14) return 4;
        return draw < this.#p14 + this.#p13 ? 3 : 1;
      case 2:
        return draw < this.#p23 ? 3 : 2;
      case 3:
        if (draw < this.#p32) return 2;
        return draw < this.#p32 + this.#p31 ? 1 : 3;
      case 4:
        return 1;
      default:
        return unreachable(this.#state);
    }
  }
}
