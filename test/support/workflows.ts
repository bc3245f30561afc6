import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { type Contexts, evaluate, fillIn, parse } from './github/expressions.ts';

const FOLDER = fileURLToPath(new URL('../../workflows/', import.meta.url));

export interface Step {
  readonly name?: string;
  readonly id?: string;
  readonly if?: string;
  readonly uses?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | number>>;
  readonly run?: string;
  readonly 'continue-on-error'?: boolean;
}

export interface Job {
  readonly if?: string;
  readonly uses?: string;
  readonly needs?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: unknown;
  readonly env?: Readonly<Record<string, string | number>>;
  readonly steps?: readonly Step[];
}

export interface Workflow {
  readonly name: string;
  readonly 'run-name'?: string;
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: unknown;
  readonly concurrency?: { readonly group: string };
  readonly defaults?: unknown;
  readonly jobs: Readonly<Record<string, Job>>;
}

/** The examples in workflows/, by the names of their files. */
export function workflows(): Map<string, Workflow> {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));
  return new Map(files.map((file) => [file, workflowOf(textOf(file))]));
}

/** A step of an example, with its job. */
export function stepOf(file: string, job: string, name: string): { readonly job: Job; readonly step: Step } {
  const found = workflows().get(file)?.jobs[job];
  const step = found?.steps?.find((step) => step.name === name);
  if (!found || !step) throw new Error(`there is no step ${name} in ${job} of ${file}`);
  return { job: found, step };
}

export function textOf(file: string): string {
  return readFileSync(join(FOLDER, file), 'utf8');
}

/** @throws when it is not YAML, or says a key twice */
export function workflowOf(text: string): Workflow {
  const document = parseDocument(text);
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem) throw problem;
  return document.toJS() as Workflow;
}

/** Every text of a workflow, with the path to it. */
export function textsOf(value: unknown, path = ''): (readonly [path: string, text: string])[] {
  if (typeof value === 'string') return [[path, value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => textsOf(item, `${path}/${key}`));
}

/** Whether GitHub would run a job or step; only `if` is looked at, not what it needs. */
export function isRun({ if: condition = 'always()' }: { readonly if?: string }, contexts: Contexts): boolean {
  return Boolean(evaluate(parse(condition), contexts));
}

/** A text for each variable that GitHub gives a step. */
export function environmentOf(job: Job, step: Step, contexts: Contexts): Record<string, string> {
  const all = Object.entries({ ...job.env, ...step.env });
  return Object.fromEntries(all.map(([name, value]) => [name, fillIn(`${value}`, contexts)]));
}

export interface Ran {
  readonly code: number;
  /** What is in the log. */
  readonly log: string;
  readonly summary: string;
}

/** A runner's temporary folder, in which steps run one after the other. */
export class Runner {
  readonly folder = mkdtempSync(join(tmpdir(), 'postsync-workflow-'));
  readonly #variables: Readonly<Record<string, string>>;

  /** @param event what is in the file of the event */
  constructor(event: object, variables: Readonly<Record<string, string>> = {}) {
    writeFileSync(join(this.folder, 'event.json'), JSON.stringify(event));
    this.#variables = variables;
  }

  /** Runs the script of a step, as GitHub does with `shell: bash`. */
  async run({ run = '' }: Step, variables: Readonly<Record<string, string>>): Promise<Ran> {
    const script = join(this.folder, 'step.sh');
    const summary = join(this.folder, 'summary.md');
    writeFileSync(script, run);
    writeFileSync(summary, '');
    const env = {
      PATH: process.env['PATH'],
      GITHUB_EVENT_PATH: join(this.folder, 'event.json'),
      GITHUB_RUN_ID: '4711',
      GITHUB_STEP_SUMMARY: summary,
      RUNNER_TEMP: this.folder,
      ...this.#variables,
      ...variables,
    };
    const [code, log] = await execute(['--noprofile', '--norc', '-eo', 'pipefail', script], env, this.folder);
    return { code, log, summary: readFileSync(summary, 'utf8') };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function execute(args: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Promise<[number, string]> {
  return new Promise((resolve) => {
    execFile('bash', args, { env, cwd, timeout: 60_000 }, (error, stdout, stderr) => {
      const code = error ? Number(error.code ?? -1) : 0;
      resolve([code, stdout + stderr]);
    });
  });
}

/** What bash says of a script that it cannot read; empty where it can. */
export async function problemOf(script: string): Promise<string> {
  const [, log] = await execute(['-n', '-c', script], process.env, FOLDER);
  return log;
}
