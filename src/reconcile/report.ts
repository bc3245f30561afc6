import { runsOf } from '../decide/due.ts';
import { keyOf, type Ref, type Release, type Run, type Time } from '../decide/model.ts';
import { hasEnded, standingOf } from '../decide/standing.ts';
import type { Ended } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import { attempt, type Looked, together } from './looked.ts';
import type { Deps } from './reconcile.ts';
import { observe } from './world.ts';

/** Nobody waits longer for a report; and a test that asks for one anew has none of what ended long ago. */
const GIVE_UP_MS = 3_600_000;

/**
 * Reports what each test says finally about the deployed revision, where it asks for that and it was not done.
 * Runs of other revisions are not reported: nobody knows any more which commit they came from.
 */
export async function report(deps: Deps, ref: Ref): Promise<Looked> {
  const { world, now } = deps;
  const asks = ({ test }: Run) => world.tests.get(keyOf(test))?.commitStatus !== undefined;
  if (!world.runs.in(keyOf(ref)).some((run) => hasEnded(run) && !run.commitStatus && asks(run))) return {};
  const policy = deps.policy();
  const observed = observe(deps, ref);
  if (!observed?.release.revision) return {};
  const { release, selection } = observed;
  const { digest } = observed.release.revision;
  const parts: Looked[] = [];
  for (const { test } of selection.wanted) {
    const syncTest = test.kind === 'SyncTest' ? world.tests.get(keyOf(test.ref)) : undefined;
    if (!syncTest?.commitStatus) continue;
    const { final: run } = standingOf(runsOf(test, digest, observed), test, policy);
    if (!run || run.commitStatus || now() - run.outcome.finishedAt > GIVE_UP_MS) continue;
    parts.push(await attempt(reportOne(deps, run, syncTest, release)));
  }
  return together(parts);
}

/** @returns when to ask again; `undefined`: it is done, or the release is looked at again anyway */
async function reportOne(
  { records, reports, assertActive }: Deps,
  run: Ended,
  syncTest: SyncTest,
  release: Release,
): Promise<Time | undefined> {
  assertActive();
  const found = reports.report(run, syncTest, release);
  if (typeof found === 'number') return found;
  if (found) await records.noteReport(release, run, found);
  return undefined;
}
