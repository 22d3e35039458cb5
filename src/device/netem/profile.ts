/**
 * What a bad link does to frames, in the vocabulary of tc-netem(8). Probabilities are fractions from 0 to 1, times
 * are durations, rates are bits per second.
 */
import type { Duration } from '../../base/time.ts';

/** An event per frame; `correlation` is that of each frame's outcome with the one before. */
export interface Chance {
  readonly probability: number;
  readonly correlation?: number;
}

/** Frames are lost each by itself, or in runs when correlated. */
export interface RandomLoss extends Chance {
  readonly model: 'random';
}

/**
 * Gilbert and Elliott: a good and a bad state, each with its own loss. The defaults are tc's: without `r` every
 * frame in the bad state but one is followed by a good one (`1 - p`), all is lost in the bad state and nothing in
 * the good one.
 */
export interface GilbertElliottLoss {
  readonly model: 'gilbert-elliott';
  /** From good to bad. */
  readonly p: number;
  /** From bad to good. The mean stay in the bad state is `1 / r` frames. */
  readonly r?: number;
  /** The loss in the bad state: tc's `1-h`. */
  readonly lossBad?: number;
  /** The loss in the good state: tc's `1-k`. */
  readonly lossGood?: number;
}

/**
 * The four states of tc's `loss state`: 1 gap, received; 2 burst, received; 3 burst, lost; 4 gap, a single loss.
 * Defaults: `p31` is `1 - p13`, `p32` 0, `p23` 1, `p14` 0.
 */
export interface FourStateLoss {
  readonly model: 'state';
  readonly p13: number;
  readonly p31?: number;
  readonly p32?: number;
  readonly p23?: number;
  readonly p14?: number;
}

export type LossModel = RandomLoss | GilbertElliottLoss | FourStateLoss;

/** Frames that skip the delay and so overtake others. */
export interface Reorder extends Chance {
  /** Only each `gap`-th frame may overtake; 1 unless given. */
  readonly gap?: number;
}

/** A link of limited speed, with a queue in front of it. */
export interface Rate {
  readonly bitsPerSecond: number;
  /** Added to each frame: preamble, gap and check sequence of Ethernet are 24. May be negative, as in tc. */
  readonly overheadBytes?: number;
  /** Frames that may wait for the link, the one being sent included. */
  readonly queueMaxPackets?: number;
  /** Bytes that may wait for the link; a frame that finds it idle is always taken. */
  readonly queueMaxBytes?: number;
}

/** How jitter is spread: evenly over ± `jitter`, or normally with `jitter` as the standard deviation. */
export type JitterDistribution = 'uniform' | 'normal';

export interface NetemProfile {
  readonly delay?: Duration;
  readonly jitter?: Duration;
  readonly distribution?: JitterDistribution;
  /** The correlation of each frame's jitter with that of the one before. */
  readonly delayCorrelation?: number;
  /** A number is random loss without correlation. */
  readonly loss?: number | LossModel;
  readonly duplicate?: number | Chance;
  /** One random bit is inverted. */
  readonly corrupt?: number | Chance;
  /** Without effect unless there is a delay to skip. */
  readonly reorder?: number | Reorder;
  readonly rate?: Rate;
  /** Frames that may be under way; 4,096 unless given. tc's 1,000 is less than a long fat link holds. */
  readonly limitPackets?: number;
}
