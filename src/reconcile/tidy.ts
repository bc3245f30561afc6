import { keyOf, type Ref, type Run } from '../decide/model.ts';
import type { KnownJob } from '../ports.ts';
import type { Deps } from './reconcile.ts';

/**
 * Stops the Jobs that nobody waits for any more, and lets Kubernetes remove those whose verdict was written and told.
 * A run has no finalizer: its Job may outlive it, in another namespace too.
 */
export async function tidy(deps: Deps, ref: Ref): Promise<void> {
  const failures: unknown[] = [];
  for (const job of deps.jobs.of(ref)) {
    // One that cannot be told of must not keep the others running.
    await tidyJob(deps, ref, job).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

async function tidyJob(deps: Deps, ref: Ref, job: KnownJob): Promise<void> {
  const { world, records, jobs } = deps;
  const known = world.runs.get(keyOf(job.run));
  const run = known?.uid === job.runUid ? known : await readOwner(deps, job);
  if (run && !run.outcome) return deps.admission.count(run, testOf(deps, run));
  if (!job.isFinished && !job.isStopping) await jobs.stop(job);
  if (job.isSealed) return;
  const release = world.releases.get(keyOf(ref));
  if (run?.outcome && release && release.uid === run.releaseUid) {
    await records.tellVerdict(release, run, run.outcome);
  }
  await jobs.seal(job);
}

/** The run of a Job, if it is still there: only a live read may say that it is not. */
async function readOwner({ records }: Deps, job: KnownJob): Promise<Run | undefined> {
  if (job.isSealed && (job.isFinished || job.isStopping)) return undefined;
  const run = await records.readRun(job.run);
  return run?.uid === job.runUid ? run : undefined;
}

function testOf({ world }: Deps, run: Run) {
  return run.testKind === 'SyncTest' ? world.tests.get(keyOf(run.test))?.test : undefined;
}
