import type { Observed } from './actions.ts';
import { isAsked, unmetNeed } from './due.ts';
import { isSuperseded, isSuspended } from './follow.ts';
import { KEYS } from './keys.ts';
import type { Cause, Policy } from './model.ts';
import type { Rest } from './rest.ts';
import { project } from './result.ts';

/** What somebody asked for, not postsync itself. */
const BY_PEOPLE: ReadonlySet<Cause> = new Set<Cause>(['manual', 'override']);

/**
 * Why the final result that stands on a release is not the answer to who asks for it now, in a sentence: they may be the
 * one who has just asked for a new run. `undefined`: nothing newer is to come.
 */
export function outstanding(observed: Observed, { revision }: Rest, policy: Policy): string | undefined {
  const { release, runs, selection } = observed;
  const open = runs.filter((run) => {
    const isHere = run.releaseUid === undefined || run.releaseUid === release.uid;
    return !run.outcome && BY_PEOPLE.has(run.cause) && isHere && !isSuperseded(run, release);
  });
  if (open.length > 0)
    return `waiting for the runs that were asked for: ${open.map(({ ref }) => ref.name).join(', ')}`;
  const due = selection.wanted.find(
    ({ test }) =>
      isAsked(test, observed) &&
      !isSuspended(test, release) &&
      unmetNeed(test, revision.digest, { ...observed, policy }) === undefined,
  );
  if (due) return `${KEYS.requestedAt} asks for a new run of ${due.test.ref.name}`;
  // A run has ended, and its verdict does not stand there yet.
  const isBehind = Object.keys(project(observed, policy).annotations).length > 0;
  return isBehind ? 'a newer verdict is about to be written' : undefined;
}
