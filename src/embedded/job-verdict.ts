import type { KubeObject } from './objects.ts';

/** Why a Job fails, as its condition says it. */
export interface Failure {
  readonly reason: string;
  readonly message: string;
}

interface Rule {
  readonly action: string;
  readonly onExitCodes?: {
    readonly containerName?: string;
    readonly operator: string;
    readonly values: readonly number[];
  };
  readonly onPodConditions?: readonly { readonly type: string; readonly status: string }[];
}

interface PodStatus {
  readonly phase?: string;
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  readonly containerStatuses?: readonly {
    readonly name: string;
    readonly state: { readonly terminated?: { readonly exitCode: number } };
  }[];
}

interface Facts {
  readonly pods: readonly KubeObject[];
  readonly failed: number;
  /** Its time is up. */
  readonly overdue: boolean;
}

/** How a Job will end, if that is clear by now. */
export function verdictOf(
  { spec = {} }: KubeObject,
  { pods, failed, overdue }: Facts,
): Failure | 'passed' | undefined {
  const statuses = pods.map((pod) => ({ pod, status: (pod.status ?? {}) as PodStatus }));
  if (statuses.some(({ status }) => status.phase === 'Succeeded')) return 'passed';
  const { rules = [] } = (spec['podFailurePolicy'] ?? {}) as { rules?: readonly Rule[] };
  let ignored = 0;
  for (const { pod, status } of statuses.filter(({ status }) => status.phase === 'Failed')) {
    const match = matchOf(rules, pod, status);
    if (match?.action === 'FailJob') {
      return { reason: 'PodFailurePolicy', message: match.message };
    }
    if (match?.action === 'Ignore') ignored++;
  }
  if (overdue) {
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }
  if (failed - ignored > (spec['backoffLimit'] as number)) {
    return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
  }
  return undefined;
}

/** The first rule of a podFailurePolicy that a failed Pod matches. */
function matchOf(rules: readonly Rule[], { metadata }: KubeObject, status: PodStatus) {
  const pod = `${metadata.namespace}/${metadata.name}`;
  for (const [index, { action, onExitCodes, onPodConditions }] of rules.entries()) {
    const ending = `matching ${action} rule at index ${index}`;
    const condition = onPodConditions?.find((wanted) =>
      (status.conditions ?? []).some((one) => one.type === wanted.type && one.status === wanted.status),
    );
    if (condition) return { action, message: `Pod ${pod} has condition ${condition.type} ${ending}` };
    const container = status.containerStatuses?.find(({ name, state }) => {
      const code = state.terminated?.exitCode ?? 0;
      if (!onExitCodes || code === 0) return false;
      if (onExitCodes.containerName !== undefined && onExitCodes.containerName !== name) return false;
      return onExitCodes.values.includes(code) === (onExitCodes.operator === 'In');
    });
    if (container) {
      const code = container.state.terminated?.exitCode;
      const message = `Container ${container.name} for pod ${pod} failed with exit code ${code} ${ending}`;
      return { action, message };
    }
  }
  return undefined;
}
