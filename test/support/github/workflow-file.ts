import { parse } from 'yaml';
import { fillIn } from './expressions.ts';
import type { Fields, Input, Start, Workflow } from './model.ts';

interface File {
  readonly name?: string;
  readonly 'run-name'?: string;
  readonly on?: string | readonly string[] | Readonly<Record<string, Trigger | null>>;
  readonly concurrency?:
    | string
    | { readonly group: string; readonly 'cancel-in-progress'?: boolean | string; readonly queue?: 'max' };
}

interface Trigger {
  readonly types?: string | readonly string[];
  readonly inputs?: Readonly<Record<string, Input | null>>;
}

/** A workflow as its file says: what it reacts to, its `run-name`, its `concurrency`. Its jobs are not looked at. */
export function workflowFrom(path: string, text: string): Workflow {
  const file = parse(text) as File;
  const { name, concurrency: given } = file;
  const on = triggersOf(file);
  const runName = file['run-name'];
  const concurrency = typeof given === 'string' ? { group: given } : given;
  const repository = on.get('repository_dispatch');
  const dispatch = on.get('workflow_dispatch');
  return {
    path,
    ...(name !== undefined && { name }),
    ...(repository && {
      repositoryDispatch: repository.types === undefined ? {} : { types: [repository.types].flat() },
    }),
    ...(dispatch && { workflowDispatch: { inputs: inputsOf(dispatch) } }),
    ...(runName !== undefined && { runName: (start: Start) => fillIn(runName, contextOf(start)) }),
    ...(concurrency && {
      concurrency: (start: Start) => ({
        group: fillIn(concurrency.group, contextOf(start)),
        cancelInProgress: isTrue(concurrency['cancel-in-progress'], start),
        ...(concurrency.queue && { queue: concurrency.queue }),
      }),
    }),
  };
}

function triggersOf({ on = {} }: File): ReadonlyMap<string, Trigger> {
  if (typeof on === 'string') return new Map([[on, {}]]);
  if (Array.isArray(on)) return new Map((on as readonly string[]).map((event) => [event, {}]));
  return new Map(Object.entries(on).map(([event, trigger]) => [event, (trigger ?? {}) as Trigger]));
}

const inputsOf = ({ inputs = {} }: Trigger) =>
  Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input ?? {}]));

const isTrue = (value: boolean | string | undefined, start: Start) =>
  typeof value === 'string' ? fillIn(value, contextOf(start)) === 'true' : value === true;

/** @see https://docs.github.com/actions/reference/workflows-and-actions/contexts */
function contextOf({ event, eventType, payload, inputs, ref }: Start): Fields {
  const sent =
    event === 'repository_dispatch'
      ? { action: eventType, client_payload: payload, branch: ref }
      : { inputs };
  return { github: { event_name: event, event: sent, ref: `refs/heads/${ref}`, ref_name: ref }, inputs };
}
