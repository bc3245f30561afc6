import type { Action, Observed } from '../decide/actions.ts';
import { requestOf } from '../decide/due.ts';
import { runName } from '../decide/identity.ts';
import { keyOf, type Run } from '../decide/model.ts';
import { isStarted } from '../decide/standing.ts';
import { isCode, isServerError } from '../errors.ts';
import type { SyncTest } from '../synctest.ts';
import { dispatch } from './dispatch.ts';
import { DONE, finish, holdBack, type Performed, refuse } from './finish.ts';
import type { Deps } from './reconcile.ts';
import { syncTestOf } from './world.ts';

/** Carries out one action of a plan. Each one may be repeated after a crash at any point. */
export async function perform(deps: Deps, observed: Observed, action: Action): Promise<Performed> {
  const { records } = deps;
  const { release } = observed;
  switch (action.type) {
    case 'create': {
      deps.assertActive();
      const { test, revision, attempt } = action;
      const name = runName({ name: release.ref.name, uid: release.uid }, revision, test, attempt);
      await records.createRun({ ...action, name, release, request: requestOf(release) });
      return DONE;
    }
    case 'pin':
      await records.pinRun(action.run, release, action.revision);
      return DONE;
    case 'start':
      return start(deps, observed, action.run);
    case 'adopt':
      return adopt(deps, observed, action.run);
    case 'find':
      await find(deps, observed, action.run);
      return DONE;
    case 'link':
      await records.noteDispatch(action.run, action.link);
      return DONE;
    case 'finish':
      await finish(deps, observed, action.run, action.outcome);
      return DONE;
    case 'remove':
      await records.removeRun(action.run);
      return DONE;
  }
}

async function start(deps: Deps, observed: Observed, run: Run): Promise<Performed> {
  const { world, admission } = deps;
  const { release } = observed;
  const syncTest = syncTestOf(world, run, release);
  if (!syncTest || !release.revision) return { heldBack: true };
  if (!admission.ask(run, syncTest.test)) return { heldBack: true };
  try {
    return await startAdmitted(deps, observed, run, syncTest);
  } catch (error) {
    // It may be minutes until it is tried again, and others could start meanwhile.
    if (!goesOn(deps, observed, run)) admission.giveBack(run);
    throw error;
  }
}

/** Whether a run was started, as far as is known now; its Job may not be written down on it. */
function goesOn({ world, jobs }: Deps, { release }: Observed, run: Run): boolean {
  const now = world.runs.get(keyOf(run.ref)) ?? run;
  return isStarted(now) || jobs.of(release.ref).some(({ runUid }) => runUid === run.uid);
}

async function startAdmitted(
  deps: Deps,
  observed: Observed,
  run: Run,
  syncTest: SyncTest,
): Promise<Performed> {
  const { records } = deps;
  const { release } = observed;
  const late = await records.notRolledOut(release.workloads);
  if (late) {
    const message = `${late.resource} ${late.namespace}/${late.name} is not rolled out`;
    return holdBack(deps, observed, run, { syncTest, reason: 'StartTimedOut', message });
  }
  deps.assertActive();
  return syncTest.body.kind === 'github'
    ? dispatch(deps, observed, run, syncTest)
    : startJob(deps, observed, run, syncTest);
}

async function startJob(deps: Deps, observed: Observed, run: Run, syncTest: SyncTest): Promise<Performed> {
  const { records, jobs } = deps;
  const { release } = observed;
  const { revision } = release;
  if (!revision) return { heldBack: true };
  const started = await jobs.start(run, syncTest, release, deps.now()).catch((error: unknown) => ({ error }));
  if ('error' in started) return refused(deps, observed, run, { syncTest, error: started.error });
  if ('outcome' in started) {
    // Also says for people which revision it is about, as a start does.
    await finish(deps, observed, await records.pinRun(run, release, revision), started.outcome);
    return DONE;
  }
  await records.startRun(run, { release, revision, test: syncTest.test, ...started });
  return DONE;
}

/** Writes down the Job that was created before a crash. What it shows counts from then on. */
async function adopt(deps: Deps, observed: Observed, run: Run): Promise<Performed> {
  const { world, records, jobs } = deps;
  const { release } = observed;
  const syncTest = syncTestOf(world, run, release);
  if (!syncTest || !release.revision) return { heldBack: true };
  const found = await jobs.adopt(run, syncTest, release).catch((error: unknown) => ({ error }));
  if (!found) return DONE;
  if ('error' in found) return refused(deps, observed, run, { syncTest, error: found.error });
  await records.startRun(run, { release, revision: release.revision, test: syncTest.test, ...found });
  return DONE;
}

/**
 * What cannot work ends the run at once; what may work later, such as a full quota or a broken webhook, when the time to
 * start is up. Where the Job was created all the same, the next look adopts it.
 */
async function refused(
  deps: Deps,
  observed: Observed,
  run: Run,
  { syncTest, error }: { readonly syncTest: SyncTest; readonly error: unknown },
): Promise<Performed> {
  const message = error instanceof Error ? error.message : String(error);
  if (isCode(error, 'API_REJECTED', 'JOB_CONFLICT')) {
    const reason = error.code === 'API_REJECTED' ? 'JobRefused' : 'JobConflict';
    return refuse(deps, observed, run, { syncTest, reason, message });
  }
  if (!isCode(error, 'API_FORBIDDEN', 'API_NOT_FOUND') && !isServerError(error)) throw error;
  return holdBack(deps, observed, run, { syncTest, reason: 'PodRefused', message });
}

async function find(deps: Deps, observed: Observed, run: Run): Promise<void> {
  await deps.jobs.refresh(run);
  if (deps.jobs.stateOf(run, deps.now())) return;
  await finish(deps, observed, run, {
    verdict: 'inconclusive',
    reason: 'JobLost',
    message: 'its Job was gone before its outcome was written',
    finishedAt: deps.now(),
  });
}
