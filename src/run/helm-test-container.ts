import type { Release, Run } from '../decide/model.ts';
import type { HelmTest, SyncTest } from '../synctest.ts';
import type { HelmTestTask } from './helm-tests/task.ts';
import { literal } from './job-env.ts';
import type { PodSpec } from './plain.ts';

/** The variable that brings the task to the program that does it. */
export const HELM_TEST_VARIABLE = 'POSTSYNC_HELM_TEST';

/** The account that may read the release and create its hooks: manifests/components/helm-test. */
export const HELM_TEST_ACCOUNT = 'postsync-helm-test';

/** The hooks end so long before the test's own timeout that it can still be said what was wrong, and cleaned up. */
const SPARE_MS = 10_000;

/** The Pod that runs a chart's test hooks: postsync's own image, with the only token that postsync gives a test. */
export function helmTestPod(
  run: Run,
  { limits }: SyncTest,
  { filters }: HelmTest,
  { release, image }: { readonly release: Release; readonly image: string },
): PodSpec {
  const { ref, revision, storageNamespace = ref.namespace } = release;
  const task: HelmTestTask = {
    job: run.ref.name,
    namespace: revision?.targetNamespace ?? ref.namespace,
    storageNamespace,
    helmRelease: revision?.helmRelease ?? ref.name,
    version: revision?.version ?? 0,
    filters,
    timeoutMs: Math.max(1000, limits.timeoutMs - SPARE_MS),
    startTimeoutMs: limits.startTimeoutMs,
  };
  return {
    serviceAccountName: HELM_TEST_ACCOUNT,
    automountServiceAccountToken: true,
    containers: [
      {
        name: 'helm-test',
        image,
        imagePullPolicy: 'IfNotPresent',
        args: ['helm-test'],
        env: [{ name: HELM_TEST_VARIABLE, value: literal(JSON.stringify(task)) }],
        resources: { requests: { cpu: '10m', memory: '96Mi' }, limits: { memory: '256Mi' } },
        securityContext: { readOnlyRootFilesystem: true },
      },
    ],
  };
}
