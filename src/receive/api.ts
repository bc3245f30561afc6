import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import { keyOf, type Ref } from '../decide/model.ts';
import type { Kubernetes } from '../kubernetes.ts';
import type { Logger } from '../log.ts';
import type { Requests } from '../ports.ts';
import { createDoor, type User, type Verb } from './access.ts';
import {
  assertNotTooOften,
  assertServing,
  checked,
  jsonOf,
  NamespacedPath,
  type Serving,
  WaitText,
} from './asked.ts';
import { createBuckets } from './buckets.ts';
import { answer } from './http.ts';
import { Refusal } from './refusal.ts';
import { NOT_DECIDED, tell } from './verdict.ts';
import type { Waits } from './waits.ts';

export interface ApiOptions extends Serving {
  readonly requests: Requests;
  /** For TokenReviews and SubjectAccessReviews. */
  readonly kubernetes: Pick<Kubernetes, 'create'>;
  readonly waits: Waits;
  readonly log: Logger;
}

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
/** A `+` in a query means a space, and no version has one: who writes `1.2.0+build` means the `+`. */
const Version = z
  .string()
  .min(1)
  .max(253)
  .transform((text) => text.replaceAll(' ', '+'));
const VerdictQuery = z.strictObject({
  wait: WaitText.optional(),
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
  const { requests, kubernetes, waits, log } = options;
  const door = createDoor(kubernetes);
  const take = createBuckets({ burst: 30, perSecond: 5 });

  /** Who asks, for which release; refused unless they may. */
  async function enter(req: Request, verb: Verb): Promise<{ user: User; release: Ref }> {
    assertServing(options);
    const release = checked(NamespacedPath, req.params, 'the path');
    const user = await door.identify(req.get('authorization'), req.socket.remoteAddress ?? '');
    assertNotTooOften(take(user.username));
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
      log.info({ release: keyOf(release), by: as.by, runs, verb }, 'runs asked for');
      answer(res, 202, { runs });
    };
  }

  async function verdict(req: Request, res: Response): Promise<void> {
    const { release } = await enter(req, 'get');
    const { wait = 0, ...wanted } = checked(VerdictQuery, req.query, 'the query');
    const read = async () => {
      const verdict = await requests.verdict(release);
      if (!verdict)
        throw new Refusal(404, 'NotFound', `there is no HelmRelease ${release.namespace}/${release.name}`);
      return { ...tell(verdict, wanted), verdict };
    };
    const told = await waits.until(res, { release, ms: wait, read, isDecided });
    const { status, message } = told;
    const { because: _, ...stands } = told.verdict;
    const error = isDecided(told) ? {} : { error: 'NotDecided' };
    answer(res, status, { ...error, message, ...release, ...stands });
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

function isDecided({ status }: { readonly status: number }): boolean {
  return status !== NOT_DECIDED;
}
