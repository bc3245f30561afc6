import { act, type Look, type Observed, type Step, wait } from './actions.ts';
import { isSuspended } from './follow.ts';
import { lineName, shortHash } from './identity.ts';
import { KEYS, LINES } from './keys.ts';
import type { Cause, Release, Run, Test, Verdict } from './model.ts';
import { appliesTo, type Rest } from './rest.ts';
import type { Wanted } from './select.ts';
import { isOf, newestFirst, nextAttempt, type Standing, standingOf } from './standing.ts';

/** Characters of `spec.request`. */
const REQUEST_LIMIT = 256;

const FINAL: ReadonlySet<string> = new Set(['passed', 'failed', 'inconclusive']);

/** Whether a test of a release that stands still needs a new run now. */
export function due(wanted: Wanted, rest: Rest, look: Look): Step {
  const { test } = wanted;
  const { release, policy, now } = look;
  const standing = standingOf(runsOf(test, rest.revision.digest, look), test, policy);
  if (standing.open) return wait(`${test.ref.name} goes on`);
  if (isSuspended(test, release)) return wait(`${test.ref.name} is suspended`);
  if (standing.retryAt !== undefined && now < standing.retryAt && !isAsked(test, look)) {
    return wait(`${test.ref.name} will be tried again`, standing.retryAt);
  }
  const cause = causeOf(wanted, standing, rest, look);
  if (cause === undefined) return wait(`${test.ref.name} has nothing to test`);
  const settledAt = rest.revision.deployedAt + test.settleMs;
  if (now < settledAt) return wait(`${test.ref.name} waits for its settle time`, settledAt);
  const needed = unmetNeed(test, rest.revision.digest, look);
  if (needed !== undefined) return wait(`${test.ref.name} waits for ${needed}`);
  if (look.runs.some((run) => !run.outcome && isOf(run, test))) {
    return wait(`${test.ref.name} waits for its run of an older revision`);
  }
  const attempt = nextAttempt(standing.runs);
  return act(
    { type: 'create', test, revision: rest.revision, attempt, cause },
    `${test.ref.name} is due: ${cause}`,
  );
}

/** What a new run would be created for; `undefined`: no run is due. */
function causeOf(wanted: Wanted, standing: Standing, rest: Rest, look: Look): Cause | undefined {
  if (isAsked(wanted.test, look)) return 'manual';
  if (standing.retryAt !== undefined) return 'retry';
  const { final } = standing;
  if (final) return hasChanged(wanted.test, final) ? 'test-changed' : undefined;
  const { digest } = rest.revision;
  if (stands(look, digest) || standingLine(wanted.test, look, digest)) return undefined;
  return appliesTo(wanted, rest, look.release) ? rest.cause : undefined;
}

/** The runs of a test against one deployment of the release that is there now. */
export function runsOf(test: Test, digest: string, { runs, release }: Observed): readonly Run[] {
  return runs.filter((run) => isOf(run, test) && run.digest === digest && run.releaseUid === release.uid);
}

/**
 * Whether `postsync.dev/requestedAt` asks for a run of this test: its value is neither the one that was served last
 * nor the one that stood when the newest run was created. So it may stand in git for ever.
 */
export function isAsked(test: Test, { release, runs }: Observed): boolean {
  const value = release.annotations[KEYS.requestedAt];
  if (!value || value === release.annotations[KEYS.handled]) return false;
  const newest = runs.filter((run) => isOf(run, test) && run.request !== undefined).toSorted(newestFirst)[0];
  return newest?.request !== requestOf(release);
}

/** The value of `requestedAt` as the runs keep it that it asks for: cut and hashed where it is too long for them. */
export function requestOf({ annotations }: Pick<Release, 'annotations'>): string | undefined {
  const value = annotations[KEYS.requestedAt];
  if (value === undefined || value.length <= REQUEST_LIMIT) return value;
  const hash = shortHash([value]);
  return `${value.slice(0, REQUEST_LIMIT - hash.length - 1).toWellFormed()}-${hash}`;
}

/**
 * Where all runs were deleted, or a cluster was restored, a final result for that very digest stands. `failed` may have
 * stood before the last test had ended: then a line says that one goes on, which nobody would ever write again.
 */
export function stands({ release, runs }: Observed, digest: string): boolean {
  const { [KEYS.result]: result = '', [KEYS.digest]: about, ...others } = release.annotations;
  return (
    FINAL.has(result) &&
    about === digest &&
    !Object.entries(others).some(goesOn) &&
    !runs.some((run) => run.digest === digest && run.releaseUid === release.uid)
  );
}

function goesOn([key, text]: readonly [string, string]): boolean {
  return key.startsWith(LINES) && isOpenLine(text);
}

/** A line that begins so is about what the release asks for and cannot get. */
export const PROBLEM_LINE = 'pending: ';

/** Whether the line of a test says that it has no verdict yet. */
export function isOpenLine(text: string): boolean {
  return /^(pending|running)\b/.test(text);
}

/**
 * The same of a single test whose runs are gone: runs are deleted one after the other, and nothing may start between.
 * Its line was written in one patch with the digest, so it is about that one.
 */
export function standingLine(
  test: Test,
  { release }: Observed,
  digest: string,
): { readonly verdict: Verdict; readonly text: string } | undefined {
  const text = release.annotations[LINES + lineName(test, release.ref)];
  const [verdict = ''] = /^[a-z]+/.exec(text ?? '') ?? [];
  const isAbout = release.annotations[KEYS.digest] === digest;
  return text !== undefined && isAbout && FINAL.has(verdict)
    ? { verdict: verdict as Verdict, text }
    : undefined;
}

/** A test whose spec changed runs again where it did not pass, once per generation. */
function hasChanged(
  test: Test,
  { outcome, testGeneration = test.generation }: NonNullable<Standing['final']>,
): boolean {
  return outcome.verdict !== 'passed' && outcome.reason !== 'Overridden' && testGeneration < test.generation;
}

/** What a test still waits for, in words; `undefined`: everything that it needs has passed for this revision. */
export function unmetNeed(
  test: Test,
  digest: string,
  observed: Observed & Pick<Look, 'policy'>,
): string | undefined {
  for (const name of test.needs) {
    const candidates = observed.selection.wanted.filter((wanted) => wanted.test.ref.name === name);
    const need =
      candidates.find((wanted) => wanted.test.ref.namespace === test.ref.namespace) ?? candidates[0];
    if (!need) return `${name}, which is not a test of this release`;
    if (!hasPassed(need.test, digest, observed)) return name;
  }
  return undefined;
}

function hasPassed(test: Test, digest: string, observed: Observed & Pick<Look, 'policy'>): boolean {
  const { runs, final } = standingOf(runsOf(test, digest, observed), test, observed.policy);
  const verdict = runs.length === 0 ? standingLine(test, observed, digest)?.verdict : final?.outcome.verdict;
  return verdict === 'passed';
}

/** Whether `requestedAt` has been served for every test of the release. */
export function isServed(observed: Observed): boolean {
  return !observed.selection.wanted.some(({ test }) => isAsked(test, observed));
}
