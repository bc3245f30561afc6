import type { TestContext } from 'node:test';

/**
 * What a scenario may need besides KUBECONFIG. Each is a command or a name that only whoever owns the cluster
 * can know; scripts/e2e-shared-cluster.sh is an example of all of them.
 */
const VARIABLES = {
  /** postsync's own image, as the cluster's nodes can pull it. */
  E2E_IMAGE: 'the image of postsync in the cluster',
  /** `CMD DIR NAME` commits a folder to the git repository NAME, makes it when there is none. */
  E2E_PUBLISH_COMMAND: 'a command that publishes a folder as a git repository',
  /** Where source-controller finds a repository, with `NAME` in it. */
  E2E_GIT_URL_TEMPLATE: 'the URL of a published git repository, with NAME for its name',
  /** `CMD pause-apiserver|resume-apiserver|restart-apiserver|pause-etcd|resume-etcd`. */
  E2E_FAULTS_COMMAND: 'a command that stops and starts the control plane',
} as const;

export type Variable = keyof typeof VARIABLES;

/** An image with a shell, `httpd` and `nc`, for the tests and for what they test. */
export const TEST_IMAGE = process.env['E2E_TEST_IMAGE'] ?? 'busybox:1';

/** Leaves the namespaces behind, to look at them. */
export const KEEP = process.env['E2E_KEEP'] === '1';

/** Where postsync's own log goes, a file each for every process. */
export const LOG_DIR = process.env['E2E_LOG_DIR'];

/**
 * The values of some variables; `undefined` when one is missing, and the test is skipped for that. With
 * E2E_REQUIRE_ALL=1 it fails instead: what did not run was not shown to work.
 */
export function need<V extends Variable>(t: TestContext, ...variables: V[]): Record<V, string> | undefined {
  const missing = variables.filter((variable) => !process.env[variable]);
  if (missing.length === 0) {
    return Object.fromEntries(variables.map((name) => [name, process.env[name]])) as Record<V, string>;
  }
  const why = missing.map((name) => `${name} is not set (${VARIABLES[name]})`).join('; ');
  if (process.env['E2E_REQUIRE_ALL'] === '1') throw new Error(why);
  t.skip(why);
  return undefined;
}
