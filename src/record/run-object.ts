import { z } from 'zod';
import { BUILT_IN } from '../decide/keys.ts';
import type { CommitReport, Dispatch as Dispatched, Release, Run } from '../decide/model.ts';
import { Timestamp } from '../timestamp.ts';
import { present } from '../values.ts';
import { Metadata, parse } from './parse.ts';

const Dispatch = z
  .object({
    repository: z.string(),
    trigger: z.enum(['repository_dispatch', 'workflow_dispatch']),
    apiUrl: z.string(),
    secret: z.object({ namespace: z.string(), name: z.string() }).optional(),
    claimedAt: Timestamp,
    claimId: z.string().optional(),
    timeoutSeconds: z.number(),
    startTimeoutSeconds: z.number(),
    unanswered: z.string().optional(),
    runId: z.number().optional(),
    runningSince: Timestamp.optional(),
    settled: z.boolean().prefault(false),
  })
  .transform(({ timeoutSeconds, startTimeoutSeconds, ...rest }) => ({
    ...rest,
    limits: { timeoutMs: timeoutSeconds * 1000, startTimeoutMs: startTimeoutSeconds * 1000 },
  }));

const SyncTestRun = z.object({
  metadata: Metadata.extend({
    ownerReferences: z.array(z.object({ kind: z.string(), uid: z.string() })).prefault([]),
  }),
  spec: z.object({
    release: z.string(),
    test: z.string(),
    testKind: z.enum(['SyncTest', 'BuiltIn']).optional(),
    testNamespace: z.string().optional(),
    testGeneration: z.number().optional(),
    digest: z.string().optional(),
    attempt: z.number().int().prefault(1),
    cause: z
      .enum(['install', 'upgrade', 'rollback', 'retry', 'test-changed', 'manual', 'override'])
      .prefault('manual'),
    request: z.string().optional(),
    abort: z.boolean().prefault(false),
    verdict: z.enum(['passed', 'failed']).optional(),
    reason: z.string().optional(),
  }),
  status: z
    .object({
      phase: z.enum(['Pending', 'Running', 'Passed', 'Failed', 'Inconclusive']).optional(),
      reason: z.string().optional(),
      message: z.string().prefault(''),
      releaseUid: z.string().optional(),
      digest: z.string().optional(),
      revision: z.string().optional(),
      testGeneration: z.number().optional(),
      job: z.object({ namespace: z.string(), name: z.string(), uid: z.string() }).optional(),
      dispatch: Dispatch.optional(),
      url: z.string().optional(),
      commitStatus: z
        .object({
          repository: z.string(),
          sha: z.string().optional(),
          state: z.enum(['success', 'failure', 'error']).optional(),
          problem: z.string().optional(),
        })
        .optional(),
      startedAt: Timestamp.optional(),
      finishedAt: Timestamp.optional(),
    })
    .prefault({}),
});

/** The label of runs that postsync created itself. */
const MANAGED_BY = 'app.kubernetes.io/managed-by';
const OURS = 'postsync';

const VERDICTS = { Passed: 'passed', Failed: 'failed', Inconclusive: 'inconclusive' } as const;

/** A SyncTestRun to be created, that goes with its release. */
export function runObject(
  { ref, uid }: Pick<Release, 'ref' | 'uid'>,
  name: string,
  spec: { readonly test: string } & Readonly<Record<string, unknown>>,
): object {
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTestRun',
    metadata: {
      namespace: ref.namespace,
      name,
      labels: { [MANAGED_BY]: OURS, 'postsync.dev/test': spec.test },
      ownerReferences: [
        { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', name: ref.name, uid },
      ],
    },
    spec: { release: ref.name, ...spec },
  };
}

/**
 * A SyncTestRun as the API serves it.
 *
 * @throws {PostsyncError} `OBJECT_INVALID`: an unreadable run is never taken for an absent one
 */
export function readRun(object: unknown): Run {
  const { metadata, spec, status } = parse(SyncTestRun, object, 'SyncTestRun');
  const { namespace, name } = metadata;
  const ours = metadata.labels[MANAGED_BY] === OURS;
  const owner = metadata.ownerReferences.find(({ kind }) => kind === 'HelmRelease')?.uid;
  const outcome = outcomeOf(status);
  const read: { [K in keyof Run]: Run[K] | undefined } = {
    ref: { namespace, name },
    uid: metadata.uid,
    resourceVersion: metadata.resourceVersion,
    createdAt: metadata.creationTimestamp,
    ours,
    release: spec.release,
    releaseUid: status.releaseUid ?? (ours ? owner : undefined),
    test: { namespace: spec.testNamespace ?? namespace, name: spec.test },
    testKind: spec.testKind ?? (BUILT_IN.has(spec.test) ? 'BuiltIn' : 'SyncTest'),
    testGeneration: status.testGeneration ?? spec.testGeneration,
    digest: status.digest ?? spec.digest,
    revision: status.revision,
    attempt: spec.attempt,
    cause: spec.cause,
    request: spec.request,
    abort: spec.abort,
    override:
      spec.cause === 'override' && spec.verdict
        ? { verdict: spec.verdict, reason: spec.reason ?? '' }
        : undefined,
    job: outcome ? undefined : status.job,
    dispatch: status.dispatch as Dispatched | undefined,
    url: status.url,
    commitStatus: status.commitStatus as CommitReport | undefined,
    startedAt: status.startedAt,
    outcome,
  };
  return present(read) as Run;
}

function outcomeOf({
  phase,
  reason = '',
  message,
  finishedAt,
}: z.output<typeof SyncTestRun>['status']): Run['outcome'] {
  if (phase === undefined || phase === 'Pending' || phase === 'Running' || finishedAt === undefined)
    return undefined;
  return {
    verdict: VERDICTS[phase],
    reason: reason as NonNullable<Run['outcome']>['reason'],
    message,
    finishedAt,
  };
}
