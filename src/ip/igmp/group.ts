/**
 * One multicast group on one interface: who listens with which filter, what that comes to together (RFC 9776 §3.2),
 * and what is still to be told to the routers.
 *
 *     any exclude:  EXCLUDE (what all excludes have in common, less what some include asks for)
 *     otherwise:    INCLUDE (what the includes ask for together); nothing asked for is no membership
 */
import type { Instant } from '../../base/time.ts';
import { NEVER, START } from '../../base/time.ts';

export type FilterMode = 'include' | 'exclude';

/** What one listener wants. */
interface Filter {
  readonly mode: FilterMode;
  readonly sources: ReadonlySet<number>;
}

/** How many sources one listener may name (Linux: `igmp_max_msf` is 10; a report holds more). */
export const SOURCES_MAX = 64;
/** Sources of a group-and-source query that are remembered; beyond, it counts as asking for all. */
const QUERY_SOURCES_MAX = 64;

const NO_SOURCES: ReadonlySet<number> = new Set<number>();

export class IgmpGroup {
  readonly address: number;
  /** The merged state: RFC 9776 §3.2. */
  mode: FilterMode = 'include';
  sources: ReadonlySet<number> = NO_SOURCES;

  /** When the answer to a query is due; `asked` are the sources it was about, or null for the whole group. */
  answerAt: Instant = NEVER;
  asked: Set<number> | null = null;

  /** When the next unsolicited report is due: `START` for the first one, which is due at once. */
  changeAt: Instant = NEVER;
  /** How many reports are still to say that the filter mode, or the membership, has changed. */
  modeReports = 0;
  /** The same for single sources. */
  readonly sourceReports: Map<number, number> = new Map();

  /** RFC 2236 §3: we were the last to report, so that it is ours to leave. */
  isLastReporter = false;

  /** Listeners that take any source: ordinary joins. */
  #anySource = 0;
  readonly #filters = new Map<object, Filter>();

  constructor(address: number) {
    this.address = address;
  }

  /** Whether anything is received for this group. */
  get isMember(): boolean {
    return this.mode === 'exclude' || this.sources.size > 0;
  }

  /** Nobody listens and nothing is left to say. */
  get isIdle(): boolean {
    return !this.isMember && this.changeAt === NEVER && this.#anySource === 0;
  }

  accepts(source: number): boolean {
    return (this.mode === 'exclude') !== this.sources.has(source);
  }

  /** What one listener takes; an ordinary join is no listener. */
  listenerAccepts(listener: object, source: number): boolean {
    const filter = this.#filters.get(listener);
    return filter !== undefined && (filter.mode === 'exclude') !== filter.sources.has(source);
  }

  join(robustness: number): void {
    this.#anySource++;
    this.#merge(robustness);
  }

  /** False when there was no join to take back. */
  leave(robustness: number): boolean {
    if (this.#anySource === 0) return false;
    this.#anySource--;
    this.#merge(robustness);
    return true;
  }

  /** RFC 9776 §2: what a listener asks for replaces what it asked for before. */
  listen(listener: object, mode: FilterMode, sources: readonly number[], robustness: number): void {
    if (mode === 'include' && sources.length === 0) this.#filters.delete(listener);
    else this.#filters.set(listener, { mode, sources: new Set(sources) });
    this.#merge(robustness);
  }

  /** RFC 9776 §5.2: merges a query into what is still to be answered. Null asks for the whole group. */
  ask(at: Instant, sources: Set<number> | null): void {
    const isPending = this.answerAt !== NEVER;
    if (!isPending || at < this.answerAt) this.answerAt = at;
    if (sources === null || (isPending && this.asked === null)) {
      this.asked = null;
      return;
    }
    const asked = this.asked ?? new Set<number>();
    for (const source of sources) asked.add(source);
    this.asked = asked.size > QUERY_SOURCES_MAX ? null : asked;
  }

  answered(): void {
    this.answerAt = NEVER;
    this.asked = null;
  }

  /** RFC 9776 §7.2.1: forgets what is pending, but not a change that was never told. */
  cancel(): void {
    this.answered();
    if (this.changeAt !== START) this.told();
  }

  /** Nothing more is to be said about changes. */
  told(): void {
    this.changeAt = NEVER;
    this.modeReports = 0;
    this.sourceReports.clear();
  }

  /** RFC 9776 §3.2, and §5.1 for what the difference has to be told. */
  #merge(robustness: number): void {
    const before = this.sources;
    const modeBefore = this.mode;
    const filters = [...this.#filters.values()];
    const excludes = filters.filter((filter) => filter.mode === 'exclude').map((filter) => filter.sources);
    if (this.#anySource > 0) excludes.push(NO_SOURCES);
    const included = new Set(
      filters.flatMap((filter) => (filter.mode === 'include' ? [...filter.sources] : [])),
    );
    const [first, ...others] = excludes;
    if (first === undefined) {
      this.mode = 'include';
      this.sources = included;
    } else {
      this.mode = 'exclude';
      const common = [...first].filter((source) => others.every((other) => other.has(source)));
      this.sources = new Set(common.filter((source) => !included.has(source)));
    }
    if (this.mode !== modeBefore) {
      this.modeReports = robustness;
      this.sourceReports.clear();
      this.changeAt = START;
      return;
    }
    for (const source of new Set([...before, ...this.sources])) {
      if (before.has(source) === this.sources.has(source)) continue;
      this.changeAt = START;
      this.sourceReports.set(source, robustness);
    }
  }
}
