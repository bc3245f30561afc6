import { z } from 'zod';
import type { Time } from '../../decide/model.ts';
import { PostsyncError } from '../../errors.ts';
import { Timestamp } from '../../timestamp.ts';
import type { Accepted, CommitStatus, WorkflowRun } from './github.ts';

/**
 * A workflow run, as far as it is read. Where one cannot be read the whole answer is refused: a run that is left out
 * would be taken for one that is not there.
 *
 * @see https://docs.github.com/rest/actions/workflow-runs
 */
const Run = z
  .looseObject({
    id: z.int().positive(),
    /** Absent from GitHub Enterprise before 3.5. */
    display_title: z.string().nullish(),
    event: z.string(),
    status: z.string().nullish(),
    conclusion: z.string().nullish(),
    html_url: z.string(),
    created_at: Timestamp,
    run_started_at: Timestamp.nullish(),
    updated_at: Timestamp,
  })
  .transform(
    (run): WorkflowRun => ({
      id: run.id,
      title: run.display_title ?? '',
      event: run.event,
      status: run.status ?? 'requested',
      ...(run.conclusion && { conclusion: run.conclusion }),
      url: run.html_url,
      createdAt: run.created_at,
      ...(typeof run.run_started_at === 'number' && { startedAt: run.run_started_at }),
      updatedAt: run.updated_at,
    }),
  );

const Runs = z.looseObject({ workflow_runs: z.array(Run) });

const Details = z
  .looseObject({ workflow_run_id: z.int().positive(), html_url: z.string() })
  .transform((details): Accepted => ({ id: details.workflow_run_id, url: details.html_url }));

const Token = z
  .looseObject({ token: z.string().min(1), expires_at: Timestamp })
  .transform(({ token, expires_at }) => ({ token, expiresAt: expires_at }));

const Statuses = z.array(
  z
    .looseObject({ context: z.string(), state: z.string(), description: z.string().nullish() })
    .transform(
      ({ context, state, description }): CommitStatus => ({ context, state, description: description ?? '' }),
    ),
);

/** @param what what was tried, for messages */
export function runIn(data: unknown, what: string): WorkflowRun {
  return readAs(Run, data, what);
}

export function runsIn(data: unknown, what: string): readonly WorkflowRun[] {
  return readAs(Runs, data, what).workflow_runs;
}

export function statusesIn(data: unknown, what: string): readonly CommitStatus[] {
  return readAs(Statuses, data, what);
}

export function tokenIn(data: unknown, what: string): { readonly token: string; readonly expiresAt: Time } {
  return readAs(Token, data, what);
}

/** @returns `undefined` where the answer does not say: the dispatch was accepted all the same */
export function detailsIn(data: unknown): Accepted | undefined {
  return Details.safeParse(data).data;
}

function readAs<T>(schema: z.ZodType<T>, data: unknown, what: string): T {
  const read = schema.safeParse(data);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new PostsyncError(
    'GITHUB_UNANSWERED',
    `cannot ${what}: GitHub's answer cannot be read: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}
