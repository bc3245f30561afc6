import type { Action, Observed, Plan } from '../decide/actions.ts';
import { runName } from '../decide/identity.ts';
import { KEYS } from '../decide/keys.ts';
import {
  keyOf,
  type Outcome,
  type Policy,
  type Ref,
  type Release,
  type Result,
  type Run,
  type Time,
} from '../decide/model.ts';
import { plan } from '../decide/plan.ts';
import { project } from '../decide/result.ts';
import type { Problem } from '../decide/select.ts';
import { earliest } from '../decide/time.ts';
import { isCode, isServerError } from '../errors.ts';
import type { Logger } from '../log.ts';
import type { Dispatches, Jobs, Records, Reports } from '../ports.ts';
import type { Admission } from './admission.ts';
import { type Looked, settled, together } from './looked.ts';
import { perform } from './perform.ts';
import { report } from './report.ts';
import { tidy } from './tidy.ts';
import { observe, type World } from './world.ts';

/** All that a look needs from outside. */
export interface Deps {
  readonly world: World;
  readonly records: Records;
  readonly jobs: Jobs;
  readonly dispatches: Dispatches;
  readonly reports: Reports;
  readonly admission: Admission;
  readonly policy: () => Policy;
  readonly log: Logger;
  readonly now: () => Time;
  /** Throws unless this replica may create things now. */
  readonly assertActive: () => void;
  readonly onVerdict: (run: Run, outcome: Outcome) => void;
  readonly onResult: (release: Ref, result: Result | undefined) => void;
}

/** Plan, act, plan again: creating a run makes starting it due, and so on. More rounds than this are a mistake. */
const MAX_ROUNDS = 8;

/** A live read older than this is read again before anything is created because of it. */
const FRESH_MS = 2_000;

/**
 * Brings one release up to date: observe, decide, write down the intent, act, write down the result.
 * Safe at any time and after any crash, because its only input is a name.
 *
 * What fails at the end of it keeps nothing else from being done.
 */
export async function reconcile(deps: Deps, ref: Ref): Promise<Looked> {
  try {
    const carried = await carryOut(deps, ref);
    if (carried.failure !== undefined) standAside(deps, ref);
    const parts = [carried];
    for (const part of [writeResult, tidy, report]) parts.push(await settled(part(deps, ref)));
    return together(parts);
  } catch (failure) {
    standAside(deps, ref);
    return { failure };
  }
}

/** What is due could not be done: until the next look its runs keep nobody from starting whose turn is after theirs. */
export function standAside({ world, admission }: Pick<Deps, 'world' | 'admission'>, ref: Ref): void {
  for (const run of world.runs.in(keyOf(ref))) admission.withdraw(run);
}

async function carryOut(deps: Deps, ref: Ref): Promise<Looked> {
  const { admission, now, log } = deps;
  const heldBack = new Map<string, Time | undefined>();
  /** Runs whose end was known before the release was read. */
  const readFor = new Set<string>();
  let freshUntil = 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const observed = observe(deps, ref);
    if (!observed) return endOrphans(deps, ref);
    const planned = plan(observed, deps.policy(), now());
    const actions = planned.actions.filter(
      (action) => action.type === 'create' || !heldBack.has(keyOf(action.run.ref)),
    );
    if (actions.length === 0) {
      makeRoom(admission, observed, heldBack);
      return { wakeAt: earliest([planned.wakeAt, ...heldBack.values()]) };
    }
    const ending = actions.filter((action) => action.type === 'finish');
    const isFresh = Date.now() <= freshUntil && ending.every(({ run }) => readFor.has(keyOf(run.ref)));
    if (needsFresh(actions) && !isFresh) {
      ending.forEach(({ run }) => readFor.add(keyOf(run.ref)));
      await readLive(deps, ref, ending);
      freshUntil = Date.now() + FRESH_MS;
      // By what was read, the plan may be another one.
      continue;
    }
    const described = actions.map((action) => describe(action, observed.release));
    log.info({ release: keyOf(ref), actions: described, because: planned.because }, 'planned');
    const failure = await performAll(deps, observed, actions, heldBack);
    if (failure !== undefined) {
      return { failure, wakeAt: earliest([planned.wakeAt, ...heldBack.values()]) };
    }
  }
  log.error({ release: keyOf(ref) }, 'still something to do after many rounds; looking again in a minute');
  return { wakeAt: now() + 60_000 };
}

/** To forget an old run is right whatever the release does now. */
function needsFresh(actions: readonly Action[]): boolean {
  return actions.some(({ type }) => type !== 'remove');
}

/** A run that does not ask to start stands in nobody's way; one that has ended, or is not begun, takes no room either. */
function makeRoom(
  admission: Admission,
  { runs, stateOf }: Observed,
  heldBack: ReadonlyMap<string, unknown>,
): void {
  for (const run of runs.filter(({ ref }) => !heldBack.has(keyOf(ref)))) {
    if (!run.outcome && (run.job || stateOf(run))) admission.withdraw(run);
    else admission.leave(run);
  }
}

/** Runs of a release that is not there. Most go with it, but neither all that people create nor those of an orphaning deletion. */
async function endOrphans(
  { world, records, admission, onVerdict, now }: Deps,
  ref: Ref,
): Promise<{ readonly wakeAt?: undefined }> {
  const open = world.runs.in(keyOf(ref)).filter(({ outcome }) => !outcome);
  if (open.length === 0 || (await records.readRelease(ref))) return {};
  const message = `there is no HelmRelease ${ref.name} in namespace ${ref.namespace}`;
  const outcome: Outcome = { verdict: 'inconclusive', reason: 'ReleaseGone', message, finishedAt: now() };
  for (const run of open) {
    try {
      onVerdict(await records.endRun(run, outcome), outcome);
    } catch (error) {
      // It went with its release.
      if (!isCode(error, 'API_NOT_FOUND')) throw error;
    }
    admission.leave(run);
  }
  return {};
}

/** Nothing is started, and no verdict counts, by what was only watched. */
async function readLive({ records, jobs }: Deps, ref: Ref, ending: readonly Finish[]): Promise<void> {
  await Promise.all([
    records.readRelease(ref),
    ...ending.map(({ run }) => jobs.refresh(run)),
    ...ending.filter(isForWantOfTest).map(({ run }) => records.readTest(run.test)),
  ]);
}

type Finish = Extract<Action, { type: 'finish' }>;

/** A run and its test may be created together, and seen in the other order. */
function isForWantOfTest({ run, outcome }: Finish): boolean {
  return run.testKind === 'SyncTest' && (outcome.reason === 'TestGone' || outcome.reason === 'NotSelected');
}

/** Carries out what it can; what fails does not keep the rest from being written. @returns the first failure */
async function performAll(
  deps: Deps,
  observed: Observed,
  actions: Plan['actions'],
  heldBack: Map<string, Time | undefined>,
): Promise<unknown> {
  const settled = await Promise.allSettled(actions.map((action) => perform(deps, observed, action)));
  for (const [index, result] of settled.entries()) {
    const action = actions[index] as Action;
    if (result.status === 'fulfilled' && result.value.heldBack && 'run' in action) {
      heldBack.set(keyOf(action.run.ref), result.value.until);
    }
  }
  return settled.find((result) => result.status === 'rejected')?.reason;
}

/** The keys on the HelmRelease, patched when they differ from what the runs say. */
async function writeResult(deps: Deps, ref: Ref): Promise<Looked> {
  const { world, records, log, onResult } = deps;
  const policy = deps.policy();
  const observed = observe(deps, ref);
  if (!observed) onResult(ref, undefined);
  if (!observed || observed.release.deleting) return {};
  const projection = project(observed, policy);
  const { release, selection } = observed;
  if (Object.keys(projection.annotations).length + Object.keys(projection.labels).length > 0) {
    // Told first: nobody would tell them once their lines are written. What the server answers with a failure holds nothing up.
    const [told] = await Promise.allSettled([tellProblems(deps, release, selection.problems)]);
    if (told.status === 'rejected' && isUnanswered(told.reason)) throw told.reason;
    await records.writeProjection(release, projection);
    log.info({ release: keyOf(ref), result: projection.annotations[KEYS.result] }, 'result written');
    if (told.status === 'rejected') throw told.reason;
  }
  onResult(ref, world.releases.get(keyOf(ref))?.annotations[KEYS.result] as Result | undefined);
  return {};
}

function isUnanswered(error: unknown): boolean {
  return isCode(error, 'API_UNAVAILABLE') && !isServerError(error);
}

/** Each is one Event, by its name. */
async function tellProblems(
  { records }: Deps,
  release: Release,
  problems: readonly Problem[],
): Promise<void> {
  for (const problem of problems) await records.tellProblem(release, problem);
}

/** An action and the name of its run, by which all lines about it are found. */
function describe(action: Action, { ref, uid }: Release): string {
  if (action.type !== 'create') return `${action.type} ${action.run.ref.name}`;
  return `create ${runName({ name: ref.name, uid }, action.revision, action.test, action.attempt)}`;
}
