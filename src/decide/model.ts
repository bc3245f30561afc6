/**
 * The words of postsync, as types. Nothing here knows Kubernetes' or GitHub's own shapes.
 *
 * - release: a HelmRelease object
 * - revision: one deployment of a release, known by the digest of `status.history[0]`
 * - test: something to run after a sync, a SyncTest or a built-in one
 * - run: one execution of one test against one revision, a SyncTestRun object
 * - verdict: how a run ended; `inconclusive` means the software was not shown to be bad
 */

/** Milliseconds since 1970, UTC. Many are kept, and a `Date` weighs six times as much. */
export type Time = number;

export interface Ref {
  readonly namespace: string;
  readonly name: string;
}

/** `namespace/name`, the form of a {@link Ref} in logs, queues and maps. */
export function keyOf({ namespace, name }: Ref): string {
  return `${namespace}/${name}`;
}

export type Verdict = 'passed' | 'failed' | 'inconclusive';

/** What all required tests of a revision say together. */
export type Result = 'pending' | 'running' | Verdict;

/** Why a run ended as it did. The list is closed: it is API. */
export type Reason =
  | 'Passed'
  | 'Overridden'
  // failed
  | 'JobFailed'
  | 'OOMKilled'
  | 'TimedOut'
  | 'HookFailed'
  | 'WorkflowFailed'
  // inconclusive, tried again
  | 'TestSaidSo'
  | 'ImagePullFailed'
  | 'ConfigError'
  | 'Unschedulable'
  | 'PodRefused'
  | 'StartTimedOut'
  | 'Disrupted'
  | 'PodDeleted'
  | 'JobLost'
  | 'JobConflict'
  | 'WorkflowCancelled'
  | 'GitHubUnavailable'
  // inconclusive, not tried again
  | 'JobRefused'
  | 'Superseded'
  | 'Aborted'
  | 'ReleaseGone'
  | 'TestGone'
  | 'NotSelected'
  | 'RemoteCluster'
  | 'CredentialsMissing'
  | 'DispatchRefused'
  | 'RunNotFound'
  | 'WorkflowNotRun';

/** What a run was created for. */
export type Cause = 'install' | 'upgrade' | 'rollback' | 'retry' | 'test-changed' | 'manual' | 'override';

/** One deployment of a release: the newest entry of `status.history`. */
export interface Revision {
  readonly digest: string;
  /** Helm's revision number. */
  readonly version: number;
  /** Helm's status of it: `deployed`, `failed`, `pending-upgrade`, … */
  readonly status: string;
  readonly action: 'install' | 'upgrade' | 'rollback';
  /** The Helm release's name and the namespace it deploys to. */
  readonly helmRelease: string;
  readonly targetNamespace: string;
  readonly chart: string;
  readonly chartVersion: string;
  readonly appVersion?: string;
  readonly ociDigest?: string;
  readonly deployedAt: Time;
  /** What helm-controller recorded of the chart's own test hooks: name → Helm's phase. */
  readonly testHooks?: Readonly<Record<string, string>>;
}

export interface Condition {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  /** When `status` last changed. */
  readonly since: Time;
}

/** A HelmRelease, as far as postsync looks at it. */
export interface Release {
  readonly ref: Ref;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly deleting: boolean;
  /** Only keys of `postsync.dev` (sub)domains and of `event.toolkit.fluxcd.io`. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Flux's own `spec.suspend`. */
  readonly suspended: boolean;
  /** It deploys to another cluster (`spec.kubeConfig`). */
  readonly remote: boolean;
  /** Helm does not wait for the workloads (`disableWait`). */
  readonly unawaited: boolean;
  /** Where Helm keeps the release; absent: in the HelmRelease's own namespace. */
  readonly storageNamespace?: string;
  /** Helm runs only some of the chart's tests (`spec.test.filters`). */
  readonly testsFiltered?: boolean;
  readonly observedGeneration: number;
  readonly conditions: {
    readonly Ready?: Condition;
    readonly Reconciling?: Condition;
    readonly Stalled?: Condition;
  };
  readonly revision?: Revision;
  /** Deployments, StatefulSets and DaemonSets of `status.inventory`; kept only when `unawaited`. */
  readonly workloads: readonly Workload[];
}

export interface Workload extends Ref {
  readonly resource: 'deployments' | 'statefulsets' | 'daemonsets';
}

/** What a SyncTest's `releases` asks for. Every part that is given must hold. */
export interface Selector {
  readonly names?: readonly string[];
  readonly labels?: LabelSelector;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

/** The part of a test that the decision needs. How it is run is `run/`'s business. */
export interface Test {
  /** `namespace` is the SyncTest's, or the release's for a built-in test. */
  readonly ref: Ref;
  readonly kind: 'SyncTest' | 'BuiltIn';
  /** The SyncTest's generation; 0 for a built-in test. */
  readonly generation: number;
  readonly createdAt: Time;
  readonly suspended: boolean;
  readonly releases?: Selector;
  readonly namespaces?: LabelSelector;
  readonly after: readonly ('install' | 'upgrade' | 'rollback')[];
  readonly existing: 'skip' | 'test';
  readonly required: boolean;
  readonly needs: readonly string[];
  readonly retries: number;
  readonly retryFailed: number;
  readonly onNewRevision: 'cancel' | 'finish';
  readonly settleMs: number;
  /** 0: no limit of its own. */
  readonly maxParallel: number;
  readonly historyLimit: number;
  readonly remote: boolean;
  /** Why the spec can never work, in a sentence; a test with one is never started. */
  readonly invalid?: string;
}

/** `v7 (chart 1.2.0)`: how people are shown a revision. */
export function revisionText({ version, chartVersion }: Pick<Revision, 'version' | 'chartVersion'>): string {
  return `v${version} (chart ${chartVersion})`;
}

/** Where a test's Job is, once it was created. */
export interface JobRef extends Ref {
  readonly uid: string;
}

/** A test that was sent elsewhere. It is written down before it is sent, and then never sent again. */
export interface Dispatch {
  /** `owner/name` */
  readonly repository: string;
  readonly trigger: 'repository_dispatch' | 'workflow_dispatch';
  readonly apiUrl: string;
  /** The Secret with the credential; absent: the administrator's. */
  readonly secret?: Ref;
  readonly claimedAt: Time;
  /** Tells this claim from all others: only who wrote it knows whether anything was sent after it. */
  readonly claimId?: string;
  readonly limits: Limits;
  /** What went wrong when it was sent, where that does not tell whether it arrived. */
  readonly unanswered?: string;
  /** The workflow run that it caused. */
  readonly runId?: number;
  /** When that was first seen in progress: its `timeout` counts from then, whatever it waits for later. */
  readonly runningSince?: Time;
  /** Nothing of it goes on any more, or nobody will know. */
  readonly settled: boolean;
}

/** What was said of a run's verdict on the commit that its release came from, or why nothing was. */
export interface CommitReport {
  /** `owner/name` */
  readonly repository: string;
  readonly sha?: string;
  readonly state?: 'success' | 'failure' | 'error';
  /** A sentence; it is not tried again. */
  readonly problem?: string;
}

/** A workflow run, for people and to find it again. */
export interface Link {
  readonly runId: number;
  readonly url: string;
  readonly runningSince?: Time;
}

export interface Outcome {
  readonly verdict: Verdict;
  readonly reason: Reason;
  /** A sentence for people, with the tail of what the failed container said. */
  readonly message: string;
  readonly finishedAt: Time;
}

/** A SyncTestRun: created → started (its Job exists, or it is claimed to be dispatched) → running → ended. */
export interface Run {
  readonly ref: Ref;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly createdAt: Time;
  /** Created by postsync, not by a person: only these are pruned. */
  readonly ours: boolean;
  /** The release's name; its namespace is the run's. */
  readonly release: string;
  /** The uid of the release it is about, once that is known. */
  readonly releaseUid?: string;
  readonly test: Ref;
  readonly testKind: Test['kind'];
  readonly testGeneration?: number;
  /** Absent only when a person created it without one and it was not pinned yet. */
  readonly digest?: string;
  /** For people: `v7 (chart 1.2.0)`. */
  readonly revision?: string;
  readonly attempt: number;
  readonly cause: Cause;
  readonly request?: string;
  readonly abort: boolean;
  /** A person's decision, for `cause: override`. */
  readonly override?: { readonly verdict: Verdict; readonly reason: string };
  /** Kept only until the run has ended: most runs have. */
  readonly job?: JobRef;
  readonly dispatch?: Dispatch;
  /** Where people can read on. */
  readonly url?: string;
  /** Absent: nothing came of it yet, or nobody asked for it. */
  readonly commitStatus?: CommitReport;
  /** When its container began to run. */
  readonly startedAt?: Time;
  readonly outcome?: Outcome;
}

export function releaseOf({ ref, release }: Pick<Run, 'ref' | 'release'>): Ref {
  return { namespace: ref.namespace, name: release };
}

/** What a run is doing: read off its Job, the Job's Pods and Events, or told by who it was dispatched to. */
export type RunState =
  /** Nothing has run yet. `reason` says what it waits for; `fatal`: waiting longer is no use after half a minute. */
  | (Going & {
      readonly phase: 'waiting';
      readonly reason: Reason;
      readonly message: string;
      readonly fatal: boolean;
    })
  | (Going & { readonly phase: 'running' })
  | {
      readonly phase: 'ended';
      readonly startedAt?: Time;
      readonly outcome: Outcome;
      readonly link?: Link;
    };

interface Going {
  readonly since: Time;
  readonly limits: Limits;
  readonly link?: Link;
  /** Of a dispatch: nobody tells of it unasked. `since`: when this process began to ask. */
  readonly asked?: { readonly since: Time; readonly at?: Time; readonly again: Time };
}

/** A run's limits, pinned when it was started. */
export interface Limits {
  readonly timeoutMs: number;
  readonly startTimeoutMs: number;
}

/** Numbers that change decisions. */
export interface Policy {
  /** The only namespace whose SyncTests may select releases elsewhere. */
  readonly testsNamespace?: string;
  /** Wait before the first retry; it doubles with each further one, up to ten times. */
  readonly retryBackoffMs: number;
  /** Since when the API server has answered without a pause. Before that, what Pods did may not have been told yet. */
  readonly heardSince?: Time;
}
