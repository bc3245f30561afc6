import { randomUUID } from 'node:crypto';
import { type Dispatch, type Link, type Reason, type Run, releaseOf, type Time } from '../../decide/model.ts';
import { isCode, PostsyncError } from '../../errors.ts';
import { keep } from '../../keep.ts';
import type { Dispatches, Held, Ready, Refusal } from '../../ports.ts';
import type { Account, Accounts, Target } from './accounts.ts';
import { withAdvice } from './advice.ts';
import { dispatchState, type Seen, seenBy } from './dispatch-state.ts';
import type { GitHub, RunsQuery, WorkflowRun } from './github.ts';
import { type Found, holds, holdsAName, type RunLists, SKEW_MS } from './lists.ts';
import { type Callback, type Payload, payloadOf, tooMuch } from './payload.ts';
import { type TargetOptions, targetOf } from './target.ts';

export interface DispatchesOptions extends TargetOptions {
  readonly accounts: Accounts;
  readonly lists: RunLists;
  readonly clusterName: string;
  readonly callbackOf: (run: Run) => Callback | undefined;
}

/** What is known of a repository must be this new when something is dispatched to it. */
const FRESH_MS = 60_000;

/** How soon to look for a credential again. */
const CREDENTIALS_MS = 3_000;

/** How long to wait with what GitHub refused for now. */
const REFUSED_MS = 30_000;

/** How long after its end a run is cancelled that cannot be reached. */
const GIVE_UP_MS = 10 * 60_000;

/** Of so many runs more is remembered than what stands in their status. */
const MOST_RUNS = 10_000;

const MADE_UP = new PostsyncError(
  'CREDENTIALS_MISSING',
  'status.dispatch names a credential or an address that the test may not use',
);

/** Runs tests as workflows on GitHub. What it keeps in memory only saves calls. */
export function createDispatches(options: DispatchesOptions): Dispatches {
  const { accounts, lists, clusterName, callbackOf } = options;
  /** What was read of workflow runs one by one, by the uid of our run: it may be newer than what was listed. */
  const read = new Map<string, WorkflowRun>();
  /** Workflow runs that GitHub named, by the uid of our run. */
  const named = new Map<string, number>();
  /** What was seen of workflow runs, by the uid of our run. */
  const seen = new Map<string, Seen>();
  /** Claims after which nothing was sent, nor will be, by their ids; to another process any claim may have been sent. */
  const dropped = new Map<string, true>();

  function isDropped({ claimId }: Dispatch): boolean {
    return claimId !== undefined && dropped.has(claimId);
  }

  function find(run: Run, dispatch: Dispatch, now: Time): Found {
    const account = isSound(run, dispatch) ? accounts.known(dispatch, releaseOf(run)) : MADE_UP;
    if (!account) return { nextAt: now + FRESH_MS, others: 0 };
    if (account instanceof Error) return { nextAt: now + REFUSED_MS, others: 0, error: account };
    const id = dispatch.runId ?? named.get(run.uid);
    const found = lists.find({
      account: account.github,
      accountKey: account.key,
      repository: dispatch.repository,
      event: dispatch.trigger,
      since: dispatch.claimedAt,
      ...(id !== undefined && { id }),
      title: run.ref.name,
      youngest: dispatch.claimedAt,
      by: releaseOf(run),
    });
    const single = read.get(run.uid);
    const isNewer = single && (!found.run || single.updatedAt > found.run.updatedAt);
    return isNewer ? { ...found, run: single } : found;
  }

  /** No status may send a credential elsewhere, or name one that the test could not. */
  function isSound({ test }: Run, { secret, apiUrl }: Dispatch): boolean {
    return secret ? secret.namespace === test.namespace : apiUrl === options.apiUrl;
  }

  function forget({ uid }: Run): undefined {
    for (const known of [read, named, seen]) known.delete(uid);
  }

  return {
    stateOf(run, now) {
      const { dispatch } = run;
      if (!dispatch || isDropped(dispatch)) return undefined;
      const found = find(run, dispatch, now);
      const sees = seenBy(now, found, seen.get(run.uid));
      keep(seen, run.uid, sees, MOST_RUNS);
      return dispatchState(run, dispatch, found, sees);
    },

    async prepare(run, syncTest, release, now) {
      const { body, test, limits } = syncTest;
      if (body.kind !== 'github') return refused('DispatchRefused', `${test.ref.name} is no test on GitHub`);
      const target = targetOf(options, syncTest, body.github);
      if (typeof target === 'string') return refused('DispatchRefused', target);
      const callback = callbackOf(run);
      const payload = payloadOf({ run, syncTest, release, clusterName, callback }, body.github);
      const problem = tooMuch(payload);
      if (problem !== undefined) return refused('DispatchRefused', problem);
      const account = await opened(accounts, target, now);
      if ('kind' in account) return account;
      const wait = await notYet(account, { run, target, trigger: payload.trigger, now });
      if (wait) return wait;
      const claimId = randomUUID();
      const dispatch: Dispatch = {
        ...target,
        trigger: payload.trigger,
        claimedAt: now,
        claimId,
        limits,
        settled: false,
      };
      return {
        kind: 'ready',
        dispatch,
        send: () => send(account, { run, dispatch, payload }),
        drop: () => keep(dropped, claimId, true, MOST_RUNS),
      };
    },

    async confirm(run, workflowRunId) {
      const { dispatch } = run;
      if (!dispatch || !isSound(run, dispatch)) return undefined;
      const { github } = await accounts.open(dispatch);
      const workflow = await github.readRun(dispatch.repository, workflowRunId);
      const from = dispatch.claimedAt - SKEW_MS;
      if (workflow?.event !== dispatch.trigger || workflow.createdAt < from) return undefined;
      // It says that it is of another run.
      if (holdsAName(workflow.title) && !holds(workflow.title, run.ref.name)) return undefined;
      keep(read, run.uid, workflow, MOST_RUNS);
      return { runId: workflow.id, url: workflow.url };
    },

    async stop(run, now) {
      const { dispatch, outcome } = run;
      if (!dispatch || !outcome || isDropped(dispatch) || now > outcome.finishedAt + GIVE_UP_MS) {
        return forget(run);
      }
      const { run: workflow, listedAt, nextAt } = find(run, dispatch, now);
      if (!workflow) {
        const lateAt = dispatch.claimedAt + dispatch.limits.startTimeoutMs;
        // A new process has not looked yet.
        return listedAt !== undefined && listedAt > lateAt ? forget(run) : nextAt;
      }
      if (workflow.status === 'completed') return forget(run);
      const { github } = await accounts.open(dispatch);
      const turn = github.limits.turnOf(run.uid);
      if (turn > now || !github.limits.take(run.uid)) return turn;
      try {
        await github.cancelRun(dispatch.repository, workflow.id);
      } catch (error) {
        if (!isCode(error, 'GITHUB_REJECTED')) return now + REFUSED_MS;
      }
      return forget(run);
    },
  };

  /** The repository is looked at before anything is sent to it, and each credential sends one at a time. */
  async function notYet(
    { github, key }: Account,
    about: {
      readonly run: Run;
      readonly target: Target & Pick<Dispatch, 'repository'>;
      readonly trigger: Payload['trigger'];
      readonly now: Time;
    },
  ): Promise<Refusal | Held | undefined> {
    const { run, target, trigger, now } = about;
    const { listedAt, error, nextAt } = lists.find({
      account: github,
      accountKey: key,
      repository: target.repository,
      event: trigger,
      since: now,
      title: run.ref.name,
      youngest: now,
      by: releaseOf(run),
    });
    if (isCode(error, 'GITHUB_REJECTED', 'GITHUB_UNAUTHORIZED')) {
      const refusal = await stillRefused(github, { ...target, trigger }, { event: trigger, since: now });
      if (refusal?.reason === 'CredentialsMissing') accounts.forget(target);
      if (refusal) return refusal;
    } else if (listedAt === undefined || now - listedAt > FRESH_MS) {
      return held(nextAt, error, { ...target, trigger });
    }
    const turn = github.limits.turnOf(run.uid);
    if (turn > now || !github.limits.take(run.uid)) return { kind: 'held', until: turn };
    return undefined;
  }

  async function send(
    account: Account,
    { run, dispatch, payload }: { readonly run: Run; readonly dispatch: Dispatch; readonly payload: Payload },
  ): ReturnType<Ready['send']> {
    try {
      const link = await sent(account.github, dispatch.repository, payload);
      // Should it not be possible to write it down, it is found by this.
      if (link) keep(named, run.uid, link.runId, MOST_RUNS);
      return { kind: 'accepted', link };
    } catch (error) {
      if (isCode(error, 'GITHUB_REJECTED', 'GITHUB_UNAUTHORIZED')) {
        if (error.code === 'GITHUB_UNAUTHORIZED') accounts.forget(dispatch);
        return whyRefused(error, dispatch);
      }
      const until = dispatch.claimedAt + REFUSED_MS;
      if (isCode(error, 'GITHUB_LIMITED')) {
        return { kind: 'held', until: account.github.limits.blockedUntil ?? until };
      }
      if (isCode(error, 'GITHUB_FORBIDDEN', 'GITHUB_UNREACHABLE')) return held(until, error, dispatch);
      return { kind: 'unanswered', message: error instanceof Error ? error.message : String(error) };
    }
  }
}

async function sent(github: GitHub, repository: string, payload: Payload): Promise<Link | undefined> {
  if (payload.trigger === 'repository_dispatch') {
    await github.dispatchRepository(repository, payload.eventType, payload.payload);
    return undefined;
  }
  const accepted = await github.dispatchWorkflow(repository, payload);
  return accepted && { runId: accepted.id, url: accepted.url };
}

async function opened(accounts: Accounts, target: Target, now: Time): Promise<Account | Held> {
  try {
    return await accounts.open(target);
  } catch (error) {
    if (!isCode(error, 'CREDENTIALS_MISSING')) throw error;
    const { message } = error;
    const why = { reason: 'CredentialsMissing', message } as const;
    return { kind: 'held', until: now + CREDENTIALS_MS, why };
  }
}

function held(
  until: Time,
  error: PostsyncError | undefined,
  about: Pick<Dispatch, 'trigger' | 'secret'>,
): Held {
  if (!error || error.code === 'GITHUB_LIMITED') return { kind: 'held', until };
  const reason = error.code === 'GITHUB_FORBIDDEN' ? 'CredentialsMissing' : 'GitHubUnavailable';
  return { kind: 'held', until, why: { reason, message: withAdvice(error, about) } };
}

function refused(reason: Reason, message: string): Refusal {
  return { kind: 'refused', reason, message };
}

/** What was answered before may have been mended, and this ends the run. */
async function stillRefused(
  github: GitHub,
  about: Pick<Dispatch, 'repository' | 'trigger' | 'secret'>,
  query: RunsQuery,
): Promise<Refusal | undefined> {
  try {
    await github.listRuns(about.repository, query);
    return undefined;
  } catch (error) {
    if (isCode(error, 'GITHUB_REJECTED', 'GITHUB_UNAUTHORIZED')) return whyRefused(error, about);
    throw error;
  }
}

function whyRefused(error: PostsyncError, about: Pick<Dispatch, 'trigger' | 'secret'>): Refusal {
  const reason = error.code === 'GITHUB_UNAUTHORIZED' ? 'CredentialsMissing' : 'DispatchRefused';
  return refused(reason, withAdvice(error, about));
}
