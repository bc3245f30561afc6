import { readFileSync } from 'node:fs';
import type { CommitStatus, Fields, Repository, Run } from './model.ts';

interface Examples {
  readonly components: {
    readonly examples: {
      readonly 'workflow-run-paginated': { readonly value: { readonly workflow_runs: readonly Fields[] } };
      readonly status: { readonly value: Fields };
    };
  };
}

const FILE = new URL('../../fixtures/github/description.json', import.meta.url);
const { examples } = (JSON.parse(readFileSync(FILE, 'utf8')) as Examples).components;
/** GitHub's own examples, so that what is of no interest here is there too, and as large as it really is. */
const [RUN = {}] = examples['workflow-run-paginated'].value.workflow_runs;
const STATUS = examples.status.value;

/** GitHub tells times by the second. */
export const timestamp = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Where answers point to. */
export interface Base {
  readonly api: string;
  readonly html: string;
}

export function runJson(run: Run, { owner, name, branches }: Repository, base: Base): Fields {
  const repository = `${base.api}/repos/${owner}/${name}`;
  const url = `${repository}/actions/runs/${run.id}`;
  return {
    ...RUN,
    id: run.id,
    name: run.workflow.name ?? run.workflow.path,
    head_branch: run.start.ref,
    path: run.workflow.path,
    run_number: run.number,
    event: run.start.event,
    display_title: run.displayTitle,
    status: run.status,
    conclusion: run.conclusion ?? null,
    workflow_id: run.workflow.id,
    url,
    html_url: `${base.html}/${owner}/${name}/actions/runs/${run.id}`,
    created_at: timestamp(run.createdAt),
    updated_at: timestamp(run.updatedAt),
    run_started_at: timestamp(run.createdAt),
    jobs_url: `${url}/jobs`,
    logs_url: `${url}/logs`,
    cancel_url: `${url}/cancel`,
    rerun_url: `${url}/rerun`,
    artifacts_url: `${url}/artifacts`,
    workflow_url: `${repository}/actions/workflows/${run.workflow.id}`,
    repository: {
      ...Object(RUN['repository']),
      name,
      full_name: run.repository,
      default_branch: branches[0],
    },
  };
}

export function statusJson(status: CommitStatus, repository: string, { api }: Base): Fields {
  return {
    ...STATUS,
    id: status.id,
    url: `${api}/repos/${repository}/statuses/${status.sha}`,
    state: status.state,
    context: status.context,
    description: status.description,
    target_url: status.targetUrl,
    created_at: timestamp(status.createdAt),
    updated_at: timestamp(status.createdAt),
  };
}
