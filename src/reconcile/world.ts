import type { Observed } from '../decide/actions.ts';
import {
  keyOf,
  type Ref,
  type Release,
  type Run,
  type RunState,
  releaseOf,
  type Test,
} from '../decide/model.ts';
import { select } from '../decide/select.ts';
import { isOf } from '../decide/standing.ts';
import type { SyncTest } from '../synctest.ts';
import type { Table } from '../table.ts';
import type { Deps } from './reconcile.ts';

/** A namespace's labels, for `namespaceSelector`. */
export interface NamespaceLabels {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What is known of the cluster. Only what was read live says that something is not there. */
export interface World {
  readonly releases: Table<Release>;
  readonly runs: Table<Run>;
  readonly tests: Table<SyncTest>;
  readonly namespaces: Table<NamespaceLabels>;
  /** The built-in tests that a release's annotations ask for. */
  readonly builtIn: (release: Release) => readonly SyncTest[];
}

/** The key under which a run is kept with the other runs of its release. */
export function releaseKeyOf(run: Run): string {
  return keyOf(releaseOf(run));
}

/** The test of a run with all that is needed to run it; `undefined`: there is none any more. */
export function syncTestOf(
  world: World,
  run: Pick<Run, 'test' | 'testKind'>,
  release: Release,
): SyncTest | undefined {
  if (run.testKind === 'SyncTest') return world.tests.get(keyOf(run.test));
  return world.builtIn(release).find(({ test }) => test.ref.name === run.test.name);
}

/** What a run is doing, wherever it was started; `undefined`: it is not known to have been. */
export function stateOf({
  jobs,
  dispatches,
  now,
}: Pick<Deps, 'jobs' | 'dispatches' | 'now'>): (run: Run) => RunState | undefined {
  return (run) => (run.dispatch ? dispatches : jobs).stateOf(run, now());
}

/** All that is known of one release; `undefined` where there is none. */
export function observe(
  deps: Pick<Deps, 'world' | 'jobs' | 'dispatches' | 'policy' | 'now'>,
  ref: Ref,
): Observed | undefined {
  const { world } = deps;
  const release = world.releases.get(keyOf(ref));
  if (!release) return undefined;
  const builtIn = world.builtIn(release).map(({ test }) => test);
  const offer = {
    testsIn: (namespace: string): readonly Test[] => world.tests.in(namespace).map(({ test }) => test),
    labelsOf: (namespace: string) => world.namespaces.get(namespace)?.labels,
    builtIn,
  };
  return {
    release,
    selection: select(release, offer, deps.policy()),
    runs: world.runs.in(keyOf(ref)),
    testOf: (run) =>
      run.testKind === 'SyncTest'
        ? world.tests.get(keyOf(run.test))?.test
        : builtIn.find((test) => isOf(run, test)),
    stateOf: stateOf(deps),
    hasJob(run) {
      const syncTest = syncTestOf(world, run, release);
      return syncTest !== undefined && deps.jobs.has(run, syncTest, release);
    },
  };
}
