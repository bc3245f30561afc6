import { runJson } from './json.ts';
import { type Answer, Refusal, type Repository, type Run } from './model.ts';
import { page } from './pages.ts';
import { type Call, fullName, repositoryFor, type State } from './state.ts';

const FILTERED_AT_MOST = 1000;
const FILTERS = ['actor', 'branch', 'check_suite_id', 'created', 'event', 'head_sha', 'status'];

/** `GET /repos/{owner}/{repo}/actions/runs` */
export function listRuns(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'actions', 'read');
  const { query } = call;
  const isFiltered = FILTERS.some((name) => query.has(name));
  const matching = state.runs.list(fullName(repository)).filter((run) => matches(run, query));
  const found = isFiltered ? matching.slice(0, FILTERED_AT_MOST) : matching;
  const { items, headers } = page(found, call);
  for (const { id } of items) state.runs.look(id);
  const body = {
    total_count: found.length,
    workflow_runs: items.map((run) => runJson(run, repository, call.base)),
  };
  return { status: 200, body, headers };
}

/** `GET /repos/{owner}/{repo}/actions/runs/{run_id}` */
export function getRun(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'actions', 'read');
  const run = runFor(call, repository, state);
  state.runs.look(run.id);
  return { status: 200, body: runJson(run, repository, call.base) };
}

/** `POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel` */
export function cancelRun(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'actions', 'write');
  const run = runFor(call, repository, state);
  if (run.status === 'completed') throw new Refusal(409, 'Cannot cancel a workflow run that is completed');
  state.runs.change(run.id, 'completed', 'cancelled');
  return { status: 202, body: {} };
}

function runFor(call: Call, repository: Repository, { runs }: State): Run {
  const run = runs.find(Number(call.path['run_id']));
  if (run?.repository === fullName(repository)) return run;
  throw new Refusal(404, 'Not Found');
}

function matches(run: Run, query: URLSearchParams): boolean {
  const event = query.get('event');
  const status = query.get('status');
  const branch = query.get('branch');
  const created = query.get('created');
  return (
    (event === null || run.start.event === event) &&
    (status === null || run.status === status || run.conclusion === status) &&
    (branch === null || run.start.ref === branch) &&
    (created === null || isWithin(run.createdAt, created))
  );
}

/** GitHub's search syntax for dates: `>=2026-11-21T09:00:00Z`, `a..b`, a day. GitHub tells times by the second. */
function isWithin(ms: number, search: string): boolean {
  const second = Math.floor(ms / 1000) * 1000;
  const [from = '', to] = search.split('..');
  if (to !== undefined) {
    return (from === '*' || second >= Date.parse(from)) && (to === '*' || second <= Date.parse(to));
  }
  const [, comparison = '', date = ''] = /^(>=|<=|>|<)?(.*)$/.exec(search) ?? [];
  const limit = Date.parse(date);
  if (comparison === '>=') return second >= limit;
  if (comparison === '<=') return second <= limit;
  if (comparison === '>') return second > limit;
  if (comparison === '<') return second < limit;
  return new Date(second).toISOString().startsWith(date.replace('Z', ''));
}
