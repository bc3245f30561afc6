import { shortHash } from '../decide/identity.ts';
import type { Ref, Release, Run } from '../decide/model.ts';
import { isCode, PostsyncError } from '../errors.ts';
import type { Kubernetes } from '../kubernetes.ts';
import type { NewRun, Records } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import type { Table } from '../table.ts';
import { type Telling, tell, tellVerdict } from './events.ts';
import { notRolledOut, writeProjection } from './release.ts';
import {
  claimRun,
  createRun,
  endRun,
  noteDispatch,
  noteReport,
  pinRun,
  removeRun,
  startRun,
  unclaimRun,
} from './runs.ts';

export interface RecordTables {
  readonly releases: Table<Release>;
  readonly runs: Table<Run>;
  readonly tests: Table<SyncTest>;
}

/** Writes to the API server, and remembers its answers, so that the next look does not read its own past. */
export function createRecords(kubernetes: Kubernetes, { releases, runs, tests }: RecordTables): Records {
  /** What was written is known; a run that is not there to be written is known to be gone. */
  async function remember(written: Promise<unknown>, ref: Ref): Promise<Run> {
    try {
      return known(runs.upsert(await written));
    } catch (error) {
      if (isCode(error, 'API_NOT_FOUND')) runs.remove({ metadata: ref });
      if (isCode(error, 'API_CONFLICT')) await refresh(readLive(runs, 'synctestruns', ref));
      throw error;
    }
  }

  async function readLive<T>(
    table: Table<T>,
    resource: 'helmreleases' | 'synctestruns' | 'synctests',
    ref: Ref,
  ): Promise<T | undefined> {
    try {
      return known(table.upsert(await kubernetes.get({ resource, ...ref })));
    } catch (error) {
      if (!isCode(error, 'API_NOT_FOUND')) throw error;
      table.remove({ metadata: ref });
      return undefined;
    }
  }

  /** The name is taken: this very run was created before, by us or by another replica. */
  async function adopt({ name, release }: NewRun, taken: PostsyncError): Promise<Run> {
    const run = await readLive(runs, 'synctestruns', { namespace: release.ref.namespace, name });
    if (run) return run;
    throw new PostsyncError('API_CONFLICT', `${name} was there and is gone`, { cause: taken });
  }

  function tellProblem(release: Release, problem: Omit<Telling, 'type'>): Promise<void> {
    const { name, reason, message } = problem;
    const hash = shortHash([release.uid, name, reason, message]);
    const told = {
      name: `${release.ref.name.slice(0, 200)}.${hash}`,
      type: 'Warning',
      reason,
      message,
    } as const;
    return tell(kubernetes, release, told);
  }

  return {
    readRelease: (ref) => readLive(releases, 'helmreleases', ref),
    readRun: (ref) => readLive(runs, 'synctestruns', ref),
    async readRuns({ namespace, name }) {
      const query = { fieldSelector: `spec.release=${name}` };
      const list = await kubernetes.list({ resource: 'synctestruns', namespace }, query);
      return (list as { items: readonly unknown[] }).items.map((item) => known(runs.upsert(item)));
    },
    async readTest(ref) {
      await readLive(tests, 'synctests', ref);
    },
    createRun: (given) =>
      remember(createRun(kubernetes, given), {
        namespace: given.release.ref.namespace,
        name: given.name,
      }).catch((error: unknown) => {
        if (isCode(error, 'API_EXISTS')) return adopt(given, error);
        throw error;
      }),
    pinRun: (run, release, revision, test) =>
      remember(pinRun(kubernetes, run, { release, revision, test }), run.ref),
    startRun: (run, started) => remember(startRun(kubernetes, run, started), run.ref),
    claimRun: (run, claim) => remember(claimRun(kubernetes, run, claim), run.ref),
    unclaimRun: (run) => remember(unclaimRun(kubernetes, run), run.ref),
    noteDispatch: (run, note) => remember(noteDispatch(kubernetes, run, note), run.ref),
    async noteReport(release, run, report) {
      // Told first: nobody would tell it once it is written down. The Event is one, by its name.
      if (report.problem !== undefined) {
        const name = `${run.test.namespace}.${run.test.name}`;
        const message = `no commit status of test ${run.test.name}: ${report.problem}`;
        await tellProblem(release, { name, reason: 'CommitStatusFailed', message });
      }
      return remember(noteReport(kubernetes, run, report), run.ref);
    },
    endRun: (run, outcome, ending) => remember(endRun(kubernetes, run, outcome, ending), run.ref),
    async removeRun(run) {
      await removeRun(kubernetes, run).catch((error: unknown) => {
        if (!isCode(error, 'API_NOT_FOUND')) throw error;
      });
      runs.remove({ metadata: run.ref });
    },
    async writeProjection(release, projection) {
      try {
        releases.upsert(await writeProjection(kubernetes, release, projection));
      } catch (error) {
        if (isCode(error, 'API_CONFLICT')) await refresh(readLive(releases, 'helmreleases', release.ref));
        if (!isCode(error, 'API_NOT_FOUND')) throw error;
        releases.remove({ metadata: release.ref });
      }
    },
    tellVerdict: (release, run, outcome) => tellVerdict(kubernetes, release, run, outcome),
    tellProblem,
    notRolledOut: (workloads) => notRolledOut(kubernetes, workloads),
  };
}

function known<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new PostsyncError('OBJECT_INVALID', 'the API server answered with an object that cannot be read');
}

/** After a conflict, so that the next look need not wait for a watch. What fails here will fail there too. */
async function refresh(reading: Promise<unknown>): Promise<void> {
  await reading.catch(() => undefined);
}
