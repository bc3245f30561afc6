import { requestOf } from '../decide/due.ts';
import { isNamedBy, runName } from '../decide/identity.ts';
import { KEYS, LINES } from '../decide/keys.ts';
import {
  keyOf,
  type Ref,
  type Release,
  type Result,
  type Revision,
  type Run,
  type Test,
} from '../decide/model.ts';
import { outstanding } from '../decide/outstanding.ts';
import { notDeployed, restOf } from '../decide/rest.ts';
import { isOf, nextAttempt } from '../decide/standing.ts';
import { PostsyncError } from '../errors.ts';
import type { NewRun, ReleaseVerdict, Requests } from '../ports.ts';
import type { Deps } from './reconcile.ts';
import { observe } from './world.ts';

interface Wish extends Pick<NewRun, 'cause' | 'requestedBy' | 'reason' | 'verdict'> {
  /** What it is about; absent: whatever is deployed. */
  readonly digest?: string | undefined;
}

type About = Pick<NewRun, 'release' | 'revision' | 'test'>;

interface Prepared {
  readonly release: Release;
  readonly meant: readonly Test[];
}

/** Numbers that are tried for a run while others take them. */
const MAX_TRIES = 5;

/** Serves what people ask for over HTTP. Any replica may: it only creates runs, and the active one starts them. */
export function createRequests(
  deps: Pick<Deps, 'world' | 'jobs' | 'dispatches' | 'records' | 'policy' | 'now'>,
): Requests {
  const { world, records } = deps;

  const known = ({ ref }: Release) => world.runs.in(keyOf(ref));

  /** The tests that are meant. */
  async function prepare(ref: Ref, tests: readonly string[] | undefined) {
    const release = await records.readRelease(ref);
    if (!release) throw new PostsyncError('RELEASE_NOT_FOUND', `there is no HelmRelease ${keyOf(ref)}`);
    const observed = observe(deps, ref);
    const wanted = observed?.selection.wanted.map(({ test }) => test) ?? [];
    const meant = tests ? tests.map((name) => named(name, wanted, release)) : wanted;
    if (meant.length === 0) {
      throw new PostsyncError(
        'NOTHING_TO_TEST',
        `no SyncTest selects ${keyOf(ref)}, and none of its annotations asks for a test`,
      );
    }
    return { release, meant };
  }

  /** The names of what the same request has created when something else was deployed: nobody has spoken of what is now. */
  function createdBefore(
    wish: Wish,
    { release, meant }: Prepared,
    key: string,
  ): readonly string[] | undefined {
    const runs = known(release).filter((run) =>
      meant.some((test) => isOf(run, test) && isNamedBy(key, run, release, test)),
    );
    const isDeployed = ({ digest }: Run) =>
      release.revision?.status === 'deployed' && digest === release.revision.digest;
    return runs.every(isDeployed) ? undefined : runs.map((run) => theSame(run, wish));
  }

  /** Creates a run for each test. The same key has the same names, so that asking again changes nothing. */
  async function createAll(
    wish: Wish,
    prepared: Prepared,
    key: string | undefined,
  ): Promise<readonly string[]> {
    const before = key === undefined ? undefined : createdBefore(wish, prepared, key);
    if (before) return before;
    const { release, meant } = prepared;
    const { revision } = release;
    if (revision?.status !== 'deployed') throw new PostsyncError('NOTHING_TO_TEST', notDeployed(release));
    if (wish.digest !== undefined && wish.digest !== revision.digest) {
      throw new PostsyncError(
        'NOTHING_TO_TEST',
        `${wish.digest} is not deployed any more: ${revision.digest} is`,
      );
    }
    return Promise.all(meant.map((test) => create(wish, { release, revision, test }, key)));
  }

  async function create(wish: Wish, about: About, key: string | undefined): Promise<string> {
    const { release, revision, test } = about;
    const request = requestOf(release) ?? key;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const attempt = nextAttempt(
        known(release).filter((run) => isOf(run, test) && run.digest === revision.digest),
      );
      const name = runName({ name: release.ref.name, uid: release.uid }, revision, test, key ?? attempt);
      const run = await records.createRun({ ...wish, ...about, name, attempt, request });
      if (key !== undefined) return theSame(run, wish);
      if (isMeant(run, wish) && !run.outcome) return name;
      // The number was taken by a run that this replica had not seen: it has now.
    }
    throw new PostsyncError(
      'API_CONFLICT',
      `the runs of ${keyOf(release.ref)} change all the time: ask again`,
    );
  }

  /** A result is final only when nothing newer is to come. Runs are read live: another replica may just have created one. */
  async function withOutstanding(release: Release, verdict: ReleaseVerdict): Promise<ReleaseVerdict> {
    const rest = restOf(release);
    const { result, isCurrent } = verdict;
    if (!isCurrent || typeof rest === 'string' || result === 'pending' || result === 'running')
      return verdict;
    const runs = await records.readRuns(release.ref);
    const policy = deps.policy();
    const observed = observe(deps, release.ref);
    const because = observed && outstanding({ ...observed, release, runs }, rest, policy);
    return because === undefined ? verdict : { ...verdict, isCurrent: false, because };
  }

  return {
    async run(ref, { tests, reason, by, key }) {
      return createAll({ cause: 'manual', requestedBy: by, reason }, await prepare(ref, tests), key);
    },
    async override(ref, { test, verdict, reason, by, digest, key }) {
      const prepared = await prepare(ref, test === undefined ? undefined : [test]);
      return createAll({ cause: 'override', requestedBy: by, reason, verdict, digest }, prepared, key);
    },
    async verdict(ref) {
      const release = await records.readRelease(ref);
      return release && withOutstanding(release, verdictOf(release));
    },
  };
}

/** The run of a key, for who comes with that key again. */
function theSame(run: Run, wish: Wish): string {
  if (isMeant(run, wish)) return run.ref.name;
  throw new PostsyncError('API_CONFLICT', 'this Idempotency-Key stands for another request: send a new one');
}

function isMeant({ cause, override, digest }: Run, wish: Wish): boolean {
  const isAbout = wish.digest === undefined || digest === wish.digest;
  return isAbout && cause === wish.cause && override?.verdict === wish.verdict;
}

/** The test of a release that a person means. */
export function named(name: string, wanted: readonly Test[], { ref }: Release): Test {
  const found = wanted.find(
    (test) => test.ref.name === name || `${test.ref.namespace}.${test.ref.name}` === name,
  );
  if (found) return found;
  const names = wanted.map((test) => test.ref.name).join(', ') || 'none';
  throw new PostsyncError('TEST_NOT_FOUND', `${keyOf(ref)} has no test ${name}; its tests are: ${names}`);
}

function verdictOf(release: Release): ReleaseVerdict {
  const { annotations, revision } = release;
  const result = annotations[KEYS.result] as Result | undefined;
  const digest = annotations[KEYS.digest];
  const lines = Object.entries(annotations).filter(([key]) => key.startsWith(LINES));
  return {
    ...(result !== undefined && { result }),
    ...(digest !== undefined && { digest }),
    isCurrent: digest !== undefined && digest === revision?.digest && typeof restOf(release) !== 'string',
    ...(revision && { deployed: shown(revision) }),
    tests: Object.fromEntries(lines.map(([key, line]) => [key.slice(LINES.length), line])),
  };
}

function shown({
  digest,
  version,
  chartVersion,
  appVersion,
}: Revision): NonNullable<ReleaseVerdict['deployed']> {
  return { digest, version, chartVersion, ...(appVersion !== undefined && { appVersion }) };
}
