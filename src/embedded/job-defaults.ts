import { type Fields, type KubeObject, textOf } from './objects.ts';

interface Template {
  metadata?: { labels?: Record<string, string> };
  spec?: Fields & { containers?: Fields[]; initContainers?: Fields[]; volumes?: Fields[] };
}

/** Writes into a new Job what kube-apiserver writes there: defaults, and the labels by which Pods are found. */
export function defaultJob(job: KubeObject): KubeObject {
  const spec = { ...job.spec };
  const labels = {
    'batch.kubernetes.io/controller-uid': job.metadata.uid,
    'batch.kubernetes.io/job-name': job.metadata.name,
    'controller-uid': job.metadata.uid,
    'job-name': job.metadata.name,
  };
  const template = (spec['template'] ?? {}) as Template;
  return {
    ...job,
    metadata: { ...job.metadata, labels: { ...job.metadata.labels, ...labels } },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      manualSelector: false,
      completionMode: 'NonIndexed',
      suspend: false,
      podReplacementPolicy: spec['podFailurePolicy'] ? 'Failed' : 'TerminatingOrFailed',
      ...spec,
      ...(spec['podFailurePolicy'] !== undefined && {
        podFailurePolicy: defaultPolicy(spec['podFailurePolicy'] as Policy),
      }),
      selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': job.metadata.uid } },
      template: {
        ...template,
        metadata: { ...template.metadata, labels: { ...template.metadata?.labels, ...labels } },
        spec: defaultPod(template.spec ?? {}),
      },
    },
    status: {},
  };
}

interface Policy {
  readonly rules?: readonly (Fields & { readonly onPodConditions?: readonly Fields[] })[];
}

function defaultPolicy({ rules = [] }: Policy) {
  return {
    rules: rules.map((rule) => ({
      ...rule,
      ...(rule.onPodConditions && {
        onPodConditions: rule.onPodConditions.map((condition) => ({ status: 'True', ...condition })),
      }),
    })),
  };
}

/** The defaults of a Pod's spec. */
export function defaultPod(spec: NonNullable<Template['spec']>): Fields {
  const { serviceAccountName, initContainers, volumes } = spec;
  return {
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    ...spec,
    ...(serviceAccountName !== undefined && { serviceAccount: serviceAccountName }),
    ...(spec.containers && { containers: spec.containers.map(defaultContainer) }),
    ...(initContainers && { initContainers: initContainers.map(defaultContainer) }),
    ...(volumes && { volumes: volumes.map(defaultVolume) }),
  };
}

function defaultContainer(container: Fields): Fields {
  const image = textOf(container['image']);
  const tag = /:([^/]+)$/.exec(image)?.[1];
  const env = container['env'] as readonly Fields[] | undefined;
  return {
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: tag === undefined || tag === 'latest' ? 'Always' : 'IfNotPresent',
    ...container,
    ...(env && { env: env.map(defaultVariable) }),
  };
}

function defaultVariable(variable: Fields): Fields {
  const from = variable['valueFrom'] as { fieldRef?: Fields } | undefined;
  if (!from?.fieldRef) return variable;
  return { ...variable, valueFrom: { fieldRef: { apiVersion: 'v1', ...from.fieldRef } } };
}

function defaultVolume(volume: Fields): Fields {
  const mode = (kind: string) => ({ [kind]: { defaultMode: 420, ...(volume[kind] as Fields) } });
  return {
    ...volume,
    ...(volume['secret'] !== undefined && mode('secret')),
    ...(volume['configMap'] !== undefined && mode('configMap')),
  };
}
