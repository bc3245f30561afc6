import { keep } from '../keep.ts';

export interface BucketOptions {
  /** Takes that are allowed at once. */
  readonly burst: number;
  readonly perSecond: number;
  /** Names that are remembered; beyond it the one that was seen longest ago is forgotten. */
  readonly maxNames?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
}

/**
 * Token buckets by name, in bounded memory.
 *
 * @returns a function that takes one from the bucket of a name: 0, or the whole seconds to wait until it can
 */
export function createBuckets(options: BucketOptions): (name: string) => number {
  const { burst, perSecond, maxNames = 10_000, now = () => performance.now() } = options;
  const buckets = new Map<string, { readonly tokens: number; readonly at: number }>();
  return (name) => {
    const at = now();
    const before = buckets.get(name) ?? { tokens: burst, at };
    const tokens = Math.min(burst, before.tokens + ((at - before.at) / 1000) * perSecond);
    const isEmpty = tokens < 1;
    keep(buckets, name, { tokens: isEmpty ? tokens : tokens - 1, at }, maxNames);
    return isEmpty ? Math.ceil((1 - tokens) / perSecond) : 0;
  };
}
