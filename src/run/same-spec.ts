/** Fields whose values are quantities, which the API server writes in its own way: `1000m` comes back as `1`. */
const QUANTITIES: ReadonlySet<string> = new Set(['requests', 'limits', 'sizeLimit']);

/**
 * Whether an object of the API server's is the one that we sent: every field of ours is there and equal, lists
 * are as long as ours. It may have more fields, which are the server's defaults.
 */
export function isSameSpec(ours: unknown, theirs: unknown, inQuantities = false): boolean {
  if (isEmpty(ours) && (theirs === undefined || theirs === null)) return true;
  if (Array.isArray(ours)) {
    return (
      Array.isArray(theirs) &&
      theirs.length === ours.length &&
      ours.every((value, at) => isSameSpec(value, theirs[at]))
    );
  }
  if (typeof ours === 'object' && ours !== null) {
    if (typeof theirs !== 'object' || theirs === null || Array.isArray(theirs)) return false;
    const fields = theirs as Readonly<Record<string, unknown>>;
    return Object.entries(ours).every(([key, value]) =>
      isSameSpec(
        value,
        Object.hasOwn(fields, key) ? fields[key] : undefined,
        inQuantities || QUANTITIES.has(key),
      ),
    );
  }
  return ours === theirs || (inQuantities && isSameQuantity(ours, theirs));
}

/** The API server leaves out what is empty or has the zero value of its type. */
function isEmpty(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isEmpty);
  return value === undefined || value === null || value === '' || value === 0 || value === false;
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
