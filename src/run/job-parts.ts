import type { V1JobSpec, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import type { JobTemplate, ShortJob } from '../synctest.ts';
import { present } from '../values.ts';
import type { Container, PodSpec } from './plain.ts';

/** A test's Job as far as the test itself says what is in it. */
export interface JobParts {
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly spec: Omit<V1JobSpec, 'template'>;
  readonly podLabels?: Readonly<Record<string, string>> | undefined;
  readonly podAnnotations?: Readonly<Record<string, string>> | undefined;
  readonly pod: PodSpec;
}

/** Kubernetes' own way to say which container of several is the one that matters. */
const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The flat form of `job`: one container, named `test`. */
export function shortParts(job: ShortJob): JobParts {
  const { secrets = [], configMaps = [], imagePullSecrets, serviceAccountName, ...rest } = job;
  const { backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished, ...container } = rest;
  const volumes: V1Volume[] = [
    ...secrets.map(({ name }, at) => ({ name: `secret-${at}`, secret: { secretName: name } })),
    ...configMaps.map(({ name }, at) => ({ name: `config-map-${at}`, configMap: { name } })),
  ];
  const volumeMounts: V1VolumeMount[] = [...secrets, ...configMaps].map(({ mountPath }, at) => ({
    name: volumes[at]?.name ?? '',
    mountPath,
    readOnly: true,
  }));
  return {
    spec: present({ backoffLimit, activeDeadlineSeconds, ttlSecondsAfterFinished }),
    pod: {
      containers: [
        { name: 'test', ...(container as Partial<Container>), ...(volumes.length > 0 && { volumeMounts }) },
      ],
      ...(volumes.length > 0 && { volumes }),
      ...present({ imagePullSecrets, serviceAccountName }),
    },
  };
}

/** A JobTemplateSpec as it is; the API server judges it. */
export function templateParts({ metadata, spec }: JobTemplate): JobParts {
  const { template, ...rest } = spec;
  return {
    labels: metadata?.labels,
    annotations: metadata?.annotations,
    spec: rest as unknown as Omit<V1JobSpec, 'template'>,
    podLabels: template.metadata?.labels,
    podAnnotations: template.metadata?.annotations,
    pod: template.spec as unknown as PodSpec,
  };
}

/**
 * The containers whose exit codes are the test's: the one that the Pod's annotation names, else all that the test
 * names. What others add to the Pod (a mesh's proxy) may go on when these have ended.
 */
export function countedContainers({ podAnnotations, pod }: JobParts): readonly string[] {
  const names = pod.containers.map(({ name }) => name);
  const named = podAnnotations?.[DEFAULT_CONTAINER];
  return named !== undefined && names.includes(named) ? [named] : names;
}
