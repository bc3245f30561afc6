import type { Action } from '../../src/decide/actions.ts';
import type { Outcome, Policy, Release, Run, RunState, Test, Time, Verdict } from '../../src/decide/model.ts';
import { plan } from '../../src/decide/plan.ts';
import { isMoving } from '../../src/decide/rest.ts';
import { project } from '../../src/decide/result.ts';
import { iso } from '../../src/decide/time.ts';
import {
  A_JOB,
  after,
  aManualRun,
  anOutcome,
  aRelease,
  aRevision,
  created,
  LIMITS,
  observed,
} from './model.ts';

/** Something that happens to a release; what it is about is chosen by number among what there is. */
export type Happening =
  | { readonly type: 'look'; readonly dies: number }
  | { readonly type: 'job ends'; readonly which: number; readonly verdict: Verdict }
  | { readonly type: 'job is lost' | 'run deleted' | 'abort' | 'test changes'; readonly which: number }
  | { readonly type: 'time passes'; readonly seconds: number }
  | { readonly type: 'upgrade begins' | 'upgrade ends' | 'Flux looks' | 'rolled back' | 'reinstalled' }
  | { readonly type: 'asked' | 'suspend' | 'by hand' | 'keys removed' | 'test comes and goes' };

export interface Counts {
  created: number;
  removed: number;
  retried: number;
  adopted: number;
  finished: number;
}

const POLICY: Policy = { retryBackoffMs: 30_000 };
const FINAL = ['passed', 'failed', 'inconclusive'];

/** A release, its runs and Jobs, and an executor that carries out plans as the loop does, and may die in between. */
export function simulate(tests: readonly Test[], happenings: readonly Happening[]) {
  let now = after(0);
  let release: Release = aRelease({ revision: { action: 'install', version: 1, digest: 'sha256:1' } });
  let offered = tests;
  const runs = new Map<string, Run>();
  const jobs = new Map<string, RunState>();
  const starts = new Map<string, number>();
  const firsts = new Map<string, number>();
  const counts: Counts = { created: 0, removed: 0, retried: 0, adopted: 0, finished: 0 };
  let deletedOpen = false;
  let deployments = 1;

  const scene = () => ({
    release,
    tests: offered,
    runs: [...runs.values()],
    jobs: Object.fromEntries(
      [...runs.values()].flatMap(({ ref, uid }) => {
        const job = jobs.get(uid);
        return job ? [[ref.name, job]] : [];
      }),
    ),
  });
  const plans = () => plan(observed(scene()), POLICY, now);

  function carryOut(action: Action): void {
    if (action.type === 'create') return create(action);
    const { run } = action;
    const put = (differs: Partial<Run>) => runs.set(run.ref.name, { ...run, ...differs });
    if (action.type === 'pin') put({ digest: action.revision.digest, releaseUid: release.uid });
    if (action.type === 'start') {
      starts.set(run.uid, (starts.get(run.uid) ?? 0) + 1);
      jobs.set(run.uid, { phase: 'running', since: now, limits: LIMITS });
    }
    if (action.type === 'adopt') counts.adopted += 1;
    if (action.type === 'start' || action.type === 'adopt') put({ job: { ...A_JOB, uid: run.uid } });
    if (action.type === 'find') put({ outcome: lost(now) });
    if (action.type === 'finish') {
      counts.finished += 1;
      put({ outcome: action.outcome });
    }
    if (action.type === 'remove') {
      counts.removed += 1;
      runs.delete(run.ref.name);
    }
  }

  function create(action: Action & { type: 'create' }): void {
    const run = created(release, action, now);
    if (runs.has(run.ref.name)) return;
    runs.set(run.ref.name, { ...run, uid: `${run.uid}-${counts.created}` });
    counts.created += 1;
    if (run.cause === 'retry') counts.retried += 1;
    if (['install', 'upgrade', 'rollback'].includes(run.cause)) {
      const key = `${release.uid}/${run.digest}/${run.test.name}`;
      firsts.set(key, (firsts.get(key) ?? 0) + 1);
    }
  }

  /** Only the Job of a start was created: the process died before it was written down. */
  function dieWhile(action: Action): void {
    if (action.type !== 'start' || jobs.has(action.run.uid)) return;
    starts.set(action.run.uid, (starts.get(action.run.uid) ?? 0) + 1);
    jobs.set(action.run.uid, { phase: 'running', since: now, limits: LIMITS });
  }

  function write(): void {
    const { annotations, labels } = project(observed(scene()), POLICY);
    release = {
      ...release,
      annotations: patched(release.annotations, annotations),
      labels: patched(release.labels, labels),
    };
  }

  /** @returns how many rounds it took; a plan that never ends is cut off */
  function look(dies = Number.POSITIVE_INFINITY): number {
    let writes = 0;
    for (let round = 1; round <= 12; round += 1) {
      const { actions } = plans();
      if (actions.length === 0) {
        write();
        return round;
      }
      for (const action of actions) {
        if (writes === dies) {
          dieWhile(action);
          return 0;
        }
        writes += 1;
        carryOut(action);
      }
    }
    return Number.POSITIVE_INFINITY;
  }

  const open = () => [...runs.values()].filter(({ outcome }) => !outcome);

  function deploy(differs: Parameters<typeof aRevision>[0], ready: 'True' | 'False' = 'True'): void {
    const version = (release.revision?.version ?? 0) + 1;
    const { annotations, labels, uid } = release;
    // Helm's version begins anew with each install; no two deployments have the same digest.
    deployments += 1;
    const digest = `sha256:${deployments}`;
    const revision = aRevision({ digest, version, deployedAt: now, ...differs });
    release = aRelease({ annotations, labels, uid, ready, stalled: ready === 'False', revision });
  }

  const happen: { readonly [T in Happening['type']]: (it: Happening & { type: T }) => void } = {
    look: ({ dies }) => void look(dies > 6 ? undefined : dies),
    'job ends'({ which, verdict }) {
      const run = pick(
        open().filter(({ uid }) => jobs.get(uid)?.phase === 'running'),
        which,
      );
      if (run)
        jobs.set(run.uid, {
          phase: 'ended',
          startedAt: now,
          outcome: anOutcome({ verdict, finishedAt: now }),
        });
    },
    'job is lost'({ which }) {
      const run = pick(
        open().filter(({ job }) => job),
        which,
      );
      if (run) jobs.delete(run.uid);
    },
    'run deleted'({ which }) {
      const run = pick([...runs.values()], which);
      if (!run) return;
      // Runs about a verdict that stands may go at any time; others are run again, and rightly so.
      const about = release.annotations['postsync.dev/digest'] === run.digest;
      const line = release.annotations[`tests.postsync.dev/${run.test.name}`] ?? '';
      if (!run.outcome || !about || !FINAL.includes(line.split(/\W/)[0] ?? '')) deletedOpen = true;
      runs.delete(run.ref.name);
    },
    abort({ which }) {
      const run = pick(open(), which);
      if (run) runs.set(run.ref.name, { ...run, abort: true });
    },
    'test changes'({ which }) {
      const changed = pick(offered, which);
      offered = offered.map((test) =>
        test === changed ? { ...test, generation: test.generation + 1 } : test,
      );
    },
    'time passes'({ seconds }) {
      now += seconds * 1000;
    },
    'upgrade begins'() {
      const { annotations, labels, uid, revision } = release;
      release = aRelease({
        annotations,
        labels,
        uid,
        ready: 'Unknown',
        reconciling: true,
        revision: revision ?? 'none',
      });
    },
    'upgrade ends': () => deploy({}),
    'Flux looks'() {
      const { annotations, labels, uid, revision } = release;
      const { Ready } = release.conditions;
      release = aRelease({
        annotations,
        labels,
        uid,
        reconciling: Ready?.status === 'True',
        revision: revision ?? 'none',
      });
    },
    'rolled back': () => deploy({ action: 'rollback' }, 'False'),
    reinstalled() {
      release = { ...release, uid: `${release.uid}+`, annotations: {}, labels: {} };
      deploy({ action: 'install', version: 1 });
    },
    asked() {
      release = {
        ...release,
        annotations: { ...release.annotations, 'postsync.dev/requestedAt': iso(now) },
      };
    },
    suspend() {
      const { 'postsync.dev/suspend': is, ...rest } = release.annotations;
      release = { ...release, annotations: is ? rest : { ...rest, 'postsync.dev/suspend': 'true' } };
    },
    'by hand'() {
      const name = `by-hand-${runs.size}-${now}`;
      const run = aManualRun({ test: tests[0]!.ref.name, uid: name, createdAt: now });
      runs.set(name, { ...run, ref: { ...run.ref, name } });
    },
    'keys removed'() {
      const kept = Object.entries(release.annotations).filter(([key]) => !key.startsWith('tests.'));
      release = { ...release, annotations: Object.fromEntries(kept) };
      deletedOpen = true;
    },
    'test comes and goes'() {
      offered = offered.length < tests.length ? tests : tests.slice(1);
      deletedOpen = true;
    },
  };

  return {
    happenings,
    happen: (it: Happening) => (happen[it.type] as (it: Happening) => void)(it),
    look,
    plans,
    projection: () => project(observed(scene()), POLICY),
    observed: () => observed(scene()),
    isMoving: () => isMoving(release),
    release: () => release,
    runs: () => [...runs.values()],
    remove: (run: Run) => runs.delete(run.ref.name),
    /** How often each Job was created. */
    starts: () => [...starts.values()],
    /** How often a revision was tested by itself; nothing to say where somebody deleted what was not decided. */
    firsts: () => (deletedOpen ? [] : [...firsts.values()]),
    counts,
  };
}

export type Simulation = ReturnType<typeof simulate>;

function pick<T>(list: readonly T[], which: number): T | undefined {
  return list[which % list.length];
}

function lost(finishedAt: Time): Outcome {
  return anOutcome({ verdict: 'inconclusive', reason: 'JobLost', finishedAt });
}

function patched(
  keys: Readonly<Record<string, string>>,
  changes: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const entries = Object.entries({ ...keys, ...changes }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}
