import {
  type Answer,
  type Fields,
  type Input,
  Refusal,
  type Repository,
  type Start,
  type Workflow,
} from './model.ts';
import { type Call, repositoryFor, type State } from './state.ts';

/*
 * The messages of refusals are GitHub's where users have quoted them in public, and otherwise its way of putting things.
 */

const PAYLOAD_AT_MOST = 65_535;
const PROPERTIES_AT_MOST = 10;
const INPUTS_AT_MOST = 25;

/** `POST /repos/{owner}/{repo}/dispatches`: 204, whether or not a workflow reacts. */
export function repositoryDispatch(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'contents', 'write');
  const { event_type: type, client_payload: payload = {} } = fields(call.body);
  if (typeof type !== 'string' || type === '') throw notSupplied('event_type');
  if (type.length > 100) throw invalid('event_type is too long (maximum is 100 characters)');
  const [ref = ''] = repository.branches;
  const start: Start = {
    event: 'repository_dispatch',
    eventType: type,
    payload: objectOf(payload, 'client_payload', PROPERTIES_AT_MOST),
    inputs: {},
    ref,
  };
  for (const workflow of repository.workflows) {
    if (!reacts(workflow, type)) continue;
    call.started.push(state.runs.create(repository, workflow, start).id);
  }
  return { status: 204 };
}

const reacts = ({ repositoryDispatch: on, disabled }: Workflow, type: string) =>
  on !== undefined && !disabled && (on.types?.includes(type) ?? true);

/** `POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches` */
export function workflowDispatch(call: Call, state: State): Answer {
  const repository = repositoryFor(call, state, 'actions', 'write');
  const { workflow_id: wanted = '' } = call.path;
  const workflow = repository.workflows.find(
    ({ id, path }) => String(id) === wanted || path.split('/').at(-1) === wanted,
  );
  if (!workflow) throw new Refusal(404, 'Not Found');
  const { return_run_details: details } = fields(call.body);
  const newest = call.version === NEWEST;
  if (details !== undefined && (state.oldEnterprise || newest)) throw notPermitted('return_run_details');
  const start = startOf(fields(call.body), workflow, repository);
  const { id } = state.runs.create(repository, workflow, start);
  call.started.push(id);
  if (details !== true && !newest) return { status: 204 };
  const at = `${repository.owner}/${repository.name}/actions/runs/${id}`;
  const body = {
    workflow_run_id: id,
    run_url: `${call.base.api}/repos/${at}`,
    html_url: `${call.base.html}/${at}`,
  };
  return { status: 200, body };
}

function startOf({ ref, inputs = {} }: Fields, workflow: Workflow, { branches }: Repository): Start {
  if (typeof ref !== 'string') throw notSupplied('ref');
  const given = objectOf(inputs, 'inputs', INPUTS_AT_MOST);
  const branch = ref.replace(/^refs\/(heads|tags)\//, '');
  if (!branches.includes(branch)) throw new Refusal(422, `No ref found for: ${ref}`);
  const { workflowDispatch: on, disabled } = workflow;
  if (!on) throw new Refusal(422, "Workflow does not have 'workflow_dispatch' trigger");
  if (disabled) throw new Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow");
  return { event: 'workflow_dispatch', payload: {}, inputs: filled(given, on.inputs ?? {}), ref: branch };
}

function objectOf(value: unknown, name: string, atMost: number): Fields {
  if (!isFields(value)) throw invalid(`For 'properties/${name}', ${JSON.stringify(value)} is not an object.`);
  const count = Object.keys(value).length;
  if (count > atMost) throw invalid(`No more than ${atMost} properties are allowed; ${count} were supplied.`);
  if (JSON.stringify(value).length > PAYLOAD_AT_MOST) throw new Refusal(422, `${name} is too large.`);
  return value;
}

/** The version of the API in which details are always returned, and not asked for. */
export const NEWEST = '2026-03-10';

/** What is declared, with what is given or preset. */
function filled(given: Fields, declared: Readonly<Record<string, Input>>): Fields {
  const unexpected = Object.keys(given).filter((name) => !Object.hasOwn(declared, name));
  if (unexpected.length > 0)
    throw new Refusal(422, `Unexpected inputs provided: ${JSON.stringify(unexpected)}`);
  return Object.fromEntries(
    Object.entries(declared).flatMap(([name, { required, default: preset, options }]) => {
      const value = given[name] ?? preset;
      if (value === undefined && required) throw new Refusal(422, `Required input '${name}' not provided`);
      if (value !== undefined && options && !options.some((option) => option === value)) {
        const shown = JSON.stringify(value).replaceAll('"', "'");
        throw new Refusal(
          422,
          `Provided value ${shown} for input '${name}' not in the list of allowed values`,
        );
      }
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

export const isFields = (value: unknown): value is Fields =>
  value !== null && typeof value === 'object' && !Array.isArray(value);

export function fields(body: unknown): Fields {
  if (isFields(body)) return body;
  throw new Refusal(400, body === undefined ? 'Body should be a JSON object' : 'Problems parsing JSON');
}

const invalid = (why: string) => new Refusal(422, `Invalid request.\n\n${why}`);
const notSupplied = (name: string) => invalid(`"${name}" wasn't supplied.`);
const notPermitted = (name: string) =>
  new Refusal(400, `Invalid request.\n\n"${name}" is not a permitted key.`);
