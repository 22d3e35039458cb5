/**
 * Counters of plain objects, walked by name into JSON and into the text format of Prometheus (version 0.0.4).
 *
 *     metrics.add('ip', () => stack.ip.counters);            tapstack_ip_in_receives_total 17
 *     metrics.add('device', () => nic.counters, { device: 'tap0' });
 *     metrics.addFamily('drops', 'reason', () => drops.status());   tapstack_drops_total{reason="NoRoute"} 2
 *
 * A number is a counter unless its name is in `gauges`; objects within are walked; everything else is left out.
 */

export type Labels = Readonly<Record<string, string>>;

/** Answers the object to walk: asked at each scrape, as parts of a stack come and go. */
export type MetricSource = () => object;

interface Entry {
  readonly path: string;
  readonly source: MetricSource;
  readonly labels: Labels;
  readonly gauges: readonly string[];
  /** The name of a label that the keys of the source are values of; '' when they are names. */
  readonly keyLabel: string;
}

interface Family {
  readonly type: 'counter' | 'gauge';
  readonly samples: string[];
}

const PREFIX = 'tapstack';
/** Deeper than this there are no counters but loops of references. */
const DEPTH_MAX = 6;

export class Metrics {
  readonly #entries: Entry[] = [];

  add(path: string, source: MetricSource, labels: Labels = {}, gauges: readonly string[] = []): void {
    this.#entries.push({ path, source, labels, gauges, keyLabel: '' });
  }

  /** Of a table from names to numbers: one metric, with the name as a label. */
  addFamily(path: string, keyLabel: string, source: MetricSource, labels: Labels = {}): void {
    this.#entries.push({ path, source, labels, gauges: [], keyLabel });
  }

  remove(source: MetricSource): void {
    for (let i = this.#entries.length - 1; i >= 0; i--) {
      if (this.#entries[i]?.source === source) this.#entries.splice(i, 1);
    }
  }

  /** One object per path; where several sources share a path, a list, each with its labels. */
  toJson(): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    for (const { path, source, labels } of this.#entries) {
      const values = numbersOf(source(), 0);
      if (Object.keys(labels).length === 0) result[path] = values;
      else result[path] = [...listOf(result[path]), { ...labels, ...values }];
    }
    return result;
  }

  toPrometheus(): string {
    const families = new Map<string, Family>();
    for (const entry of this.#entries) {
      const name = `${PREFIX}_${snakeCase(entry.path)}`;
      if (entry.keyLabel === '') collect(families, entry, name, entry.source(), 0);
      else collectFamily(families, entry, name);
    }
    let text = '';
    for (const [name, family] of families) {
      text += `# TYPE ${name} ${family.type}\n`;
      for (const sample of family.samples) text += `${name}${sample}\n`;
    }
    return text;
  }
}

function collect(
  families: Map<string, Family>,
  entry: Entry,
  prefix: string,
  object: object,
  depth: number,
): void {
  for (const [key, value] of Object.entries(object)) {
    const name = `${prefix}_${snakeCase(key)}`;
    if (typeof value === 'number') {
      const isGauge = entry.gauges.includes(key);
      sample(families, isGauge ? name : `${name}_total`, isGauge ? 'gauge' : 'counter', entry.labels, value);
    } else if (isPlainObject(value) && depth < DEPTH_MAX) {
      collect(families, entry, name, value, depth + 1);
    }
  }
}

function collectFamily(families: Map<string, Family>, entry: Entry, name: string): void {
  for (const [key, value] of Object.entries(entry.source())) {
    if (typeof value !== 'number') continue;
    sample(families, `${name}_total`, 'counter', { ...entry.labels, [entry.keyLabel]: key }, value);
  }
}

function sample(
  families: Map<string, Family>,
  name: string,
  type: Family['type'],
  labels: Labels,
  value: number,
): void {
  let family = families.get(name);
  if (family === undefined) {
    family = { type, samples: [] };
    families.set(name, family);
  }
  family.samples.push(`${labelText(labels)} ${value}`);
}

function numbersOf(object: object, depth: number): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(object)) {
    if (typeof value === 'number') result[key] = value;
    else if (isPlainObject(value) && depth < DEPTH_MAX) result[key] = numbersOf(value, depth + 1);
  }
  return result;
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** `inReceives` is `in_receives`, `rtoMs` `rto_ms`, `Ip4In` `ip4_in`. */
export function snakeCase(name: string): string {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase();
}

function labelText(labels: Labels): string {
  const parts = Object.entries(labels).map(([name, value]) => `${snakeCase(name)}="${escapeLabel(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
