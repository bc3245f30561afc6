import type { Api } from './api.ts';
import { recordEvent } from './events.ts';
import { type Failure, verdictOf } from './job-verdict.ts';
import { loop } from './loop.ts';
import { type Fields, type KubeObject, textOf, timestamp } from './objects.ts';
import type { Owners } from './owners.ts';
import { JOBS, PODS, SERVICE_ACCOUNTS } from './resources.ts';

const TRACKING = 'batch.kubernetes.io/job-tracking';
const COMPONENT = 'job-controller';
const MANAGER = { manager: 'kube-controller-manager' };
const RETRY_MS = 10_000;

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

interface JobSpec {
  readonly activeDeadlineSeconds?: number;
  readonly ttlSecondsAfterFinished?: number;
  readonly backoffLimit: number;
  readonly suspend: boolean;
  readonly managedBy?: string;
  readonly template: { readonly metadata: Fields; readonly spec: Fields };
}

interface JobStatus {
  conditions?: readonly Condition[];
  startTime?: string;
  completionTime?: string;
  active?: number;
  ready?: number;
  succeeded?: number;
  failed?: number;
  terminating?: number;
  uncountedTerminatedPods?: object;
}

/**
 * A stand-in for Kubernetes' Job controller: one Pod at a time (parallelism and completions are taken for 1), retries
 * up to `backoffLimit` (10 s apart), `podFailurePolicy`, `activeDeadlineSeconds`, `ttlSecondsAfterFinished`, `suspend`.
 * It writes the conditions, reasons and messages of the real one, in its order.
 */
export function runJobs(api: Api, owners: Owners): () => void {
  const { store } = api;
  const look = loop((key) => {
    const [namespace = '', name = ''] = key.split('/');
    const job = store.get(JOBS, namespace, name);
    if (job && !job.metadata.deletionTimestamp && !specOf(job).managedBy) sync(job);
  });
  /** Pods whose Job is gone wait for nobody. */
  const letGo = loop((key) => {
    const [namespace = '', name = ''] = key.split('/');
    const pod = store.get(PODS, namespace, name);
    const owner = pod?.metadata.ownerReferences?.find(({ kind }) => kind === 'Job');
    const job = owner && store.get(JOBS, namespace, owner.name);
    if (pod && (!owner || job?.metadata.uid !== owner.uid)) untrack(pod);
  });

  function sync(job: KubeObject): void {
    const status = statusOf(job);
    const end = status.conditions?.find(({ type }) => type === 'Complete' || type === 'Failed');
    if (end) expire(job, end);
    else if (specOf(job).suspend) suspend(job, status);
    else advance(job, resumed(status));
  }

  /** A suspended Job has no Pods, and its deadline does not run. */
  function suspend(job: KubeObject, { startTime: _s, active: _a, ...status }: JobStatus): void {
    const said = status.conditions?.some((one) => one.type === 'Suspended' && one.status === 'True');
    const condition = conditionOf({ type: 'Suspended', reason: 'JobSuspended', message: 'Job suspended' });
    if (!said) writeStatus(job, { ...status, conditions: [condition] });
    stopPods(podsOf(job).filter((pod) => !isTerminal(pod)));
  }

  function advance(job: KubeObject, status: JobStatus): void {
    const { activeDeadlineSeconds } = specOf(job);
    const pods = podsOf(job);
    const startTime = status.startTime ?? timestamp();
    const leftMs =
      activeDeadlineSeconds === undefined
        ? undefined
        : Date.parse(startTime) + activeDeadlineSeconds * 1000 - Date.now();
    const fresh = pods.filter((pod) => isTerminal(pod) && pod.metadata.finalizers?.includes(TRACKING));
    const running = pods.filter((pod) => !isTerminal(pod));
    const next: JobStatus = { ...status, startTime, ...counted(status, fresh) };
    const decided = targetOf(status);
    const facts = { pods, failed: next.failed ?? 0, overdue: (leftMs ?? 1) <= 0 };
    const verdict = decided ? undefined : verdictOf(job, facts);
    if (verdict) decide(job, next, { running, verdict });
    else writeStatus(job, { ...next, ...tally(running) });
    for (const pod of fresh) untrack(pod);
    if (decided ?? verdict) finish(job, running);
    else if (running.length === 0) createPod(job, pods.length);
    if (leftMs !== undefined && leftMs > 0) look.addIn(keyOf(job), leftMs);
  }

  /** Says how the Job will end, and ends what still runs. */
  function decide(
    job: KubeObject,
    status: JobStatus,
    { running, verdict }: { readonly running: readonly KubeObject[]; readonly verdict: Failure | 'passed' },
  ): void {
    const { active: _, ...rest } = status;
    const passed = verdict === 'passed';
    const killed = passed || running.length === 0 ? {} : { failed: (status.failed ?? 0) + running.length };
    const condition = passed
      ? { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message: REACHED }
      : { type: 'FailureTarget', ...verdict };
    const conditions = [...(status.conditions ?? []), conditionOf(condition)];
    writeStatus(job, { ...rest, ...killed, conditions, ready: 0, terminating: 0 });
    stopPods(running);
  }

  function stopPods(pods: readonly KubeObject[]): void {
    for (const pod of pods) {
      untrack(pod);
      api.remove({ type: PODS, namespace: pod.metadata.namespace }, pod.metadata.name);
    }
  }

  function finish(job: KubeObject, running: readonly KubeObject[]): void {
    const current = store.get(JOBS, job.metadata.namespace, job.metadata.name);
    const left = running.some(({ metadata }) => store.get(PODS, metadata.namespace, metadata.name));
    if (!current || left) return;
    const status = statusOf(current);
    const target = targetOf(status);
    if (!target) return;
    const passed = target.type === 'SuccessCriteriaMet';
    const last = conditionOf({ ...target, type: passed ? 'Complete' : 'Failed' });
    const completion = passed ? { completionTime: timestamp() } : {};
    writeStatus(current, { ...status, ...completion, conditions: [...(status.conditions ?? []), last] });
    const { reason, message } = passed ? { reason: 'Completed', message: 'Job completed' } : target;
    const type = passed ? 'Normal' : 'Warning';
    recordEvent(api, current, { type, reason, message, component: COMPONENT });
  }

  function createPod(job: KubeObject, earlier: number): void {
    const { metadata, spec } = specOf(job).template;
    const { name, namespace, uid } = job.metadata;
    const finished = podsOf(job).map(({ metadata }) => Date.parse(metadata.creationTimestamp));
    const waitMs = earlier === 0 ? 0 : Math.max(...finished) + RETRY_MS - Date.now();
    if (waitMs > 0) return look.addIn(keyOf(job), waitMs);
    const account = textOf(spec['serviceAccountName'], 'default');
    if (account !== 'default' && !store.get(SERVICE_ACCOUNTS, namespace, account)) {
      const message = `Error creating: pods "${name}-" is forbidden: error looking up service account ${namespace}/${account}: serviceaccount "${account}" not found`;
      recordEvent(api, job, { type: 'Warning', reason: 'FailedCreate', message, component: COMPONENT });
      return look.addIn(keyOf(job), RETRY_MS);
    }
    const owner = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      name,
      uid,
      controller: true,
      blockOwnerDeletion: true,
    };
    const given = { ...metadata, generateName: `${name}-`, finalizers: [TRACKING], ownerReferences: [owner] };
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: given,
      spec: { serviceAccountName: account, serviceAccount: account, ...spec },
    };
    const pod = api.create({ type: PODS, namespace }, body, MANAGER);
    const message = `Created pod: ${pod.metadata.name}`;
    recordEvent(api, job, { type: 'Normal', reason: 'SuccessfulCreate', message, component: COMPONENT });
  }

  function expire(job: KubeObject, end: Condition): void {
    const { ttlSecondsAfterFinished } = specOf(job);
    if (ttlSecondsAfterFinished === undefined) return;
    const leftMs = Date.parse(end.lastTransitionTime) + ttlSecondsAfterFinished * 1000 - Date.now();
    if (leftMs > 0) return look.addIn(keyOf(job), leftMs);
    api.remove({ type: JOBS, namespace: job.metadata.namespace }, job.metadata.name, {
      policy: 'Foreground',
    });
  }

  /** Those that it controls: others may be owned by it, too. */
  function podsOf({ metadata: { uid } }: KubeObject): readonly KubeObject[] {
    return owners
      .of(uid)
      .filter(({ type }) => type === PODS)
      .flatMap(({ type, namespace, name }) => store.get(type, namespace, name) ?? [])
      .filter(({ metadata }) => metadata.ownerReferences?.some((one) => one.controller && one.uid === uid));
  }

  function untrack({ metadata }: KubeObject): void {
    api.update({ type: PODS, namespace: metadata.namespace }, metadata.name, unfinalized, MANAGER);
  }

  function writeStatus(job: KubeObject, status: JobStatus): void {
    const change = (draft: KubeObject) => {
      draft.status = { uncountedTerminatedPods: {}, ready: 0, terminating: 0, ...status };
    };
    const options = { ...MANAGER, subresource: 'status' } as const;
    api.update({ type: JOBS, namespace: job.metadata.namespace }, job.metadata.name, change, options);
  }

  const unsubscribe = store.onChange(({ type, before, after }) => {
    const object = (after ?? before) as KubeObject;
    if (type === JOBS) {
      look.add(keyOf(object));
      if (!after)
        for (const { namespace, name } of owners.of(object.metadata.uid)) letGo.add(`${namespace}/${name}`);
    }
    if (type !== PODS) return;
    if (after?.metadata.finalizers?.includes(TRACKING)) letGo.add(keyOf(after));
    for (const { kind, name } of object.metadata.ownerReferences ?? []) {
      if (kind === 'Job') look.add(`${object.metadata.namespace}/${name}`);
    }
  });
  return () => {
    unsubscribe();
    look.stop();
    letGo.stop();
  };
}

const keyOf = ({ metadata }: KubeObject) => `${metadata.namespace}/${metadata.name}`;

/** The condition that says how the Job will end. */
function targetOf({ conditions = [] }: JobStatus): Condition | undefined {
  return conditions.find(({ type }) => type === 'FailureTarget' || type === 'SuccessCriteriaMet');
}

function resumed(status: JobStatus): JobStatus {
  const { conditions } = status;
  if (!conditions?.some((one) => one.type === 'Suspended' && one.status === 'True')) return status;
  const { status: _, ...condition } = conditionOf({
    type: 'Suspended',
    reason: 'JobResumed',
    message: 'Job resumed',
  });
  const others = conditions.filter(({ type }) => type !== 'Suspended');
  return { ...status, conditions: [{ ...condition, status: 'False' }, ...others] };
}

const REACHED = 'Reached expected number of succeeded pods';

function counted(status: JobStatus, fresh: readonly KubeObject[]): JobStatus {
  const failed = (status.failed ?? 0) + fresh.filter((pod) => phaseOf(pod) === 'Failed').length;
  const succeeded = (status.succeeded ?? 0) + fresh.filter((pod) => phaseOf(pod) === 'Succeeded').length;
  return { ...(failed > 0 && { failed }), ...(succeeded > 0 && { succeeded }) };
}

function tally(running: readonly KubeObject[]): JobStatus {
  const stopping = running.filter(({ metadata }) => metadata.deletionTimestamp).length;
  const active = running.length - stopping;
  const ready = running.filter((pod) => phaseOf(pod) === 'Running' && !pod.metadata.deletionTimestamp).length;
  return { ...(active > 0 ? { active } : {}), ready, terminating: stopping };
}

function unfinalized({ metadata }: KubeObject): void {
  metadata.finalizers = (metadata.finalizers ?? []).filter((one) => one !== TRACKING);
}

function conditionOf(given: { readonly type: string; readonly reason: string; readonly message: string }) {
  const { type, reason, message } = given;
  const at = timestamp();
  return { type, status: 'True', lastProbeTime: at, lastTransitionTime: at, reason, message };
}

const specOf = (job: KubeObject) => job.spec as unknown as JobSpec;
const statusOf = (job: KubeObject) => (job.status ?? {}) as JobStatus;
const phaseOf = (pod: KubeObject) => pod.status?.['phase'];
const isTerminal = (pod: KubeObject) => phaseOf(pod) === 'Succeeded' || phaseOf(pod) === 'Failed';
