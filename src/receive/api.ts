import { setTimeout as delay } from 'node:timers/promises';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import type { Ref } from '../decide/model.ts';
import { isCode } from '../errors.ts';
import type { Kubernetes } from '../kubernetes.ts';
import type { Logger } from '../log.ts';
import type { ReleaseVerdict, Requests } from '../ports.ts';
import { createDoor, type User, type Verb } from './access.ts';
import { createBuckets } from './buckets.ts';
import type { Changes } from './changes.ts';
import { NamespaceName, ObjectName, problemsOf } from './flux-event.ts';
import { answer, RETRY_AFTER_SECONDS, readBody } from './http.ts';
import { Refusal } from './refusal.ts';
import { NOT_DECIDED, type Told, tell, type Wanted } from './verdict.ts';

export interface ApiOptions {
  readonly requests: Requests;
  /** For TokenReviews and SubjectAccessReviews. */
  readonly kubernetes: Pick<Kubernetes, 'create'>;
  readonly changes: Pick<Changes, 'wait'>;
  /** Whether what is in the cluster was listed: before, a test that exists would not be found. */
  readonly isReady: () => boolean;
  readonly stopping: AbortSignal;
  readonly log: Logger;
}

const MAX_BODY_BYTES = 64 * 1024;
const MAX_WAIT_MS = 3_600_000;
/** Those who wait hold a connection each; Flux' events need some, too. */
const MAX_WAITING = 256;
/** Between two reads of a release for one who waits: at least, and at most when nothing is heard of it. */
const MIN_READ_MS = 250;
const MAX_READ_MS = 15_000;

const Path = z.object({ namespace: NamespaceName, name: ObjectName });
const TestName = z.string().min(1).max(253);
const Reason = z.string().min(1).max(1024);
const RunsBody = z.strictObject({
  tests: z.array(TestName).min(1).max(64).optional(),
  reason: Reason.optional(),
});
const OverrideBody = z.strictObject({
  verdict: z.enum(['passed', 'failed']),
  reason: Reason,
  test: TestName.optional(),
  digest: z.string().min(1).max(256).optional(),
});
const Wait = z.string().transform((text, ctx) => {
  const [, digits, unit = ''] = /^(\d{1,7})(ms|s|m|h)$/.exec(text) ?? [];
  const ms = Number(digits) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN);
  if (ms <= MAX_WAIT_MS) return ms;
  ctx.addIssue({ code: 'custom', message: 'use a whole number and a unit, at most 1h, such as 10m' });
  return z.NEVER;
});
/** A `+` in a query means a space, and no version has one: who writes `1.2.0+build` means the `+`. */
const Version = z
  .string()
  .min(1)
  .max(253)
  .transform((text) => text.replaceAll(' ', '+'));
const VerdictQuery = z.strictObject({
  wait: Wait.optional(),
  chartVersion: Version.optional(),
  appVersion: Version.optional(),
  afterDigest: z.string().min(1).max(256).optional(),
});
const IdempotencyKey = z
  .string()
  .regex(/^[\x21-\x7e]{1,128}$/, 'use 1 to 128 visible ASCII characters')
  .optional();

/** The API for people and pipelines: `/api/v1/releases/{namespace}/{name}`. */
export function apiRouter(options: ApiOptions): Router {
  const { requests, kubernetes, isReady, stopping, log } = options;
  const door = createDoor(kubernetes);
  const take = createBuckets({ burst: 30, perSecond: 5 });
  let waiting = 0;

  /** Who asks, for which release; refused unless they may. */
  async function enter(req: Request, verb: Verb): Promise<{ user: User; release: Ref }> {
    if (stopping.aborted || !isReady()) {
      const because = stopping.aborted ? 'stopping' : 'starting';
      throw new Refusal(503, 'Unavailable', `postsync is ${because}; ask again`, RETRY_AFTER_SECONDS);
    }
    const release = checked(Path, req.params, 'the path');
    const user = await door.identify(req.get('authorization'), req.socket.remoteAddress ?? '');
    const seconds = take(user.username);
    if (seconds > 0)
      throw new Refusal(429, 'TooManyRequests', `that was too often; wait ${seconds} s`, seconds);
    await door.allow(user, verb, release.namespace);
    return { user, release };
  }

  /** A route that creates runs. */
  function creates<T extends z.ZodType>(
    verb: Verb,
    Body: T,
    act: (release: Ref, body: z.output<T>, as: { by: string; key?: string }) => Promise<readonly string[]>,
  ): RequestHandler {
    return async (req, res) => {
      const { user, release } = await enter(req, verb);
      const key = checked(IdempotencyKey, req.get('idempotency-key'), 'Idempotency-Key');
      const body = checked(Body, await jsonOf(req));
      const as = { by: user.username.slice(0, 512), ...(key !== undefined && { key }) };
      const runs = await act(release, body, as);
      log.info({ release, by: as.by, runs, verb }, 'runs asked for');
      answer(res, 202, { runs });
    };
  }

  async function verdict(req: Request, res: Response): Promise<void> {
    const { release } = await enter(req, 'get');
    const { wait = 0, ...wanted } = checked(VerdictQuery, req.query, 'the query');
    if (wait > 0 && waiting >= MAX_WAITING)
      throw new Refusal(429, 'TooManyRequests', 'too many wait for a verdict; ask again in 10 s', 10);
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    waiting++;
    try {
      const until = AbortSignal.any([gone.signal, stopping]);
      const { status, message, verdict } = await awaited(options, release, { wanted, wait, until });
      if (status === NOT_DECIDED && stopping.aborted)
        throw new Refusal(503, 'Unavailable', 'postsync is stopping; ask again', RETRY_AFTER_SECONDS);
      const error = status === NOT_DECIDED ? { error: 'NotDecided' } : {};
      answer(res, status, { ...error, message, ...release, ...verdict });
    } finally {
      waiting--;
    }
  }

  return Router()
    .get('/releases/:namespace/:name', verdict)
    .post(
      '/releases/:namespace/:name/runs',
      creates('create', RunsBody, (release, { tests, reason }, as) =>
        requests.run(release, { ...as, ...(tests && { tests }), ...(reason !== undefined && { reason }) }),
      ),
    )
    .post(
      '/releases/:namespace/:name/override',
      creates('override', OverrideBody, (release, { verdict, reason, test, digest }, as) =>
        requests.override(release, {
          ...as,
          verdict,
          reason,
          ...(test !== undefined && { test }),
          ...(digest !== undefined && { digest }),
        }),
      ),
    );
}

/** Reads the release until its verdict is the one wanted, or the time is over. */
async function awaited(
  { requests, changes }: Pick<ApiOptions, 'requests' | 'changes'>,
  release: Ref,
  { wanted, wait, until }: { wanted: Wanted; wait: number; until: AbortSignal },
): Promise<Told & { readonly verdict?: ReleaseVerdict }> {
  const deadline = performance.now() + wait;
  for (;;) {
    const left = Math.max(0, deadline - performance.now());
    const isLast = left === 0 || until.aborted;
    // Listens before it reads: what changes while it reads is not missed.
    const round = new AbortController();
    const changed = changes.wait(
      release,
      Math.min(left, MAX_READ_MS),
      AbortSignal.any([until, round.signal]),
    );
    try {
      const verdict = await requests.verdict(release);
      if (!verdict)
        throw new Refusal(404, 'NotFound', `there is no HelmRelease ${release.namespace}/${release.name}`);
      const told = tell(verdict, wanted);
      if (told.status !== NOT_DECIDED || isLast) {
        round.abort();
        return { ...told, verdict };
      }
    } catch (error) {
      if (isLast || !isCode(error, 'API_UNAVAILABLE')) {
        round.abort();
        throw error;
      }
    }
    await changed;
    await delay(Math.min(Math.max(0, deadline - performance.now()), MIN_READ_MS));
  }
}

async function jsonOf(req: Request): Promise<unknown> {
  const body = await readBody(req, MAX_BODY_BYTES);
  if (!body) throw new Refusal(413, 'TooLarge', `the body is over ${MAX_BODY_BYTES} bytes`);
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refusal(400, 'BadRequest', 'the body is not JSON');
  }
}

function checked<T extends z.ZodType>(schema: T, value: unknown, of?: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error);
  throw new Refusal(400, 'BadRequest', of ? problems.replace('the body', of) : problems);
}
