import type {
  V1Job,
  V1LocalObjectReference,
  V1OwnerReference,
  V1PodFailurePolicy,
  V1ResourceRequirements,
  V1Toleration,
} from '@kubernetes/client-node';
import { keyOf, type Release, type Run } from '../decide/model.ts';
import { PostsyncError } from '../errors.ts';
import type { SyncTest } from '../synctest.ts';
import { checkContainer } from './check-container.ts';
import { helmTestPod } from './helm-test-container.ts';
import { literal, paramsOf, variablesOf } from './job-env.ts';
import { countedContainers, type JobParts, shortParts, templateParts } from './job-parts.ts';
import type { JobLimits } from './job-view.ts';
import { JOB_KEYS } from './labels.ts';
import type { Container, PodSpec } from './plain.ts';
import { tamed } from './restrict.ts';

/** What the administrator gives every Job of a test. */
export interface JobDefaults {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly V1Toleration[];
  readonly nodeSelector?: Readonly<Record<string, string>>;
  /** Of each container that has none of its own. */
  readonly resources?: V1ResourceRequirements;
  readonly imagePullSecrets?: readonly V1LocalObjectReference[];
  /** Put before an image that names no registry host. */
  readonly registry?: string;
  readonly priorityClassName?: string;
}

export interface JobSettings {
  /** postsync's own image, which makes the built-in checks. */
  readonly image: string;
  readonly clusterName: string;
  readonly jobDefaults: JobDefaults;
}

export interface JobInput {
  readonly run: Run;
  readonly syncTest: SyncTest;
  readonly release: Release;
  readonly settings: JobSettings;
}

/** The Job's own deadline is this much after postsync's: it is only the net for when postsync is down. */
const NET_MS = 60_000;

/**
 * The Job of a run. Pure: the same run, test, release and settings give the same Job, which is how a Job that is
 * there already is known for ours.
 *
 * @throws {PostsyncError} `OBJECT_INVALID` for a test that is not run as a Job
 */
export function jobFor(input: JobInput): V1Job {
  const { run, syncTest, release, settings } = input;
  const { jobDefaults } = settings;
  const parts = partsOf(input);
  const namespace = jobNamespace(syncTest, release);
  const labels = {
    [JOB_KEYS.managedBy]: 'postsync',
    [JOB_KEYS.run]: run.ref.name,
    [JOB_KEYS.runUid]: run.uid,
    [JOB_KEYS.test]: run.test.name,
  };
  const { ttlSecondsAfterFinished, activeDeadlineSeconds, ...spec } = parts.spec;
  const backoffLimit = spec.backoffLimit ?? 0;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: run.ref.name,
      namespace,
      labels: { ...jobDefaults.labels, ...parts.labels, ...labels },
      annotations: {
        ...jobDefaults.annotations,
        ...parts.annotations,
        [JOB_KEYS.release]: keyOf(release.ref),
        [JOB_KEYS.runNamespace]: run.ref.namespace,
        [JOB_KEYS.limits]: JSON.stringify(limitsOf(syncTest, parts, ttlSecondsAfterFinished)),
      },
      // A Job whose owner is in another namespace is collected as an orphan within seconds.
      ...(namespace === run.ref.namespace && { ownerReferences: [ownerOf(run)] }),
    },
    spec: {
      podFailurePolicy: failurePolicy(syncTest, backoffLimit),
      ...spec,
      backoffLimit,
      activeDeadlineSeconds: deadlineOf(syncTest, activeDeadlineSeconds),
      template: {
        metadata: {
          labels: { ...jobDefaults.labels, ...parts.podLabels, ...labels },
          annotations: { ...jobDefaults.annotations, ...parts.podAnnotations },
        },
        spec: podSpec(parts.pod, input),
      },
    },
  };
}

/** Where a test's Job runs. Hooks of a chart are where it is deployed, and what they are owned by is there too. */
export function jobNamespace({ runIn, test, body }: SyncTest, release: Release): string {
  if (body.kind === 'helmTest') return release.revision?.targetNamespace ?? release.ref.namespace;
  return runIn === 'release' ? release.ref.namespace : test.ref.namespace;
}

function partsOf({ run, syncTest, release, settings }: JobInput): JobParts {
  const { body, test } = syncTest;
  const { image } = settings;
  if (body.kind === 'job') return shortParts(body.job);
  if (body.kind === 'template') return templateParts(body.template);
  if (body.kind === 'helmTest') {
    return { spec: {}, pod: helmTestPod(run, syncTest, body.helmTest, { release, image }) };
  }
  if (body.kind !== 'check') {
    throw new PostsyncError('OBJECT_INVALID', `test ${keyOf(test.ref)} is not run as a Job`);
  }
  return { spec: {}, pod: { containers: [checkContainer(syncTest, body.http, { release, image })] } };
}

/** Pinned on the Job, so that a change of the SyncTest does not change what a running Job's end means. */
function limitsOf(syncTest: SyncTest, parts: JobParts, ttlSeconds: number | undefined): JobLimits {
  const { limits, inconclusiveExitCodes, shareOutput, body } = syncTest;
  return {
    ...limits,
    inconclusiveExitCodes,
    shareOutput,
    containers: countedContainers(parts),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
    ...(body.kind === 'helmTest' && { failure: 'HookFailed' as const }),
  };
}

function ownerOf(run: Run): V1OwnerReference {
  return { apiVersion: 'postsync.dev/v1alpha1', kind: 'SyncTestRun', name: run.ref.name, uid: run.uid };
}

/**
 * What ends the Job at the first failure, and leaves in its condition what the failure was when the Pod is gone.
 * A test with a `backoffLimit` wants its failed Pods tried again: there only what is no failure ends the Job.
 */
function failurePolicy({ inconclusiveExitCodes }: SyncTest, backoffLimit: number): V1PodFailurePolicy {
  const codes = [...new Set(inconclusiveExitCodes)].toSorted((a, b) => a - b);
  const ends = [
    ...(backoffLimit === 0 ? [{ operator: 'NotIn', values: [0] }] : []),
    ...(backoffLimit > 0 && codes.length > 0 ? [{ operator: 'In', values: codes }] : []),
  ];
  return {
    rules: [
      { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      ...ends.map((onExitCodes) => ({ action: 'FailJob', onExitCodes })),
    ],
  };
}

/** In seconds. The Job's clock starts when it is created, so the time that its container waits is part of it. */
function deadlineOf({ limits }: SyncTest, asked = Number.POSITIVE_INFINITY): number {
  return Math.min(asked, Math.ceil((limits.startTimeoutMs + limits.timeoutMs + NET_MS) / 1000));
}

function podSpec(pod: PodSpec, input: JobInput): PodSpec {
  const { jobDefaults } = input.settings;
  const imagePullSecrets = [...(jobDefaults.imagePullSecrets ?? []), ...(pod.imagePullSecrets ?? [])];
  const tolerations = [...(jobDefaults.tolerations ?? []), ...(pod.tolerations ?? [])];
  const nodeSelector = { ...jobDefaults.nodeSelector, ...pod.nodeSelector };
  return {
    ...(jobDefaults.priorityClassName !== undefined && { priorityClassName: jobDefaults.priorityClassName }),
    ...(pod.serviceAccountName === undefined && { automountServiceAccountToken: false }),
    ...pod,
    restartPolicy: 'Never',
    ...(imagePullSecrets.length > 0 && { imagePullSecrets }),
    ...(tolerations.length > 0 && { tolerations }),
    ...(Object.keys(nodeSelector).length > 0 && { nodeSelector }),
    containers: pod.containers.map((container) => complete(container, pod, input)),
    ...(pod.initContainers && {
      initContainers: pod.initContainers.map((container) => complete(container, pod, input)),
    }),
  };
}

/** A container with what each of a test's has: the variables, the defaults and the restrictions. */
function complete(container: Container, pod: PodSpec, input: JobInput): Container {
  const { run, syncTest, release, settings } = input;
  const { resources, registry } = settings.jobDefaults;
  const told = [
    ...Object.entries(paramsOf(syncTest, release)).map(([name, value]) => [`PARAM_${name}`, value] as const),
    ...variablesOf(run, release, settings.clusterName),
  ];
  const { image } = container;
  return tamed(
    {
      ...(resources && { resources }),
      ...container,
      ...(image !== undefined && image !== settings.image && { image: inRegistry(image, registry) }),
      // First, so that a test's own variables can refer to them.
      env: [...told.map(([name, value]) => ({ name, value: literal(value) })), ...(container.env ?? [])],
    },
    pod.securityContext,
  );
}

function inRegistry(image: string, registry: string | undefined): string {
  const [host = '', rest] = image.split('/', 2);
  if (registry === undefined || (rest !== undefined && /[.:]|^localhost$/.test(host))) return image;
  return `${registry.replace(/\/$/, '')}/${image}`;
}
