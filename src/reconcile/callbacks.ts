import { setTimeout as delay } from 'node:timers/promises';
import { keyOf, type Ref, releaseOf } from '../decide/model.ts';
import { PostsyncError } from '../errors.ts';
import { runFields } from '../log.ts';
import type { Callbacks } from '../ports.ts';
import type { Deps } from './reconcile.ts';

/** The job that calls back is part of the workflow run, which ends a moment after it. */
const UNTIL_ENDED_MS = [3_000, 10_000];

export interface CallbacksOptions {
  /** Look at a release. */
  readonly onRelease: (release: Ref) => void;
  /** When to ask GitHub again about a workflow run that says it has completed. */
  readonly untilEndedMs?: readonly number[];
}

/** Serves callbacks. Any replica may: it only writes down which workflow run it is, and the active one follows it. */
export function createCallbacks(
  { world, records, dispatches, log }: Pick<Deps, 'world' | 'records' | 'dispatches' | 'log'>,
  { onRelease, untilEndedMs = UNTIL_ENDED_MS }: CallbacksOptions,
): Callbacks {
  /** Runs that are asked about again. */
  const ending = new Set<string>();

  /** @returns whether anything goes on that it may be the workflow run of */
  async function verify(ref: Ref, id: number): Promise<boolean> {
    const run = await records.readRun(ref);
    if (!run?.dispatch || run.outcome) return false;
    const { runId, repository } = run.dispatch;
    const link = runId === undefined || runId === id ? await dispatches.confirm(run, id) : undefined;
    if (!link)
      throw new PostsyncError('OTHER_WORKFLOW_RUN', `${keyOf(ref)} did not cause run ${id} of ${repository}`);
    if (runId === undefined) await records.noteDispatch(run, link);
    onRelease(releaseOf(run));
    return true;
  }

  async function askAgain(ref: Ref, id: number): Promise<void> {
    const key = keyOf(ref);
    if (ending.has(key)) return;
    ending.add(key);
    try {
      for (const ms of untilEndedMs) {
        await delay(ms, undefined, { ref: false });
        if (!(await verify(ref, id))) break;
      }
    } catch (err) {
      log.debug({ err, ...runFields(ref) }, 'callback not verified again');
    } finally {
      ending.delete(key);
    }
  }

  return {
    dispatchOf(ref) {
      const run = world.runs.get(keyOf(ref));
      if (!run?.dispatch) return undefined;
      const { repository, apiUrl } = run.dispatch;
      return { uid: run.uid, repository, apiUrl, ended: run.outcome !== undefined };
    },
    async told(ref, id, status) {
      const goesOn = await verify(ref, id);
      if (goesOn && status === 'completed') void askAgain(ref, id);
    },
  };
}
