import type { Observed } from '../decide/actions.ts';
import type { Run } from '../decide/model.ts';
import type { Held } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import { DONE, holdBack, type Performed, refuse } from './finish.ts';
import type { Deps } from './reconcile.ts';

/** What waits no longer than this keeps its room: a place in the queue of turns, or the answer to a list. */
const LONG_MS = 5_000;

/**
 * Dispatches a run once: the claim is written, then it is sent. After a crash in between nobody knows whether it was
 * sent; it is then looked for, and never sent again. A claim of which this process was not told whether it was written
 * is one after which nothing was sent: it is taken back before the next.
 */
export async function dispatch(
  deps: Deps,
  observed: Observed,
  given: Run,
  syncTest: SyncTest,
): Promise<Performed> {
  const { dispatches, records, now } = deps;
  const { release } = observed;
  const { revision } = release;
  if (!revision) return { heldBack: true };
  const run = given.dispatch ? await records.unclaimRun(given) : given;
  const ready = await dispatches.prepare(run, syncTest, release, now());
  if (ready.kind === 'held') return held(deps, observed, run, { syncTest, ...ready });
  if (ready.kind === 'refused') {
    return refuse(deps, observed, run, { syncTest, ...ready });
  }
  deps.assertActive();
  const claim = { release, revision, test: syncTest.test, dispatch: ready.dispatch };
  const claimed = await records.claimRun(run, claim).catch((error: unknown) => {
    ready.drop();
    throw error;
  });
  const sent = await ready.send();
  // Should it not be possible to take the claim back now, the next look does.
  if (sent.kind === 'held' || sent.kind === 'refused') ready.drop();
  switch (sent.kind) {
    case 'accepted':
      if (sent.link) await records.noteDispatch(claimed, sent.link);
      return DONE;
    case 'unanswered':
      await records.noteDispatch(claimed, { unanswered: sent.message });
      return DONE;
    case 'held':
      return held(deps, observed, await records.unclaimRun(claimed), { syncTest, ...sent });
    case 'refused':
      return refuse(deps, observed, await records.unclaimRun(claimed), { syncTest, ...sent });
  }
}

async function held(
  deps: Deps,
  observed: Observed,
  run: Run,
  { syncTest, until, why }: Held & { readonly syncTest: SyncTest },
): Promise<Performed> {
  if (!why) {
    // Who waits long for its turn needs no room meanwhile, and loses nothing of its time to start.
    if (until - deps.now() > LONG_MS) deps.admission.leave(run);
    return { heldBack: true, until };
  }
  return holdBack(deps, observed, run, { syncTest, until, ...why });
}
