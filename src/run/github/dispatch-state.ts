import type { Dispatch, Link, Outcome, Reason, Run, RunState, Time, Verdict } from '../../decide/model.ts';
import type { WorkflowRun } from './github.ts';
import type { Found } from './lists.ts';

/** What each conclusion of a workflow run means. @see https://docs.github.com/rest/actions/workflow-runs */
const CONCLUSIONS: Readonly<Record<string, readonly [Verdict, Reason]>> = {
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

const WHY: Readonly<Record<string, string>> = {
  skipped: 'all of its jobs were skipped',
  stale: 'GitHub gave it up',
  action_required: 'somebody has to approve it',
  startup_failure: 'GitHub could not start it: is the workflow file valid?',
};

/** What a process has seen of a workflow run. */
export interface Seen {
  /** Since when it asks. */
  readonly since: Time;
  /** Since when GitHub says that it is not there: a 404 may be a mistake. */
  readonly goneSince: Time | undefined;
  /** GitHub says when a run was created, and not when a runner took it. */
  readonly runningSince: Time | undefined;
}

/** What was seen until now. Pure. */
export function seenBy(now: Time, { run, listedAt }: Found, before: Seen | undefined): Seen {
  const isGone = !run && listedAt !== undefined;
  return {
    since: before?.since ?? now,
    goneSince: isGone ? (before?.goneSince ?? now) : undefined,
    runningSince: before?.runningSince ?? (run?.status === 'in_progress' ? now : undefined),
  };
}

/** What a dispatched run is doing, by what GitHub told last. Pure. */
export function dispatchState(run: Run, dispatch: Dispatch, found: Found, seen: Seen): RunState {
  const { limits, claimedAt, runningSince = seen.runningSince } = dispatch;
  const { listedAt, nextAt, run: workflow } = found;
  const asked = { since: seen.since, ...(listedAt !== undefined && { at: listedAt }), again: nextAt };
  const running =
    runningSince === undefined
      ? undefined
      : ({ phase: 'running', since: runningSince, limits, asked } as const);
  if (!workflow) {
    const goneSince = dispatch.runId === undefined ? undefined : seen.goneSince;
    const fatal = goneSince !== undefined;
    if (running && !fatal) return running;
    const message = whyNotFound(run, dispatch, found);
    return {
      phase: 'waiting',
      since: goneSince ?? claimedAt,
      reason: 'RunNotFound',
      message,
      fatal,
      limits,
      asked,
    };
  }
  const link: Link = {
    runId: workflow.id,
    url: workflow.url,
    ...(runningSince !== undefined && { runningSince }),
  };
  if (workflow.status === 'completed') {
    const startedAt = workflow.startedAt ?? workflow.createdAt;
    return { phase: 'ended', startedAt, outcome: outcomeOf(workflow), link };
  }
  // It may wait again later, for an approval or for the runner of another job.
  if (running) return { ...running, link };
  const message = `its workflow run is ${workflow.status}: ${workflow.url}`;
  const reason = 'StartTimedOut';
  return { phase: 'waiting', since: claimedAt, reason, message, fatal: false, limits, link, asked };
}

function outcomeOf({ conclusion = 'unknown', url, updatedAt: finishedAt }: WorkflowRun): Outcome {
  const [verdict, reason] = CONCLUSIONS[conclusion] ?? (['inconclusive', 'WorkflowNotRun'] as const);
  if (verdict === 'passed') return { verdict, reason, message: url, finishedAt };
  const why = WHY[conclusion] === undefined ? '' : `: ${WHY[conclusion]}`;
  return { verdict, reason, message: `the workflow run concluded ${conclusion}${why}: ${url}`, finishedAt };
}

/** What to do about it comes first: the release's annotation holds the begin of it. */
function whyNotFound(run: Run, dispatch: Dispatch, { error, others }: Found): string {
  const { repository, trigger, unanswered, runId } = dispatch;
  if (error) return `GitHub cannot be asked for the workflow run: ${error.message}`;
  if (runId !== undefined) {
    return `GitHub says that its workflow run ${runId} is not there: was it deleted, or may the credential not see ${repository} any more?`;
  }
  const title = `has ${run.ref.name} in its title`;
  if (unanswered !== undefined) {
    return `GitHub did not confirm it (${unanswered}), and it is not sent twice: ask for another run unless one ran; none in ${repository} ${title}`;
  }
  if (others > 0) {
    const value =
      trigger === 'repository_dispatch'
        ? 'github.event.client_payload.postsync.run'
        : 'fromJSON(inputs.postsync).run';
    return `the workflow needs \`run-name: \${{ ${value} }}\`: ${others} came in ${repository}, and none ${title}`;
  }
  return `is there a workflow for it on the default branch of ${repository}? no run of a ${trigger} ${title}`;
}
