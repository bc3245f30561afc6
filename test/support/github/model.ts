/** What GitHub keeps, as far as the stand-in has it. */

export type Conclusion =
  | 'success'
  | 'failure'
  | 'cancelled'
  | 'timed_out'
  | 'action_required'
  | 'neutral'
  | 'skipped'
  | 'stale'
  | 'startup_failure';

export type RunStatus = 'requested' | 'queued' | 'pending' | 'waiting' | 'in_progress' | 'completed';

export type Fields = Readonly<Record<string, unknown>>;

/** What a run was started by. */
export interface Start {
  readonly event: 'repository_dispatch' | 'workflow_dispatch';
  /** Of a repository_dispatch. */
  readonly eventType?: string;
  readonly payload: Fields;
  /** Of a workflow_dispatch, with the defaults of those that were not given. */
  readonly inputs: Fields;
  readonly ref: string;
}

export interface Input {
  readonly required?: boolean;
  readonly default?: unknown;
  readonly options?: readonly string[];
}

export interface Concurrency {
  readonly group: string;
  readonly cancelInProgress?: boolean;
  /** Keeps up to 100 pending runs instead of one. */
  readonly queue?: 'max';
}

/** How a run ends by itself: once it was read so often (listed or looked at), or once it is so old. */
export interface End {
  readonly conclusion: Conclusion;
  readonly reads?: number;
  readonly ms?: number;
}

export interface Workflow {
  /** `.github/workflows/smoke.yaml` */
  readonly path: string;
  readonly name?: string;
  /** Reacts to a repository_dispatch; of any type where none is named. */
  readonly repositoryDispatch?: { readonly types?: readonly string[] };
  readonly workflowDispatch?: { readonly inputs?: Readonly<Record<string, Input>> };
  /** `run-name:`; GitHub takes the workflow's name where there is none. */
  readonly runName?: (start: Start) => string;
  readonly concurrency?: (start: Start) => Concurrency | undefined;
  /** Without it, the test ends the runs. */
  readonly ends?: (start: Start) => End | undefined;
  readonly disabled?: boolean;
}

export interface Repository {
  readonly owner: string;
  readonly name: string;
  readonly id: number;
  readonly branches: readonly string[];
  readonly workflows: readonly (Workflow & { readonly id: number })[];
  /** Commits that are there; any, where none are named. */
  readonly commits?: readonly string[];
}

export interface Run {
  readonly id: number;
  readonly number: number;
  /** `owner/name` */
  readonly repository: string;
  readonly workflow: Workflow & { readonly id: number };
  readonly start: Start;
  readonly displayTitle: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly status: RunStatus;
  readonly conclusion?: Conclusion;
}

export interface CommitStatus {
  readonly id: number;
  readonly sha: string;
  readonly state: string;
  readonly context: string;
  readonly description: string | null;
  readonly targetUrl: string | null;
  readonly createdAt: number;
}

export type Level = 'read' | 'write';
export type Permission = 'contents' | 'actions' | 'statuses';
export type Rights = Readonly<Partial<Record<Permission, Level>>>;

/** Who asks. */
export interface Caller {
  /** Limits are counted by it, and the log names it: never the token. */
  readonly name: string;
  readonly kind: 'user' | 'installation' | 'app' | 'nobody';
  /** `owner/name`; all, where none are named. */
  readonly repositories?: readonly string[];
  readonly rights: Rights;
}

/** What GitHub answers. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** GitHub says no. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: readonly Fields[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    message: string,
    {
      errors = [],
      headers = {},
    }: { errors?: readonly Fields[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.status = status;
    this.errors = errors;
    this.headers = headers;
  }
}
