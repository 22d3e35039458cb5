/** What is asked of chance, in words. */
import type { Rng } from '../base/rng.ts';

export const oneOf = <T>(rng: Rng, list: readonly T[]): T => list[rng.below(list.length)] as T;
export const chance = (rng: Rng, probability: number): boolean => rng.unit() < probability;
