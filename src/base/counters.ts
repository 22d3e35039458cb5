/**
 * Counters are number fields of plain objects, nested as their owners are; here they become a flat list of
 * names and values, for a table, JSON or metrics.
 */

export type CounterTree = { readonly [name: string]: number | CounterTree } | object;

/**
 * Every number in `tree`, in the order of the fields, named by its path with dots: `tcp.segmentsIn`. Other
 * values are skipped.
 */
export function listCounters(tree: CounterTree, prefix = ''): [name: string, value: number][] {
  const list: [string, number][] = [];
  for (const [name, value] of Object.entries(tree) as [string, unknown][]) {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (typeof value === 'number') list.push([path, value]);
    else if (isPlain(value)) list.push(...listCounters(value, path));
  }
  return list;
}

/** The same as an object, for JSON. */
export function countersToJson(tree: CounterTree): Record<string, number> {
  return Object.fromEntries(listCounters(tree));
}

function isPlain(value: unknown): value is CounterTree {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
