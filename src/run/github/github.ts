import type { Time } from '../../decide/model.ts';
import type { RateLimits } from './limits.ts';

/** A run of a workflow, as far as postsync looks at it. */
export interface WorkflowRun {
  readonly id: number;
  /** Its `run-name`, evaluated; the workflow's author writes it. */
  readonly title: string;
  readonly event: string;
  /** requested, queued, pending, waiting, in_progress, completed */
  readonly status: string;
  /** Only of a completed one. */
  readonly conclusion?: string;
  /** For people. */
  readonly url: string;
  readonly createdAt: Time;
  readonly startedAt?: Time;
  readonly updatedAt: Time;
}

/** A workflow run that a dispatch has started. */
export interface Accepted {
  readonly id: number;
  readonly url: string;
}

export interface RunsQuery {
  readonly event: 'repository_dispatch' | 'workflow_dispatch';
  /** Created then or later, by GitHub's clock. */
  readonly since: Time;
}

export interface WorkflowDispatch {
  /** The file's name, such as `e2e.yml`, or the workflow's id. */
  readonly workflow: string;
  readonly ref: string;
  readonly inputs: Readonly<Record<string, string>>;
}

/** What is said of a commit under a name: the newest of each counts. */
export interface CommitStatus {
  readonly context: string;
  /** error, failure, pending, success */
  readonly state: string;
  /** At most 140 characters. */
  readonly description: string;
}

/** GitHub lists no more runs than this for one query: where there are so many, older ones may be left out. */
export const MOST_LISTED = 1000;

/**
 * One account: an API address and a credential. Each call is made once; who retries is the caller.
 *
 * All of them throw {@link PostsyncError} with a code of `GITHUB_…`; only after `GITHUB_UNANSWERED` a write may have been
 * carried out. `repository` is `owner/name`.
 */
export interface GitHub {
  /** Takes no turn: see {@link RateLimits.take}. That it was accepted does not mean that a workflow runs. */
  dispatchRepository(repository: string, eventType: string, payload: object): Promise<void>;
  /**
   * Takes no turn, as above.
   *
   * @returns the run; `undefined`: it was accepted by a GitHub that does not say which run it is (GHES before 3.21)
   */
  dispatchWorkflow(repository: string, given: WorkflowDispatch): Promise<Accepted | undefined>;
  /** Newest first, at most {@link MOST_LISTED}. What has not changed since it was last listed costs nothing of the primary limit. */
  listRuns(repository: string, query: RunsQuery): Promise<readonly WorkflowRun[]>;
  /** @returns `undefined`: there is none */
  readRun(repository: string, id: number): Promise<WorkflowRun | undefined>;
  /** Asks a run to end; one that has ended already is fine. Takes no turn, as above. */
  cancelRun(repository: string, id: number): Promise<void>;
  /** The newest 100 of a commit, newest first. */
  listStatuses(repository: string, sha: string): Promise<readonly CommitStatus[]>;
  /** Takes no turn, as above. */
  createStatus(
    repository: string,
    sha: string,
    status: CommitStatus & { readonly url?: string | undefined },
  ): Promise<void>;
  readonly limits: RateLimits;
}
