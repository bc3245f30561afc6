import { lineName, shortHash } from '../../decide/identity.ts';
import { type CommitReport, keyOf, type Release, type Time } from '../../decide/model.ts';
import { durationText } from '../../decide/result.ts';
import { isoSeconds } from '../../decide/time.ts';
import { isCode } from '../../errors.ts';
import { keep } from '../../keep.ts';
import type { Kubernetes } from '../../kubernetes.ts';
import type { Logger } from '../../log.ts';
import type { Ended, Reports } from '../../ports.ts';
import type { SyncTest, CommitStatus as Wanted } from '../../synctest.ts';
import type { Accounts } from './accounts.ts';
import { commitOf } from './commit.ts';
import type { CommitStatus } from './github.ts';
import { ownTarget } from './target.ts';

export interface ReportsOptions {
  readonly accounts: Pick<Accounts, 'open' | 'forget'>;
  readonly kubernetes: Pick<Kubernetes, 'get'>;
  /** The address of GitHub's API for those who name none. */
  readonly apiUrl: string;
  readonly clusterName: string;
  readonly wake: (release: Release['ref']) => void;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly now: () => Time;
}

/** A Kustomization is at work for so long, or longer. */
const UNSETTLED_MS = 10_000;

/** After a failure that may pass; it doubles with each further one. */
const FIRST_MS = 15_000;
const LONGEST_MS = 600_000;

/** GitHub refuses more. */
const MOST_CONTEXT = 255;
const MOST_DESCRIPTION = 140;

const STATES = { passed: 'success', failed: 'failure', inconclusive: 'error' } as const;

interface Known {
  /** Absent: it is under way. */
  readonly found?: CommitReport | Time;
  readonly failures: number;
}

interface About {
  readonly run: Ended;
  readonly syncTest: SyncTest;
  readonly release: Release;
  readonly wanted: Wanted;
}

/**
 * Reports verdicts as commit statuses. What it keeps in memory only spaces its attempts: GitHub is asked what it has
 * before it is told anything, so that the same is not said twice.
 */
export function createReports(options: ReportsOptions): Reports {
  const { accounts, kubernetes, wake, log, now } = options;
  /** By the uid of the run. */
  const known = new Map<string, Known>();

  /** @returns a time: not before */
  async function attempt({ run, syncTest, release, wanted }: About): Promise<CommitReport | Time> {
    const { repository } = wanted;
    const origin = await commitOf(kubernetes, release);
    if (!origin) return now() + UNSETTLED_MS;
    if ('problem' in origin) return { repository, ...origin };
    const { github } = await accounts.open(ownTarget(options, syncTest, wanted));
    const turn = github.limits.turnOf(run.uid);
    if (turn > now() || !github.limits.take(run.uid)) return turn;
    const { sha } = origin;
    const status = statusOf(run, contextOf(options.clusterName, { syncTest, release }));
    const there = await github.listStatuses(repository, sha);
    if (!isSame(status, there)) await github.createStatus(repository, sha, { ...status, url: run.url });
    return { repository, sha, state: status.state };
  }

  async function report(about: About, failures: number): Promise<void> {
    const { run, release, wanted, syncTest } = about;
    const words = { release: keyOf(release.ref), run: run.ref.name, test: run.test.name };
    try {
      const found = await attempt(about);
      keep(known, run.uid, { found, failures });
      if (typeof found !== 'number') tell(words, found);
    } catch (err) {
      if (isCode(err, 'GITHUB_UNAUTHORIZED')) accounts.forget(ownTarget(options, syncTest, wanted));
      if (isCode(err, 'GITHUB_UNAUTHORIZED', 'GITHUB_FORBIDDEN', 'GITHUB_REJECTED', 'CREDENTIALS_MISSING')) {
        const found = { repository: wanted.repository, problem: err.message };
        keep(known, run.uid, { found, failures });
        tell(words, found);
      } else {
        const delayMs = Math.min(FIRST_MS * 2 ** failures, LONGEST_MS);
        keep(known, run.uid, { found: now() + delayMs, failures: failures + 1 });
        log.warn({ ...words, err, delayMs }, 'commit not reported');
      }
    }
    wake(release.ref);
  }

  function tell(words: object, { repository, sha, state, problem }: CommitReport): void {
    if (problem === undefined)
      log.info({ ...words, because: `${state} on ${repository}@${sha}` }, 'commit reported');
    else log.warn({ ...words, because: problem }, 'commit not reported');
  }

  return {
    report(run, syncTest, release) {
      const { commitStatus: wanted } = syncTest;
      const { found, failures = 0 } = known.get(run.uid) ?? {};
      if (!wanted || (known.has(run.uid) && found === undefined)) return undefined;
      if (typeof found === 'object' || (found !== undefined && found > now())) return found;
      keep(known, run.uid, { failures });
      void report({ run, syncTest, release, wanted }, failures);
      return undefined;
    },
  };
}

/** One for each test of each release, in each cluster. */
function contextOf(cluster: string, { syncTest, release }: Pick<About, 'syncTest' | 'release'>): string {
  const { namespace, name } = release.ref;
  const parts = [cluster, namespace, name, lineName(syncTest.test, release.ref)];
  const context = ['postsync', ...parts.filter((part) => part !== '')].join('/');
  if (context.length <= MOST_CONTEXT) return context;
  const hash = shortHash([context]);
  return `${context.slice(0, MOST_CONTEXT - hash.length - 1)}-${hash}`;
}

/** Says nothing that a container has said: the repository may be public, and the cluster not. */
function statusOf(run: Ended, context: string) {
  const { verdict, reason, finishedAt } = run.outcome;
  const took = durationText(run);
  const parts = [
    took === undefined ? verdict : `${verdict} in ${took}`,
    run.revision,
    isoSeconds(finishedAt),
  ];
  const line = parts.filter((part) => part !== undefined).join(', ');
  const description = reason === 'Passed' ? line : `${line}: ${reason}`;
  return { state: STATES[verdict], context, description: description.slice(0, MOST_DESCRIPTION) };
}

function isSame(status: CommitStatus, there: readonly CommitStatus[]): boolean {
  const context = status.context.toLowerCase();
  const newest = there.find((one) => one.context.toLowerCase() === context);
  return newest?.state === status.state && newest.description === status.description;
}
