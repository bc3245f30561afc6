import { runsOf } from '../decide/due.ts';
import { keyOf, type Ref, type Run, type Time } from '../decide/model.ts';
import { hasEnded, standingOf } from '../decide/standing.ts';
import { earliest } from '../decide/time.ts';
import type { Deps } from './reconcile.ts';
import { observe } from './world.ts';

/** Nobody waits longer for a report; and a test that asks for one anew has none of what ended long ago. */
const GIVE_UP_MS = 3_600_000;

/**
 * Reports what each test says finally about the deployed revision, where it asks for that and it was not done.
 * Runs of other revisions are not reported: nobody knows any more which commit they came from.
 *
 * @returns when to come back; `undefined`: nothing is left to do, or the release is looked at again anyway
 */
export async function report(deps: Deps, ref: Ref): Promise<Time | undefined> {
  const { world, records, reports, now } = deps;
  const asks = ({ test }: Run) => world.tests.get(keyOf(test))?.commitStatus !== undefined;
  if (!world.runs.in(keyOf(ref)).some((run) => hasEnded(run) && !run.commitStatus && asks(run)))
    return undefined;
  const policy = deps.policy();
  const observed = observe(deps, ref);
  if (!observed?.release.revision) return undefined;
  const { release, selection } = observed;
  const { digest } = observed.release.revision;
  const again: Time[] = [];
  for (const { test } of selection.wanted) {
    const syncTest = test.kind === 'SyncTest' ? world.tests.get(keyOf(test.ref)) : undefined;
    if (!syncTest?.commitStatus) continue;
    const { final: run } = standingOf(runsOf(test, digest, observed), test, policy);
    if (!run || run.commitStatus || now() - run.outcome.finishedAt > GIVE_UP_MS) continue;
    deps.assertActive();
    const found = reports.report(run, syncTest, release);
    if (typeof found === 'number') again.push(found);
    else if (found) await records.noteReport(release, run, found);
  }
  return earliest(again);
}
