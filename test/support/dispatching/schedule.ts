import assert from 'node:assert/strict';
import type { Reason, Run, Verdict } from '../../../src/decide/model.ts';
import type { Asked, Fault } from '../github/faults.ts';
import type { Conclusion, Run as WorkflowRun } from '../github/model.ts';
import type { Listing } from '../github/runs.ts';
import {
  aDispatchingWorld,
  type Death,
  type DispatchingWorld,
  REPOSITORY,
  runIn,
  type Trouble,
  WORKFLOWS,
} from './world.ts';

/** Which requests to GitHub something is about. */
export type About = 'dispatch' | 'list' | 'read' | 'cancel' | 'any';

/** What happens, one after the other. */
export type Happening =
  /** Time passes, and postsync looks when it wants to. */
  | { readonly type: 'pass' | 'sleep'; readonly seconds: number }
  | { readonly type: 'look' | 'both look' | 'upgrade' }
  /** Real time passes until GitHub has taken a dispatch. */
  | { readonly type: 'arrives' }
  /** The request to GitHub of this number that it is about goes wrong. */
  | { readonly type: 'fault'; readonly about: About; readonly at: number; readonly fault: Fault }
  /** GitHub answers 503 to everything for so long. */
  | { readonly type: 'outage'; readonly seconds: number }
  | {
      readonly type: 'limit';
      readonly seconds: number;
      readonly status: 403 | 429;
      readonly retryAfter: boolean;
    }
  | { readonly type: 'listing'; readonly listing: Listing }
  | { readonly type: 'starts'; readonly which: number }
  | { readonly type: 'ends'; readonly which: number; readonly conclusion: Conclusion }
  | ({ readonly type: 'dies'; readonly which: number } & Death)
  | ({ readonly type: 'trouble' } & Trouble);

export interface Schedule {
  readonly happenings: readonly Happening[];
  readonly oldEnterprise: boolean;
  readonly retries: number;
  /** One test for each trigger, or a test for this one. */
  readonly trigger?: Trigger;
  /** So old workflow runs end by themselves; absent: they do not. */
  readonly endsAfter?: { readonly seconds: number; readonly conclusion: Conclusion } | undefined;
  /** How the workflow runs that go on at the end conclude; absent: they go on for ever. */
  readonly conclusion?: Conclusion | undefined;
}

export type Trigger = 'repository_dispatch' | 'workflow_dispatch';

/** What was seen in schedules, for people to see that they are worth something. */
export type Seen = Record<string, number>;

const TIMEOUT_S = 120;
/** Longer than GitHub is asked again and again after failures, and a run is cancelled after its end. */
const CALM_S = 1_500;
/** Until when after its end a run is cancelled, less the longest pause after failures. */
const CANCELLED_MS = (600 - 360) * 1000;

/** So often runs are listed, at the least. */
const LIST_MS = 30_000;

const OPERATIONS: Readonly<Record<Exclude<About, 'any'>, RegExp>> = {
  dispatch: /dispatch/,
  list: /list-workflow-runs/,
  read: /get-workflow-run/,
  cancel: /cancel/,
};

const MEANINGS: Readonly<Record<Conclusion, readonly [Verdict, Reason]>> = {
  success: ['passed', 'Passed'],
  failure: ['failed', 'WorkflowFailed'],
  timed_out: ['failed', 'TimedOut'],
  cancelled: ['inconclusive', 'WorkflowCancelled'],
  neutral: ['inconclusive', 'TestSaidSo'],
  skipped: ['inconclusive', 'WorkflowNotRun'],
  stale: ['inconclusive', 'WorkflowNotRun'],
  action_required: ['inconclusive', 'WorkflowNotRun'],
  startup_failure: ['inconclusive', 'WorkflowNotRun'],
};

/** Nothing was sent: GitHub surely took none. */
const NOT_SENT: ReadonlySet<Reason> = new Set<Reason>([
  'GitHubUnavailable',
  'CredentialsMissing',
  'DispatchRefused',
]);

/** postsync ended it itself. */
const ENDED_BY_US: ReadonlySet<Reason> = new Set<Reason>([
  'Superseded',
  'TimedOut',
  'StartTimedOut',
  'RunNotFound',
]);

export interface Played {
  readonly runs: readonly Run[];
  /** Names of runs that GitHub took, one for each time. */
  readonly taken: readonly string[];
  /** So many workflow runs were cancelled. */
  readonly cancelled: number;
  /** What was written to Kubernetes, and asked of GitHub. */
  readonly steps: readonly string[];
}

/** Lets it all happen, then lets it be calm, and checks what must hold. */
export async function play(schedule: Schedule, seen: Seen = {}): Promise<Played> {
  const { happenings, retries, oldEnterprise, endsAfter, trigger } = schedule;
  const common = { secretRef: { name: 'github' }, repository: REPOSITORY };
  const settings = { retries, timeout: `${TIMEOUT_S}s`, startTimeout: `${TIMEOUT_S}s` };
  const hangs = happenings.some((it) => it.type === 'fault' && ('hang' in it.fault || 'wait' in it.fault));
  const tests = {
    ...(trigger !== 'workflow_dispatch' && { smoke: { ...settings, github: common } }),
    ...(trigger !== 'repository_dispatch' && {
      e2e: {
        ...settings,
        github: { ...common, trigger: 'workflow_dispatch', workflow: 'e2e.yaml', ref: 'main' },
      },
    }),
  };
  await using world = await aDispatchingWorld({
    github: { oldEnterprise },
    workflows: WORKFLOWS.map((workflow) => ({
      ...workflow,
      ends: () => endsAfter && { ms: endsAfter.seconds * 1000, conclusion: endsAfter.conclusion },
    })),
    tests,
    ...(hangs && { timeoutMs: HANGS_MS }),
  });
  const player = aPlayer(world, seen);
  world.processes(1);
  for (const it of happenings) {
    await player.happen(it);
    assertOnce(world, retries);
  }
  const calmAt = world.now();
  await player.calm(schedule.conclusion);
  assertOnce(world, retries);
  world.github.assertConforms();
  assertDecided(world, Object.keys(tests));
  for (const run of world.runs()) {
    assertOutcome(run, world, { calmAt, happenings });
    count(seen, `${run.outcome?.verdict} ${run.outcome?.reason}`);
  }
  count(seen, 'dispatches taken', world.taken().length);
  count(seen, 'requests', world.github.exchanges.length);
  const cancelled = world.github.runs().filter((run) => run.conclusion === 'cancelled').length;
  return { runs: world.runs(), taken: world.taken(), cancelled, steps: world.steps };
}

/** Real time: for requests of schedules in which some have no answer. */
export const HANGS_MS = 250;

function aPlayer(world: DispatchingWorld, seen: Seen) {
  const { github } = world;
  let faults: { readonly about: About; at: number; readonly fault: Fault }[] = [];
  let outageUntil = 0;
  let release: (() => void) | undefined;

  github.fault = (asked) => {
    if (world.wasSending()) {
      count(seen, 'died with a request on its way');
      return { wait: new Promise<void>((resolve) => (release = resolve)), when: 'before' };
    }
    if (world.now() < outageUntil) return { status: 503, when: 'before', body: '<html>no</html>' };
    const due = faults.filter(({ about }) => isAbout(asked, about));
    for (const one of due) one.at -= 1;
    const found = due.find(({ at }) => at <= 0);
    faults = faults.filter((one) => one !== found);
    if (found) count(seen, `${found.about}: ${JSON.stringify(found.fault).slice(0, 40)}`);
    return found?.fault;
  };

  const open = () => github.runs().filter(({ status }) => status !== 'completed');
  const pick = (which: number) => open()[which % Math.max(1, open().length)];

  function begin(count: 1 | 2): void {
    const processes = world.processes(count);
    for (const process of processes) process.look();
  }

  const happen: { readonly [T in Happening['type']]: (it: Happening & { type: T }) => unknown } = {
    async pass({ seconds }) {
      world.processes(1);
      await world.pass(seconds);
    },
    sleep: ({ seconds }) => world.sleep(seconds),
    async look() {
      begin(1);
      await world.settle();
    },
    async 'both look'() {
      begin(2);
      await world.settle();
    },
    upgrade: () => world.upgrade(),
    arrives: () => github.until(() => world.taken().length > 0),
    fault: ({ about, at, fault }) => faults.push({ about, at, fault }),
    outage: ({ seconds }) => (outageUntil = world.now() + seconds * 1000),
    limit: (it) => github.limit({ kind: 'secondary', ...it }),
    listing: ({ listing }) => (github.listing = listing),
    starts({ which }) {
      const run = pick(which);
      if (run && run.status !== 'in_progress') github.progress(run.id, 'in_progress');
    },
    ends({ which, conclusion }) {
      const run = pick(which);
      if (run) github.finish(run.id, conclusion);
    },
    dies: ({ which, at, when }) => world.die(which, { at, when }),
    trouble: (it) => world.trouble(it),
  };

  return {
    async happen(it: Happening): Promise<void> {
      release?.();
      await (happen[it.type] as (it: Happening) => unknown)(it);
      if (world.isAnyDead()) count(seen, 'died');
    },
    /** Nothing goes wrong any more, and much time passes. */
    async calm(conclusion: Conclusion | undefined): Promise<void> {
      release?.();
      faults = [];
      outageUntil = 0;
      world.calm();
      github.listing = { lists: 0 };
      begin(1);
      await world.pass(30);
      for (const { id } of github.runs()) github.list(id);
      if (conclusion) for (const { id } of open()) github.finish(id, conclusion);
      await world.pass(CALM_S);
    },
  };
}

function isAbout({ operation = '' }: Asked, about: About): boolean {
  return about === 'any' || OPERATIONS[about].test(operation);
}

/** The promise: GitHub has taken no run twice, and no deployment more often than it may be tried. */
function assertOnce(world: DispatchingWorld, retries: number): void {
  const taken = world.taken();
  const twice = taken.filter((name, index) => taken.indexOf(name) !== index);
  assert.deepEqual(twice, [], 'sent twice');
  const tried = Object.groupBy(world.runs(), ({ digest, test }) => `${test.name} ${digest}`);
  for (const [about, runs = []] of Object.entries(tried)) {
    const sent = runs.filter(({ ref }) => taken.includes(ref.name));
    assert.ok(sent.length <= 1 + retries, `${about} was sent ${sent.length} times`);
    const isLost = ({ attempt, outcome }: Run) =>
      outcome?.reason === 'RunNotFound' && runs.some((later) => later.attempt > attempt);
    assert.ok(!runs.some(isLost), `${about} may have been sent, and is tried again`);
  }
}

function assertDecided(world: DispatchingWorld, tests: readonly string[]): void {
  const open = world.runs().filter(({ outcome }) => !outcome);
  assert.deepEqual(open, [], 'some runs have no verdict');
  const { annotations, revision } = world.release();
  assert.equal(annotations['postsync.dev/digest'], revision?.digest);
  assert.match(annotations['postsync.dev/result'] ?? '', /^(passed|failed|inconclusive)$/);
  for (const name of tests) {
    assert.match(annotations[`tests.postsync.dev/${name}`] ?? '', /^(passed|failed|inconclusive)/);
  }
}

/** A verdict is that of the workflow run, wherever that could be known. */
function assertOutcome(
  run: Run,
  world: DispatchingWorld,
  { calmAt, happenings }: { readonly calmAt: number; readonly happenings: readonly Happening[] },
): void {
  const { outcome, ref } = run;
  assert.ok(outcome);
  const workflow = world.github
    .runs()
    .find(({ start }) => runIn({ ...start.payload, ...start.inputs }) === ref.name);
  const about = `${ref.name}: ${outcome.verdict} ${outcome.reason}: ${outcome.message}; GitHub: ${workflow?.status} ${workflow?.conclusion}`;
  if (!workflow) {
    assert.ok(!isConclusion(outcome), `there is no workflow run, but ${about}`);
    if (outcome.reason === 'RunNotFound')
      assert.ok(happenings.some(leavesDoubt), `nothing left a doubt, but ${about}`);
    return;
  }
  // A request may arrive long after it was given up.
  const isListedLate =
    happenings.some((it) => it.type === 'listing' || isSaidToBeGone(it)) ||
    workflow.createdAt + LIST_MS > outcome.finishedAt;
  assert.ok(!NOT_SENT.has(outcome.reason), `it was sent, but ${about}`);
  if (ENDED_BY_US.has(outcome.reason) && !isConcluded(workflow, run)) {
    if (outcome.reason === 'RunNotFound') assert.ok(isListedLate, `it was there to be found, but ${about}`);
    const isInTime = outcome.finishedAt + CANCELLED_MS > calmAt;
    if (outcome.reason !== 'RunNotFound' && isInTime && !isListedLate && !happenings.some(isNotCancelled))
      assert.equal(workflow.status, 'completed', `it goes on, but ${about}`);
    return;
  }
  const { conclusion } = workflow;
  assert.ok(conclusion, `it goes on, but ${about}`);
  assert.deepEqual([outcome.verdict, outcome.reason], MEANINGS[conclusion], about);
}

function isConcluded({ conclusion }: WorkflowRun, { outcome }: Run): boolean {
  return conclusion === 'timed_out' && outcome?.reason === 'TimedOut';
}

function isConclusion({ reason }: { readonly reason: Reason }): boolean {
  return Object.values(MEANINGS).some(([, meaning]) => meaning === reason && reason !== 'TimedOut');
}

/** GitHub says of a run that it is not there, though it is. */
function isSaidToBeGone(it: Happening): boolean {
  return it.type === 'fault' && /read|any/.test(it.about) && 'status' in it.fault && it.fault.status === 404;
}

/** GitHub says that a run cannot be cancelled, which is believed. */
function isNotCancelled(it: Happening): boolean {
  if (it.type !== 'fault' || !('status' in it.fault)) return false;
  return /cancel|any/.test(it.about) && [404, 422].includes(it.fault.status);
}

/** Afterwards nobody can know whether a dispatch was taken, or which process has claimed it. */
function leavesDoubt(it: Happening): boolean {
  if (it.type !== 'fault') return ['outage', 'dies', 'both look', 'listing'].includes(it.type);
  const isAnswered = 'status' in it.fault && it.fault.status >= 400 && it.fault.status < 500;
  return !isAnswered || isSaidToBeGone(it);
}

function count(seen: Seen, what: string, times = 1): void {
  seen[what] = (seen[what] ?? 0) + times;
}
