import type { Observed } from '../decide/actions.ts';
import { keyOf, type Outcome, type Reason, type Run, type RunState, type Time } from '../decide/model.ts';
import type { Ending } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import type { Deps } from './reconcile.ts';
import { stateOf } from './world.ts';

/** Whether an action was carried out, or has to wait for something that no plan knows. */
export interface Performed {
  readonly heldBack: boolean;
  /** When to try again at the latest. */
  readonly until?: Time;
}

export const DONE: Performed = { heldBack: false };

/** How often to look whether workloads are rolled out that Helm does not wait for. */
const ROLLOUT_POLL_MS = 3_000;

/** A Secret may come a moment after its user. */
const CREDENTIALS_MS = 30_000;

interface Held {
  readonly syncTest: SyncTest;
  readonly reason: Reason;
  readonly message: string;
  /** When to try again. */
  readonly until?: Time;
}

/** Tries again in a moment, until the time to start is up. */
export async function holdBack(
  deps: Deps,
  observed: Observed,
  run: Run,
  { syncTest, reason, message, until }: Held,
): Promise<Performed> {
  const now = deps.now();
  const waitedMs = now - (deps.admission.admittedAt(run) ?? now);
  const { startTimeoutMs } = syncTest.limits;
  const limitMs = reason === 'CredentialsMissing' ? Math.min(CREDENTIALS_MS, startTimeoutMs) : startTimeoutMs;
  if (waitedMs < limitMs) {
    return { heldBack: true, until: until ?? now + ROLLOUT_POLL_MS };
  }
  return refuse(deps, observed, run, { syncTest, reason, message });
}

/** Ends a run that cannot be started. It is pinned before, for people, and so that a test that was mended runs again. */
export async function refuse(
  deps: Deps,
  observed: Observed,
  run: Run,
  { syncTest, reason, message }: Omit<Held, 'until'>,
): Promise<Performed> {
  const { release } = observed;
  const { test } = syncTest;
  const pinned = release.revision ? await deps.records.pinRun(run, release, release.revision, test) : run;
  await finish(deps, observed, pinned, { verdict: 'inconclusive', reason, message, finishedAt: deps.now() });
  return DONE;
}

/** Writes the verdict, and tells it. */
export async function finish(deps: Deps, { release }: Observed, run: Run, outcome: Outcome): Promise<void> {
  const { records, admission, log } = deps;
  const state = stateOf(deps)(run);
  // A Job that was told of is sealed. Where there is none, nothing would say after a crash that it was not told: so it is
  // told first, and once more by whoever ends the run then. The Event of a verdict is one, by its name.
  const [told] = await Promise.allSettled([
    !state || run.dispatch ? records.tellVerdict(release, run, outcome) : undefined,
  ]);
  const ended = await records.endRun(run, outcome, endingOf(state));
  admission.leave(run);
  deps.onVerdict(ended, outcome);
  const { verdict, reason } = outcome;
  log.info(
    { release: keyOf(release.ref), run: run.ref.name, test: run.test.name, verdict, reason },
    'run ended',
  );
  if (told.status === 'rejected') throw told.reason;
}

function endingOf(state: RunState | undefined): Ending {
  if (!state || state.phase === 'waiting') return { link: state?.link };
  const { link } = state;
  return state.phase === 'ended'
    ? { startedAt: state.startedAt, link, settled: true }
    : { startedAt: state.since, link };
}
