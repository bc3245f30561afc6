import type { RequestHandler } from 'express';
import { z } from 'zod';
import { isCallbackToken, isTokenOf } from '../callback-token.ts';
import { keyOf, type Ref } from '../decide/model.ts';
import { isCode } from '../errors.ts';
import { isSameRepository } from '../github-allow.ts';
import { type Logger, runFields } from '../log.ts';
import type { Callbacks, CalledBack } from '../ports.ts';
import { AUDIENCE } from './access.ts';
import { assertNotTooOften, assertServing, checked, jsonOf, NamespacedPath, type Serving } from './asked.ts';
import { createBuckets } from './buckets.ts';
import { answer, RETRY_AFTER_SECONDS } from './http.ts';
import { createJobTokens, issuerOf, type Job, type JobTokens } from './oidc.ts';
import { Refusal } from './refusal.ts';
import { bearerOf } from './signature.ts';

export interface CallbackOptions extends Serving {
  /** Absent: workflows are not asked to call back. */
  readonly callbacks?: Callbacks | undefined;
  /** Keys of the tokens that runs are given; none: only tokens of jobs count. */
  readonly callbackKeys?: readonly Uint8Array[];
  /** Whose tokens are checked for a run that is not there, so that its sender is told nothing else than for others. */
  readonly githubApiUrl: string;
  readonly jobTokens?: JobTokens;
  readonly log: Logger;
}

const MAX_BODY_BYTES = 16 * 1024;
/** Each asks GitHub, within limits that other tests share. */
const PER_RUN = { burst: 10, perSecond: 0.1 };

/** Why GitHub may not say which workflow run it is. */
const NO_ANSWER = [
  'GITHUB_REJECTED',
  'GITHUB_UNAUTHORIZED',
  'GITHUB_FORBIDDEN',
  'GITHUB_LIMITED',
  'GITHUB_UNREACHABLE',
  'GITHUB_UNANSWERED',
  'CREDENTIALS_MISSING',
] as const;

const Body = z.object({
  runId: z.int().positive(),
  status: z.enum(['started', 'completed']),
  conclusion: z.string().max(64).optional(),
});

/** Where a workflow says that it is there, or at its end. It makes postsync look sooner; what counts is what GitHub says. */
export function callbackRoute(options: CallbackOptions): RequestHandler {
  const { callbacks, callbackKeys = [], githubApiUrl, log } = options;
  const { jobTokens = createJobTokens() } = options;
  const take = createBuckets(PER_RUN);

  /** Who sends it: the job, or `undefined` for who has the run's own token. */
  async function identify(
    run: Ref,
    token: string,
    dispatch: CalledBack | undefined,
  ): Promise<Job | undefined> {
    const isOwn = isCallbackToken(token);
    if (isOwn && dispatch && isTokenOf({ ...run, uid: dispatch.uid }, token, callbackKeys)) return undefined;
    if (isOwn) throw unauthorized();
    const job = await readJob(token, issuerOf(dispatch?.apiUrl ?? githubApiUrl));
    if (typeof job !== 'string') return job;
    log.info({ ...runFields(run), because: job }, 'token of a callback refused');
    throw unauthorized();
  }

  async function readJob(token: string, issuer: string): Promise<Job | string> {
    try {
      return await jobTokens.read(token, issuer);
    } catch (err) {
      if (!isCode(err, 'ISSUER_UNAVAILABLE')) throw err;
      log.warn({ err }, 'tokens of jobs cannot be checked');
      throw unavailable(
        'the token cannot be checked, as its issuer does not answer; go on, or send it again',
      );
    }
  }

  async function verified(telling: Promise<void>, run: Ref): Promise<void> {
    try {
      await telling;
    } catch (err) {
      if (!isCode(err, ...NO_ANSWER)) throw err;
      log.warn({ err, ...runFields(run) }, 'callback not verified');
      throw unavailable('GitHub cannot be asked now; go on, or send it again');
    }
  }

  return async (req, res) => {
    if (!callbacks)
      throw new Refusal(404, 'NotFound', 'no callbacks are taken: POSTSYNC_CALLBACK_URL is not set');
    assertServing(options);
    const run = checked(NamespacedPath, req.params, 'the path');
    const token = bearerOf(req.get('authorization'));
    // The body is read of those who may send one.
    if (token === undefined) throw unauthorized();
    const dispatch = callbacks.dispatchOf(run);
    const job = await identify(run, token, dispatch);
    if (!dispatch || (job && !isSameRepository(job.repository, dispatch.repository)))
      throw forbidden(`no run ${run.namespace}/${run.name} was dispatched to ${job?.repository}`);
    const { runId, status, conclusion } = checked(Body, await jsonOf(req, MAX_BODY_BYTES));
    if (job && job.runId !== runId)
      throw forbidden(`the token is of the workflow run ${job.runId}, and runId is ${runId}`);
    if (dispatch.ended) throw new Refusal(409, 'Conflict', 'the run has ended');
    assertNotTooOften(take(keyOf(run)));
    await verified(callbacks.told(run, runId, status), run);
    const by = job ? 'job' : 'run';
    log.info({ ...runFields(run), workflowRun: runId, status, conclusion, by }, 'callback received');
    answer(res, 202, { accepted: true, because: `GitHub was asked about the workflow run ${runId}` });
  };
}

/** The same whether there is such a run or not. */
function unauthorized(): Refusal {
  const tokens = `the callback's token in the payload, or the job's OIDC token for the audience ${AUDIENCE}`;
  const message = `send Authorization: Bearer TOKEN with ${tokens}; there is no such run, or that was neither`;
  return new Refusal(401, 'Unauthorized', message);
}

function unavailable(message: string): Refusal {
  return new Refusal(503, 'Unavailable', message, RETRY_AFTER_SECONDS);
}

function forbidden(message: string): Refusal {
  return new Refusal(403, 'Forbidden', message);
}
