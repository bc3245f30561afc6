import { statusesIn } from './answers.ts';
import { type Answer, type Call, partsOf } from './calls.ts';
import type { GitHub } from './github.ts';

export interface StatusCallsOptions {
  readonly read: (call: Call) => Promise<Answer>;
  readonly write: (call: Call) => Promise<Answer>;
}

/** The calls about commit statuses. Messages do not name the commit, so that the same mistake is told once. */
export function statusCalls({
  read,
  write,
}: StatusCallsOptions): Pick<GitHub, 'listStatuses' | 'createStatus'> {
  return {
    async listStatuses(repository, sha) {
      const what = `list the commit statuses of ${repository}`;
      const { data } = await read({
        operation: 'list_statuses',
        what,
        route: 'GET /repos/{owner}/{repo}/commits/{ref}/statuses',
        parameters: { ...partsOf(repository), ref: sha, per_page: 100 },
      });
      return statusesIn(data, what);
    },
    async createStatus(repository, sha, { state, context, description, url }) {
      await write({
        operation: 'create_status',
        what: `create a commit status in ${repository}`,
        route: 'POST /repos/{owner}/{repo}/statuses/{sha}',
        parameters: {
          ...partsOf(repository),
          sha,
          state,
          context,
          description,
          ...(url !== undefined && { target_url: url }),
        },
      });
    },
  };
}
