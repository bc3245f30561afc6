import { KEYS, LINES } from '../../src/decide/keys.ts';
import { isCode } from '../../src/errors.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';
import { type HelmRelease, SHOP } from './objects.ts';
import { detail } from './print.ts';

const LIMIT_MS = 30_000;

/**
 * Watches the release, tells what changes, and returns it once it is as wanted.
 *
 * @throws when that takes too long
 */
export async function follow(
  kubernetes: Kubernetes,
  isWanted: (release: HelmRelease) => boolean,
  stop: AbortSignal,
): Promise<HelmRelease> {
  const { namespace, name } = SHOP;
  const limit = AbortSignal.timeout(LIMIT_MS);
  const over = new AbortController();
  const signal = AbortSignal.any([stop, limit, over.signal]);
  const query = { fieldSelector: `metadata.name=${name}` };
  const told = teller();
  try {
    for await (const { object } of kubernetes.watch({ resource: 'helmreleases', namespace }, query, signal)) {
      const release = object as HelmRelease;
      told(release);
      if (isWanted(release)) return release;
    }
  } catch (error) {
    stop.throwIfAborted();
    if (!isCode(error, 'API_UNAVAILABLE') || !limit.aborted) throw error;
  } finally {
    over.abort();
  }
  throw new Error(`what was expected did not happen within ${LIMIT_MS / 1000} s`);
}

/** Whether the tests of this very version have ended, all of them. A gate asks the same. */
export function isDecided(
  { metadata: { annotations = {} }, status = {} }: HelmRelease,
  version: string,
): boolean {
  const [deployed] = status.history ?? [];
  const open = Object.entries(annotations).some(
    ([key, line]) => key.startsWith(LINES) && /^(?:pending|running)/.test(line),
  );
  const isFinal = /^(?:passed|failed|inconclusive)$/.test(annotations[KEYS.result] ?? '');
  return (
    isFinal && !open && deployed?.chartVersion === version && annotations[KEYS.digest] === deployed.digest
  );
}

/** Tells what Flux and postsync say of a release when it differs from what was told before. */
function teller(): (release: HelmRelease) => void {
  const began = performance.now();
  const before = new Map<string, string | undefined>();
  return ({ metadata: { annotations = {} }, status = {} }) => {
    const ready = status.conditions?.find(({ type }) => type === 'Ready');
    const said = { Flux: ready?.message, [KEYS.result]: annotations[KEYS.result] };
    for (const [who, what] of Object.entries(said)) {
      if (what !== undefined && what !== before.get(who))
        detail(`${((performance.now() - began) / 1000).toFixed(1)} s  ${who}: ${what}`);
      before.set(who, what);
    }
  };
}
