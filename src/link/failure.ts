/**
 * Why something about a real device could not be done: returned, not thrown, by everything in this folder.
 */
import { addonProblem } from './addon.ts';
import type { LinkAction } from './errno-text.ts';
import { errnoName, errnoNumber, explain } from './errno-text.ts';

/** Immutable. */
export class LinkFailure {
  /** Such as `EPERM`. */
  readonly code: string;
  /** The sentence for a person: what is missing, and how to get it. */
  readonly text: string;

  constructor(code: string, text: string) {
    this.code = code;
    this.text = text;
  }

  toString(): string {
    return `${this.text} (${this.code})`;
  }
}

/** From what the addon answered. */
export function failure(action: LinkAction, errno: number, subject: string): LinkFailure {
  return new LinkFailure(errnoName(errno), explain(action, errno, subject));
}

/** From a name, where no system call was needed to know. */
export function failureNamed(action: LinkAction, code: string, subject: string): LinkFailure {
  return failure(action, errnoNumber(code), subject);
}

export function noAddon(): LinkFailure {
  return new LinkFailure('ENOSYS', addonProblem());
}
