import { setTimeout as delay } from 'node:timers/promises';
import type { Verdict } from '../../decide/model.ts';
import { isCode, PostsyncError } from '../../errors.ts';
import type { Kubernetes } from '../../kubernetes.ts';
import { followHook } from './follow.ts';
import { type Prepared, prepare } from './objects.ts';
import { hooksOf, secretOf } from './release.ts';
import { type HelmTestTask, readTask } from './task.ts';

const EXIT_CODES: Readonly<Record<Verdict, number>> = { passed: 0, failed: 1, inconclusive: 75 };

/** How often a deletion is tried. What is left then goes with the Job. */
const DELETIONS = 3;

export interface HelmTestsOptions {
  readonly kubernetes: Kubernetes;
  readonly print: (line: string) => void;
  /** Ends it early; what was created is deleted all the same. */
  readonly stopping: AbortSignal;
  readonly pollMs?: number;
}

/**
 * Runs the test hooks of a release, one after the other in Helm's order, until one does not pass. It runs inside of
 * a test's Job, writes nothing that is Helm's, and deletes all that it created.
 *
 * @param text the task, as JSON
 * @returns what the process is to exit with: 0 passed, 1 a hook failed, 75 nothing was learned of the software
 */
export async function runHelmTests(text: string | undefined, options: HelmTestsOptions): Promise<number> {
  const { print } = options;
  const task = readTask(text);
  if (!task) {
    print('there is no task');
    return EXIT_CODES.inconclusive;
  }
  const created: Prepared[] = [];
  try {
    const hooks = await readHooks(options.kubernetes, task);
    return EXIT_CODES[await runAll(hooks, task, { ...options, created })];
  } catch (error) {
    print(whyNot(error, options.stopping));
    return EXIT_CODES.inconclusive;
  } finally {
    for (const one of created.toReversed()) await remove(options.kubernetes, one, task.namespace);
  }
}

async function readHooks(kubernetes: Kubernetes, task: HelmTestTask): Promise<readonly Prepared[]> {
  const { namespace, job: name } = task;
  const job = (await kubernetes.get({ resource: 'jobs', namespace, name })) as { metadata: { uid: string } };
  const hooks = hooksOf(await kubernetes.get(secretOf(task)), task);
  return prepare(hooks, task, job.metadata);
}

async function runAll(
  hooks: readonly Prepared[],
  { namespace, timeoutMs, startTimeoutMs }: HelmTestTask,
  options: HelmTestsOptions & { readonly created: Prepared[] },
): Promise<Verdict> {
  const { kubernetes, print, stopping, created, pollMs = 1000 } = options;
  const deadline = performance.now() + timeoutMs;
  for (const hook of hooks) {
    const began = performance.now();
    await create(kubernetes, hook, namespace, created);
    if (!hook.isJudged) {
      print(`hook ${hook.hook}: ${hook.kind} created`);
      continue;
    }
    const follow = { namespace, pollMs, startTimeoutMs, deadline, stopping };
    const { verdict, message } = await followHook(kubernetes, hook, follow);
    const seconds = Math.round((performance.now() - began) / 1000);
    const [why, ...said] = verdict === 'passed' ? [''] : `: ${message}`.split('\n');
    // The last line is what people are shown of all this.
    for (const line of said) print(line);
    print(`hook ${hook.hook}: ${verdict} in ${seconds}s${why}`);
    if (verdict !== 'passed') return verdict;
  }
  return 'passed';
}

/** Counts as created as soon as it may have been. */
async function create(
  kubernetes: Kubernetes,
  hook: Prepared,
  namespace: string,
  created: Prepared[],
): Promise<void> {
  const { resource, object } = hook;
  try {
    await kubernetes.create({ resource, namespace }, object);
    created.push(hook);
  } catch (error) {
    if (isCode(error, 'API_UNAVAILABLE')) created.push(hook);
    throw error;
  }
}

async function remove(
  kubernetes: Kubernetes,
  { resource, name }: Prepared,
  namespace: string,
): Promise<void> {
  for (let left = DELETIONS; left > 0; left -= 1) {
    try {
      await kubernetes.remove({ resource, namespace, name });
      return;
    } catch (error) {
      if (!isCode(error, 'API_UNAVAILABLE')) return;
      await delay(1000);
    }
  }
}

function whyNot(error: unknown, stopping: AbortSignal): string {
  if (stopping.aborted) return 'it was told to stop';
  if (!(error instanceof PostsyncError)) return `postsync's own fault: ${(error as Error).stack}`;
  const hint = error.code === 'API_FORBIDDEN' ? ' (see manifests/components/helm-test)' : '';
  return `${error.message}${hint}`;
}
