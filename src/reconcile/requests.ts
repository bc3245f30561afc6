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

interface Wish
  extends Pick<NewRun, 'release' | 'revision' | 'test' | 'cause' | 'requestedBy' | 'reason' | 'verdict'> {
  /** Absent: whatever is deployed. */
  readonly digest?: string | undefined;
}

/** Numbers that are tried for a run while others take them. */
const MAX_TRIES = 5;

/** Serves what people ask for over HTTP. Any replica may: it only creates runs, and the active one starts them. */
export function createRequests(
  deps: Pick<Deps, 'world' | 'jobs' | 'dispatches' | 'records' | 'policy' | 'now'>,
): Requests {
  const { world, records } = deps;

  const known = ({ ref }: Release) => world.runs.in(keyOf(ref));

  /** The deployed revision and the tests that are meant. */
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
    if (release.revision?.status !== 'deployed') {
      throw new PostsyncError('NOTHING_TO_TEST', notDeployed(release));
    }
    return { release, revision: release.revision, meant };
  }

  /** Creates a run; the same key has the same name, so that asking again changes nothing. */
  async function create(given: Wish, key: string | undefined): Promise<string> {
    const { release, revision, test } = given;
    const request = requestOf(release) ?? key;
    // What it asked for was another revision: nobody has asked for the one of now.
    const earlier = key !== undefined && known(release).find((run) => isNamedBy(key, run, release, test));
    if (earlier) return theSame(earlier, given);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const attempt = nextAttempt(
        known(release).filter((run) => isOf(run, test) && run.digest === revision.digest),
      );
      const name = runName({ name: release.ref.name, uid: release.uid }, revision, test, key ?? attempt);
      const run = await records.createRun({ ...given, name, attempt, request });
      if (key !== undefined) return theSame(run, given);
      if (isMeant(run, given) && !run.outcome) return name;
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
      const { release, revision, meant } = await prepare(ref, tests);
      const cause = 'manual';
      return Promise.all(
        meant.map((test) => create({ release, revision, test, cause, requestedBy: by, reason }, key)),
      );
    },
    async override(ref, { test, verdict, reason, by, digest, key }) {
      const { release, revision, meant } = await prepare(ref, test === undefined ? undefined : [test]);
      if (digest !== undefined && digest !== revision.digest) {
        throw new PostsyncError(
          'NOTHING_TO_TEST',
          `${digest} is not deployed any more: ${revision.digest} is`,
        );
      }
      const cause = 'override';
      return Promise.all(
        meant.map((one) =>
          create({ release, revision, test: one, cause, requestedBy: by, reason, verdict, digest }, key),
        ),
      );
    },
    async verdict(ref) {
      const release = await records.readRelease(ref);
      return release && withOutstanding(release, verdictOf(release));
    },
  };
}

/** The run of a key, for who comes with that key again. */
function theSame(run: Run, given: Wish): string {
  if (isMeant(run, given)) return run.ref.name;
  throw new PostsyncError('API_CONFLICT', 'this Idempotency-Key stands for another request: send a new one');
}

function isMeant({ cause, override, digest }: Run, given: Wish): boolean {
  const isAbout = given.digest === undefined || digest === given.digest;
  return isAbout && cause === given.cause && override?.verdict === given.verdict;
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
