import { PostsyncError } from '../../src/errors.ts';
import type { Thing } from './subject.ts';

/** An image that runs a shell on the real cluster. The embedded one runs the command wherever it is. */
export const IMAGE = 'busybox:1';

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

export interface State {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: {
    readonly exitCode: number;
    readonly reason: string;
    readonly message?: string;
    readonly startedAt: string;
    readonly finishedAt: string;
  };
}

/** The policy of postsync's own Jobs. */
const podFailurePolicy = {
  rules: [
    { action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget' }] },
    { action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0] } },
  ],
};

/** A Job of one container; `spec` and `container` are merged in. */
export const job = (
  name: string,
  command: readonly string[] | undefined,
  spec: object = {},
  container: object = {},
) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: {
    backoffLimit: 0,
    podFailurePolicy,
    ...spec,
    template: {
      spec: {
        restartPolicy: 'Never',
        automountServiceAccountToken: false,
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'main',
            image: IMAGE,
            imagePullPolicy: 'IfNotPresent',
            terminationMessagePolicy: 'FallbackToLogsOnError',
            ...(command && { command }),
            ...container,
          },
        ],
      },
    },
  },
});

export const shell = (script: string) => ['sh', '-c', script];

export const stateOf = (pod: Thing | undefined): State => {
  const [container] = (pod?.status?.['containerStatuses'] ?? []) as readonly { state: State }[];
  return container?.state ?? {};
};
export const conditionsOf = (object: Thing) => (object.status?.['conditions'] ?? []) as readonly Condition[];

export const isGone = (error: unknown) => error instanceof PostsyncError && error.code === 'API_NOT_FOUND';

export const says = ({ type, status, reason }: Condition) => `${type}=${status} ${reason}`;
