import type { Credentials } from './credentials.ts';
import type { Base } from './json.ts';
import {
  type Caller,
  type CommitStatus,
  type Level,
  type Permission,
  Refusal,
  type Repository,
} from './model.ts';
import type { Runs } from './runs.ts';

export interface State {
  readonly now: () => number;
  /** By `owner/name`, in lower case. */
  readonly repositories: ReadonlyMap<string, Repository>;
  readonly runs: Runs;
  readonly credentials: Credentials;
  /** By `owner/name@sha`, oldest first. */
  readonly statuses: Map<string, CommitStatus[]>;
  /** An Enterprise Server of before 3.21. */
  readonly oldEnterprise: boolean;
}

/** A request that was understood. */
export interface Call {
  readonly caller: Caller;
  readonly path: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** As it was asked for, query and all. */
  readonly url: string;
  readonly body: unknown;
  readonly version: string;
  readonly base: Base;
  /** Runs that it started, for the log. */
  readonly started: number[];
}

export const fullName = ({ owner, name }: Repository) => `${owner}/${name}`;

/** The repository, if it is there and may be used so. What may not be seen is not there, as on GitHub. */
export function repositoryFor(call: Call, state: State, permission: Permission, level: Level): Repository {
  const { caller, path } = call;
  const wanted = `${path['owner']}/${path['repo']}`.toLowerCase();
  const repository = state.repositories.get(wanted);
  const seen = caller.repositories?.some((one) => one.toLowerCase() === wanted) ?? true;
  if (!repository || !seen) throw new Refusal(404, 'Not Found');
  const has = caller.rights[permission];
  if (has === 'write' || has === level) return repository;
  const by = caller.kind === 'installation' ? 'integration' : 'personal access token';
  const headers = { 'x-accepted-github-permissions': `${permission}=${level}` };
  throw new Refusal(403, `Resource not accessible by ${by}`, { headers });
}
