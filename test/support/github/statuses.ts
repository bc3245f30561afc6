import { fields } from './dispatches.ts';
import { statusJson } from './json.ts';
import { type Answer, type CommitStatus, Refusal, type Repository } from './model.ts';
import { page } from './pages.ts';
import { type Call, fullName, repositoryFor, type State } from './state.ts';

const STATES = ['error', 'failure', 'pending', 'success'];
const DESCRIPTION_AT_MOST = 140;
/** Of one commit and context. */
const STATUSES_AT_MOST = 1000;

/** `POST /repos/{owner}/{repo}/statuses/{sha}` */
export function createStatus(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'statuses', 'write');
  const { sha = '' } = call.path;
  if (!isCommit(sha, repository)) throw new Refusal(422, `No commit found for SHA: ${sha}`);
  const {
    state: wanted,
    context = 'default',
    description = null,
    target_url: target = null,
  } = fields(call.body);
  if (!STATES.includes(String(wanted))) throw failed('state', 'State is not included in the list');
  if (typeof description === 'string' && description.length > DESCRIPTION_AT_MOST) {
    throw failed('description', `description is too long (maximum is ${DESCRIPTION_AT_MOST} characters)`);
  }
  const kept = statusesOf(repository, sha, state);
  const same = kept.filter((one) => one.context.toLowerCase() === String(context).toLowerCase());
  if (same.length >= STATUSES_AT_MOST) {
    throw failed('context', 'This SHA and context has reached the maximum number of statuses.');
  }
  const status: CommitStatus = {
    id: 30_000_000_001 + [...state.statuses.values()].flat().length,
    sha,
    state: String(wanted),
    context: String(context),
    description: description as string | null,
    targetUrl: target as string | null,
    createdAt: state.now(),
  };
  kept.push(status);
  state.statuses.set(`${fullName(repository)}@${sha}`, kept);
  const body = statusJson(status, fullName(repository), call.base);
  return { status: 201, body, headers: { location: String(body['url']) } };
}

/** `GET /repos/{owner}/{repo}/commits/{ref}/statuses`, newest first. */
export function listStatuses(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'statuses', 'read');
  const { ref = '' } = call.path;
  if (!isCommit(ref, repository)) throw new Refusal(422, `No commit found for SHA: ${ref}`);
  const { items, headers } = page(statusesOf(repository, ref, state).toReversed(), call);
  return {
    status: 200,
    body: items.map((status) => statusJson(status, fullName(repository), call.base)),
    headers,
  };
}

const statusesOf = (repository: Repository, sha: string, { statuses }: State) =>
  statuses.get(`${fullName(repository)}@${sha}`) ?? [];

const isCommit = (sha: string, { commits }: Repository) =>
  /^[0-9a-f]{40}$/.test(sha) && (commits?.includes(sha) ?? true);

function failed(field: string, message: string): Refusal {
  return new Refusal(422, 'Validation Failed', {
    errors: [{ resource: 'Status', code: 'custom', field, message }],
  });
}
