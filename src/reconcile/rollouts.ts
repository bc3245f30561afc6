import { requestOf } from '../decide/due.ts';
import { type Rollout, rolloutKey, rolloutRunName } from '../decide/identity.ts';
import { keyOf, type Policy, type Release, type Result, type Revision, type Test } from '../decide/model.ts';
import { restOf } from '../decide/rest.ts';
import { resultOf } from '../decide/result.ts';
import { isOf, isStarted, newestFirst, nextAttempt, type Standing, standingOf } from '../decide/standing.ts';
import { PostsyncError } from '../errors.ts';
import type { Rollouts, RolloutVerdict } from '../ports.ts';
import type { Deps } from './reconcile.ts';
import { named } from './requests.ts';
import { observe } from './world.ts';

/** What a run is looked up or created by. */
interface Wish {
  readonly rollout: Rollout;
  readonly release: Release;
  readonly revision: Revision;
  readonly policy: Policy;
  readonly start: boolean;
}

interface Told {
  readonly state: Result;
  readonly text: string;
  readonly run?: string;
}

/** Serves what Flagger asks for. Any replica may: it only creates runs, and the active one starts them. */
export function createRollouts(deps: Deps): Rollouts {
  const { world, records } = deps;

  async function told(test: Test, wish: Wish): Promise<Told> {
    const { rollout, release, revision, policy } = wish;
    const name = rolloutRunName(rollout, release, revision, test);
    const known = world.runs.get(keyOf({ namespace: release.ref.namespace, name }));
    const asked = known ?? (await find(name, test, wish));
    if (!asked) return { state: 'pending', text: `${test.ref.name} was not asked for` };
    const isAbout = (run: typeof asked) => isOf(run, test) && run.digest === revision.digest;
    if (!isAbout(asked) || asked.release !== release.ref.name)
      throw new PostsyncError('API_CONFLICT', `the run ${name} is about something else: delete it`);
    const since = world.runs
      .in(keyOf(release.ref))
      .filter((run) => isAbout(run) && run.releaseUid === release.uid && newestFirst(run, asked) <= 0);
    return { ...summary(test, standingOf(since, test, policy)), run: name };
  }

  function find(name: string, test: Test, { rollout, release, revision, start }: Wish) {
    const { canary, checksum } = rollout;
    if (!start) return records.readRun({ namespace: release.ref.namespace, name });
    const runs = world.runs.in(keyOf(release.ref));
    return records.createRun({
      name,
      release,
      test,
      revision,
      attempt: nextAttempt(runs.filter((run) => isOf(run, test) && run.digest === revision.digest)),
      cause: 'manual',
      request: requestOf(release) ?? rolloutKey(rollout),
      requestedBy: `Flagger, for the canary ${keyOf(canary)}`,
      reason: `the rollout ${checksum}`,
    });
  }

  return {
    async ask(ref, rollout, { tests, start, digest }) {
      const release = await records.readRelease(ref);
      if (!release) throw new PostsyncError('RELEASE_NOT_FOUND', `there is no HelmRelease ${keyOf(ref)}`);
      const policy = deps.policy();
      const observed = observe(deps, ref);
      const wanted = observed?.selection.wanted.map(({ test }) => test) ?? [];
      const meant = tests.map((name) => named(name, wanted, release));

      const about = release.revision && { digest: release.revision.digest };
      const pending = (why: string): RolloutVerdict => {
        return { result: 'pending', message: `${keyOf(ref)}: ${why}`, runs: [], ...about };
      };
      if (digest !== undefined && digest !== about?.digest) return pending('another revision was deployed');
      const rest = restOf(release);
      if (typeof rest === 'string') return pending(rest);
      const wish: Wish = { rollout, release, revision: rest.revision, policy, start };
      const all = await Promise.all(meant.map((test) => told(test, wish)));
      return {
        result: resultOf(all.map(({ state }) => state)) ?? 'pending',
        message: all.map(({ text }) => text).join('; '),
        runs: all.flatMap(({ run }) => run ?? []),
        ...about,
      };
    },
  };
}

/** Says no more than that it failed, and why in a word: Flagger shows it where the output of tests does not belong. */
function summary({ ref: { name } }: Test, { open, final, retryAt }: Standing): Told {
  if (final) {
    const { verdict, reason } = final.outcome;
    return { state: verdict, text: `${name} ${verdict} (${reason}, run ${final.ref.name})` };
  }
  if (open && isStarted(open)) return { state: 'running', text: `${name} is running (run ${open.ref.name})` };
  const again = retryAt === undefined ? '' : ', and will be tried again';
  return { state: 'pending', text: `${name} is pending${again}` };
}
