import { PostsyncError } from '../../errors.ts';

export type Operation =
  | 'dispatch_repository'
  | 'dispatch_workflow'
  | 'list_runs'
  | 'read_run'
  | 'cancel_run'
  | 'list_statuses'
  | 'create_status'
  | 'create_token';

export interface Call {
  readonly operation: Operation;
  /** What is tried, for messages. */
  readonly what: string;
  readonly route: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly etag?: string | undefined;
  /** Statuses of 400 and more that are an answer, and no failure. */
  readonly fine?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly data: unknown;
}

/** @throws {PostsyncError} `GITHUB_REJECTED`: it is not `owner/name` */
export function partsOf(repository: string): { readonly owner: string; readonly repo: string } {
  const [owner, repo, ...rest] = repository.split('/');
  if (owner === undefined || repo === undefined || rest.length > 0 || !isPlain(owner) || !isPlain(repo))
    throw new PostsyncError('GITHUB_REJECTED', `${repository} is not a repository: it must be owner/name`);
  return { owner, repo };
}

function isPlain(part: string): boolean {
  return /^(?!\.{1,2}$)[\w.-]+$/.test(part);
}
