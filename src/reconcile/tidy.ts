import { keyOf, type Ref, type Run, type Time } from '../decide/model.ts';
import type { KnownJob } from '../ports.ts';
import { attempt, type Looked, settled, together } from './looked.ts';
import type { Deps } from './reconcile.ts';

/**
 * Stops what nobody waits for any more, and lets Kubernetes remove the Jobs whose verdict was written and told.
 * A run has no finalizer: its Job may outlive it, in another namespace too.
 *
 * One that cannot be told of must not keep the others running.
 */
export async function tidy(deps: Deps, ref: Ref): Promise<Looked> {
  const parts: Looked[] = [];
  for (const run of deps.world.runs.in(keyOf(ref)).filter(isUnsettled)) {
    parts.push(await attempt(settle(deps, run)));
  }
  for (const job of deps.jobs.of(ref)) parts.push(await settled(tidyJob(deps, ref, job).then(() => ({}))));
  return together(parts);
}

function isUnsettled({ outcome, dispatch }: Run): boolean {
  return outcome !== undefined && dispatch?.settled === false;
}

/** Cancels the workflow run of a run that has ended without it. @returns when to try again */
async function settle({ dispatches, records, now }: Deps, run: Run): Promise<Time | undefined> {
  const until = await dispatches.stop(run, now());
  if (until === undefined) await records.noteDispatch(run, { settled: true });
  return until;
}

async function tidyJob(deps: Deps, ref: Ref, job: KnownJob): Promise<void> {
  const { world, records, jobs } = deps;
  const known = world.runs.get(keyOf(job.run));
  const run = known?.uid === job.runUid ? known : await readOwner(deps, job);
  if (run && !run.outcome) {
    if (run.job?.uid === job.uid) deps.admission.count(run, testOf(deps, run));
    return;
  }
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
