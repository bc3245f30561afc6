import {
  type CommitReport,
  type Dispatch,
  type Link,
  type Outcome,
  type Run,
  revisionText,
  type Test,
  type Time,
  type Verdict,
} from '../decide/model.ts';
import { durationText } from '../decide/result.ts';
import { iso, isoSeconds } from '../decide/time.ts';
import type { Kubernetes } from '../kubernetes.ts';
import type { Claim, Ending, NewRun, Started } from '../ports.ts';
import { runObject } from './run-object.ts';

const PHASES: Readonly<Record<Verdict, string>> = {
  passed: 'Passed',
  failed: 'Failed',
  inconclusive: 'Inconclusive',
};

const MESSAGE_LIMIT = 4096;

/**
 * Writes down that a test is to be run, before anything is started. All that must not change until it starts
 * (digest, the release's uid, the test's generation) is in the part that Kubernetes keeps from being changed.
 *
 * @throws {PostsyncError} `API_EXISTS`: this very run was created before
 */
export function createRun(kubernetes: Kubernetes, given: NewRun): Promise<unknown> {
  const { release, test, revision, name, attempt, cause, request, requestedBy, reason, verdict } = given;
  const body = runObject(release, name, {
    test: test.ref.name,
    testKind: test.kind,
    testNamespace: test.ref.namespace,
    testGeneration: test.generation,
    digest: revision.digest,
    attempt,
    cause,
    request,
    requestedBy,
    reason,
    verdict,
  });
  return kubernetes.create({ resource: 'synctestruns', namespace: release.ref.namespace }, body);
}

/** Says which deployment a run is about that a person created without one. */
export function pinRun(
  kubernetes: Kubernetes,
  run: Run,
  { release, revision, test }: Pick<Started, 'release' | 'revision'> & { readonly test?: Test | undefined },
): Promise<unknown> {
  return writeStatus(kubernetes, run, {
    phase: 'Pending',
    releaseUid: release.uid,
    testGeneration: test?.generation,
    digest: revision.digest,
    revision: revisionText(revision),
    conditions: conditions('Reconciling', 'Pending', 'waits for its turn', Date.now()),
  });
}

/** Says that a run's Job exists. From here on, a Job that is gone is lost, and never created again. */
export function startRun(kubernetes: Kubernetes, run: Run, started: Started): Promise<unknown> {
  const { release, revision, test, job, url } = started;
  return writeStatus(kubernetes, run, {
    phase: 'Running',
    releaseUid: release.uid,
    digest: revision.digest,
    revision: revisionText(revision),
    testGeneration: test.generation,
    job: { namespace: job.namespace, name: job.name, uid: job.uid },
    url,
    conditions: conditions(
      'Reconciling',
      'Progressing',
      `its Job is ${job.namespace}/${job.name}`,
      Date.now(),
    ),
  });
}

/** Says that a run is about to be dispatched. From here on it is never sent again, unless the claim is taken back. */
export function claimRun(kubernetes: Kubernetes, run: Run, claim: Claim): Promise<unknown> {
  const { release, revision, test, dispatch } = claim;
  const { limits, claimedAt, settled: _, ...rest } = dispatch;
  return writeStatus(kubernetes, run, {
    phase: 'Running',
    releaseUid: release.uid,
    digest: revision.digest,
    revision: revisionText(revision),
    testGeneration: test.generation,
    dispatch: {
      ...rest,
      claimedAt: iso(claimedAt),
      timeoutSeconds: limits.timeoutMs / 1000,
      startTimeoutSeconds: limits.startTimeoutMs / 1000,
    },
    conditions: conditions(
      'Reconciling',
      'Progressing',
      `it is dispatched to ${dispatch.repository}`,
      claimedAt,
    ),
  });
}

/** Takes a claim back: nothing was sent. */
export function unclaimRun(kubernetes: Kubernetes, run: Run): Promise<unknown> {
  return writeStatus(kubernetes, run, {
    phase: 'Pending',
    dispatch: null,
    conditions: conditions('Reconciling', 'Pending', 'waits for its turn', Date.now()),
  });
}

/** Writes down what became of a dispatch. */
export function noteDispatch(
  kubernetes: Kubernetes,
  run: Run,
  note: Pick<Dispatch, 'unanswered'> | Pick<Dispatch, 'settled'> | Link,
): Promise<unknown> {
  // Whatever else changed meanwhile, this stays true.
  const free = { ...run, resourceVersion: undefined };
  if (!('url' in note)) return writeStatus(kubernetes, free, { dispatch: note });
  const { runId, runningSince, url } = note;
  const dispatch = { runId, runningSince: runningSince === undefined ? undefined : iso(runningSince) };
  return writeStatus(kubernetes, free, { dispatch, url });
}

/** Writes down what came of a report on a commit. The verdict has been written, and stays. */
export function noteReport(kubernetes: Kubernetes, run: Run, commitStatus: CommitReport): Promise<unknown> {
  return writeStatus(kubernetes, { ...run, resourceVersion: undefined }, { commitStatus });
}

/** Writes the verdict. Nothing changes it afterwards. */
export function endRun(
  kubernetes: Kubernetes,
  run: Run,
  outcome: Outcome,
  { startedAt, link, settled }: Ending = {},
): Promise<unknown> {
  const { verdict, reason, finishedAt } = outcome;
  const message = outcome.message.slice(0, MESSAGE_LIMIT);
  return writeStatus(kubernetes, run, {
    phase: PHASES[verdict],
    reason,
    message,
    releaseUid: run.releaseUid,
    digest: run.digest,
    dispatch: run.dispatch && { runId: link?.runId, settled },
    url: link?.url,
    startedAt: startedAt === undefined ? undefined : iso(startedAt),
    finishedAt: iso(finishedAt),
    duration: startedAt === undefined ? undefined : durationText({ ...run, startedAt, outcome }),
    conditions:
      verdict === 'passed'
        ? conditions('Ready', reason, message, finishedAt)
        : [...conditions('Stalled', reason, message, finishedAt), ...notReady(reason, message, finishedAt)],
  });
}

/** Forgets a run, unless it is another one by now. */
export async function removeRun(kubernetes: Kubernetes, { ref, uid }: Run): Promise<void> {
  await kubernetes.remove({ resource: 'synctestruns', ...ref }, uid);
}

function writeStatus(
  kubernetes: Kubernetes,
  run: Pick<Run, 'ref'> & { readonly resourceVersion: string | undefined },
  status: object,
): Promise<unknown> {
  const target = { resource: 'synctestruns', ...run.ref, subresource: 'status' } as const;
  return kubernetes.patch(target, { metadata: { resourceVersion: run.resourceVersion }, status });
}

function conditions(type: string, reason: string, message: string, at: Time): object[] {
  return [{ type, status: 'True', reason, message, lastTransitionTime: isoSeconds(at) }];
}

function notReady(reason: string, message: string, at: Time): object[] {
  return [{ type: 'Ready', status: 'False', reason, message, lastTransitionTime: isoSeconds(at) }];
}
