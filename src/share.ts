/** So many texts are remembered: those of one object, and of those that were read around it. */
const LIMIT = 2000;

/**
 * Keeps equal texts once. Each answer of the API server brings copies of its own of a uid, a digest or a message, and
 * the runs of a release say the same of it again and again. Objects are changed in place, to texts that are equal.
 */
export function createSharing(): <T>(value: T) => T {
  const known = new Map<string, string>();

  function shared(text: string): string {
    const first = known.get(text);
    if (first !== undefined) return first;
    if (known.size >= LIMIT) known.clear();
    known.set(text, text);
    return text;
  }

  return function share<T>(value: T): T {
    if (typeof value === 'string') return shared(value) as T;
    if (typeof value !== 'object' || value === null) return value;
    const parts = value as Record<string, unknown>;
    for (const key of Object.keys(parts)) {
      const part = parts[key];
      if (typeof part === 'string') parts[key] = shared(part);
      else if (typeof part === 'object') share(part);
    }
    return value;
  };
}
