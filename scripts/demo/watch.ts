import { KEYS, LINES } from '../../src/decide/keys.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';
import { type HelmRelease, SHOP } from './objects.ts';
import { detail } from './print.ts';

/** Far more than it takes: it ends a story that has gone wrong. */
const LIMIT_MS = 120_000;

/** Returns the release once it is as wanted; throws when that takes too long. */
export type Follow = (isWanted: (release: HelmRelease) => boolean) => Promise<HelmRelease>;

/** Watches the release and tells what changes, from one call to the next. */
export function follower(kubernetes: Kubernetes, stop: AbortSignal): Follow {
  const told = new Map<string, string>();

  /** What Flux and postsync say of the release, where they did not say it before. */
  function tell({ metadata: { annotations = {} }, status = {} }: HelmRelease, seconds: string): void {
    const flux = status.conditions?.find(({ type }) => type === 'Ready')?.message;
    const said = { Flux: flux, [KEYS.result]: annotations[KEYS.result] };
    for (const [who, what] of Object.entries(said)) {
      if (what === undefined || what === told.get(who)) continue;
      told.set(who, what);
      detail(`${seconds.padStart(4)} s  ${who}: ${what}`);
    }
  }

  return async (isWanted) => {
    const began = performance.now();
    const { namespace, name } = SHOP;
    const limit = AbortSignal.timeout(LIMIT_MS);
    const over = new AbortController();
    const signal = AbortSignal.any([stop, limit, over.signal]);
    const query = { fieldSelector: `metadata.name=${name}` };
    try {
      for await (const line of kubernetes.watch({ resource: 'helmreleases', namespace }, query, signal)) {
        const release = line.object as HelmRelease;
        tell(release, ((performance.now() - began) / 1000).toFixed(1));
        if (isWanted(release)) return release;
      }
    } catch (error) {
      stop.throwIfAborted();
      if (!limit.aborted) throw error;
    } finally {
      over.abort();
    }
    throw new Error(`what was expected did not happen within ${LIMIT_MS / 1000} s`);
  };
}

/** Whether the tests of this very version have ended, all of them. A gate asks the same. */
export function isDecided(
  { metadata: { annotations = {} }, status = {} }: HelmRelease,
  version: string,
): boolean {
  const [deployed] = status.history ?? [];
  if (deployed?.chartVersion !== version || annotations[KEYS.digest] !== deployed.digest) return false;
  const words = Object.entries(annotations)
    .filter(([key]) => key === KEYS.result || key.startsWith(LINES))
    .map(([, value]) => value);
  return words.every((word) => /^(?:passed|failed|inconclusive)/.test(word));
}
