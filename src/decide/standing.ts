import type { Outcome, Policy, Reason, Run, Test, Time, Verdict } from './model.ts';

/** What the runs of one test say about one revision. */
export interface Standing {
  /** Newest first. */
  readonly runs: readonly Run[];
  /** The run that goes on. */
  readonly open?: Run;
  /** The newest ended run, when nothing is tried again by itself. */
  readonly final?: Run & { readonly outcome: Outcome };
  /** When the next attempt of an ended run is due. */
  readonly retryAt?: Time;
}

/** Trying these again cannot change them, or is not for postsync to decide. */
const NOT_RETRIED: ReadonlySet<Reason> = new Set<Reason>([
  'Overridden',
  'JobRefused',
  'Superseded',
  'Aborted',
  'ReleaseGone',
  'TestGone',
  'NotSelected',
  'RemoteCluster',
  'CredentialsMissing',
  'DispatchRefused',
  'RunNotFound',
  'WorkflowNotRun',
]);

const MAX_DOUBLINGS = 10;

/** @param runs of one test and one digest, in any order */
export function standingOf(runs: readonly Run[], test: Test | undefined, policy: Policy): Standing {
  const sorted = runs.toSorted(newestFirst);
  const open = sorted.find((run) => !run.outcome);
  const ended = sorted.find(hasEnded);
  if (!ended) return { runs: sorted, ...(open && { open }) };
  const retryAt = test && retryOf(ended, sorted, test, policy);
  // What people decided, or asked for and had an answer to, after the retry began counts at once.
  const isOutdone = open && newestFirst(open, ended) > 0 && retryAt === undefined;
  if (open?.cause === 'retry' && !isOutdone) return { runs: sorted, open };
  if (!open && retryAt !== undefined) return { runs: sorted, retryAt };
  return { runs: sorted, final: ended, ...(open && { open }) };
}

/** The attempt after all known ones. */
export function nextAttempt(runs: readonly Run[]): number {
  return runs.reduce((highest, { attempt }) => Math.max(highest, attempt), 0) + 1;
}

/** Whether a run is one of this test. */
export function isOf(run: Run, { kind, ref }: Test): boolean {
  return run.testKind === kind && run.test.name === ref.name && run.test.namespace === ref.namespace;
}

/** Whether something was started for it, or may have been. */
export function isStarted({ job, dispatch }: Run): boolean {
  return job !== undefined || dispatch !== undefined;
}

export function hasEnded(run: Run): run is Run & { readonly outcome: Outcome } {
  return run.outcome !== undefined;
}

export function newestFirst(a: Run, b: Run): number {
  return b.createdAt - a.createdAt || b.attempt - a.attempt;
}

/** When an ended run is tried again; `undefined` for never. */
function retryOf(
  ended: Run & { outcome: Outcome },
  runs: readonly Run[],
  test: Test,
  policy: Policy,
): Time | undefined {
  const { verdict, reason, finishedAt } = ended.outcome;
  if (verdict === 'passed' || NOT_RETRIED.has(reason)) return undefined;
  const tried = chainOf(runs).filter((run) => run.outcome?.verdict === verdict).length;
  const allowed = allowance(test, verdict);
  if (tried > allowed) return undefined;
  const delayMs = policy.retryBackoffMs * 2 ** Math.min(tried - 1, MAX_DOUBLINGS);
  return finishedAt + delayMs;
}

function allowance(test: Test, verdict: Verdict): number {
  return verdict === 'inconclusive' ? test.retries : test.retryFailed;
}

/** The newest runs back to the one that was not a retry: what was asked for once. */
export function chainOf(newest: readonly Run[]): readonly Run[] {
  const first = newest.findIndex(({ cause }) => cause !== 'retry');
  return first < 0 ? newest : newest.slice(0, first + 1);
}
