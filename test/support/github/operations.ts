import { NEWEST, repositoryDispatch, workflowDispatch } from './dispatches.ts';
import { timestamp } from './json.ts';
import type { Weight } from './limits.ts';
import { type Answer, Refusal } from './model.ts';
import { cancelRun, getRun, listRuns } from './reads.ts';
import type { Call, State } from './state.ts';
import { createStatus, listStatuses } from './statuses.ts';

type Operation = (call: Call, state: State) => Answer;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  'repos/create-dispatch-event': repositoryDispatch,
  'actions/create-workflow-dispatch': workflowDispatch,
  'actions/list-workflow-runs-for-repo': listRuns,
  'actions/get-workflow-run': getRun,
  'actions/cancel-workflow-run': cancelRun,
  'repos/create-commit-status': createStatus,
  'repos/list-commit-statuses-for-ref': listStatuses,
  'apps/create-installation-access-token': issueToken,
};

const CONTENT = new Set([
  'repos/create-dispatch-event',
  'actions/create-workflow-dispatch',
  'repos/create-commit-status',
]);

/** What a request counts for against the secondary limits. */
export function weightOf(method: string, operation: string | undefined): Weight {
  return { points: method === 'GET' ? 1 : 5, content: CONTENT.has(operation ?? '') };
}

const VERSIONS = ['2022-11-28', NEWEST];

/** Does what is asked, or says why not. */
export function perform(operation: string | undefined, call: Call, state: State): Answer {
  try {
    const supported = state.oldEnterprise ? VERSIONS.slice(0, 1) : VERSIONS;
    if (!supported.includes(call.version)) {
      throw new Refusal(400, `The API version ${call.version} is not supported.`);
    }
    const found = OPERATIONS[operation ?? ''];
    if (!found) throw new Refusal(404, 'Not Found');
    if (call.caller.kind === 'nobody') throw new Refusal(401, 'Requires authentication');
    return found(call, state);
  } catch (error) {
    if (error instanceof Refusal) return refused(error);
    throw error;
  }
}

export function refused({ status, message, errors, headers }: Refusal): Answer {
  const body = {
    message,
    ...(errors.length > 0 && { errors }),
    documentation_url: 'https://docs.github.com/rest',
    status: String(status),
  };
  return { status, body, headers };
}

/** `POST /app/installations/{installation_id}/access_tokens` */
function issueToken({ caller, path }: Call, { credentials }: State): Answer {
  const { token, expiresAt, app } = credentials.issue(caller, Number(path['installation_id']));
  const body = {
    token,
    expires_at: timestamp(expiresAt),
    permissions: { ...app.rights, metadata: 'read' },
    repository_selection: app.repositories ? 'selected' : 'all',
  };
  return { status: 201, body };
}
