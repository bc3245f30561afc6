/** Fields whose values are quantities, which the API server writes in its own way: `1000m` comes back as `1`. */
const QUANTITIES: ReadonlySet<string> = new Set(['requests', 'limits', 'sizeLimit']);

/** Fields that the API server leaves out where they are 0 or false; elsewhere it tells those from nothing. */
const OMITTED: ReadonlySet<string> = new Set([
  'hostIPC',
  'hostNetwork',
  'hostPID',
  'hostPort',
  'initialDelaySeconds',
  'readOnly',
  'stdin',
  'stdinOnce',
  'tty',
]);

/**
 * Whether an object of the API server's is the one that we sent: every field of ours is there and equal, lists
 * are as long as ours. It may have more fields, which are the server's defaults.
 */
export function isSameSpec(ours: unknown, theirs: unknown, inQuantities = false): boolean {
  if (Array.isArray(ours)) {
    const items: readonly unknown[] = Array.isArray(theirs) ? theirs : [];
    return items.length === ours.length && ours.every((value, at) => isSameSpec(value, items[at]));
  }
  if (typeof ours === 'object' && ours !== null) {
    const fields = new Map(Object.entries(typeof theirs === 'object' && theirs !== null ? theirs : {}));
    return Object.entries(ours).every(([key, value]) => {
      if (!fields.has(key)) return isLeftOut(key, value);
      return isSameSpec(value, fields.get(key), inQuantities || QUANTITIES.has(key));
    });
  }
  return ours === theirs || (inQuantities && isSameQuantity(ours, theirs));
}

/** Whether the API server does not keep such a field. */
function isLeftOut(key: string, value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length === 0;
  if (value === 0 || value === false) return OMITTED.has(key);
  return value === undefined || value === null || value === '';
}

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

function isSameQuantity(a: unknown, b: unknown): boolean {
  const x = quantity(String(a));
  const y = quantity(String(b));
  // A sub-milli remainder is rounded up by the server, and thousandths are not exact in binary.
  return x !== undefined && y !== undefined && Math.abs(x - y) <= Math.max(x, y) * 1e-9;
}

function quantity(text: string): number | undefined {
  const [, number, suffix = ''] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([a-zA-Z]{0,2})$/.exec(text) ?? [];
  const factor = SUFFIXES[suffix];
  return number === undefined || factor === undefined ? undefined : Number(number) * factor;
}
