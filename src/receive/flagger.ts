import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import { keyOf, type Ref, type Result } from '../decide/model.ts';
import type { Logger } from '../log.ts';
import type { Rollouts, RolloutVerdict } from '../ports.ts';
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
import { NamespaceName, ObjectName } from './flux-event.ts';
import { answer } from './http.ts';
import { Refusal } from './refusal.ts';
import { isKnown } from './signature.ts';
import { NOT_DECIDED, STATUSES } from './verdict.ts';
import type { Waits } from './waits.ts';

export interface FlaggerOptions extends Serving {
  /** By namespace, the token that opens its releases to Flagger; absent: Flagger may ask for nothing. */
  readonly flaggerTokens?: Readonly<Record<string, string>> | undefined;
  readonly rollouts: Rollouts;
  readonly waits: Waits;
  readonly log: Logger;
}

/** Below the ten seconds that Flagger gives a webhook, unless told otherwise. */
const DEFAULT_WAIT_MS = 8_000;

const Query = z.strictObject({ wait: WaitText.default(DEFAULT_WAIT_MS) });
const NoQuery = z.strictObject({});
const TestNames = z
  .string()
  .max(4096)
  .transform((text) => [...new Set(text.split(/[\s,]+/).filter(Boolean))])
  .pipe(z.array(z.string().max(253)).min(1, 'name the tests, comma separated').max(16));

/**
 * What Flagger posts; it may add fields without asking us. It can send no header, so that what lets a caller in is in
 * the webhook's own `metadata`.
 *
 * @see https://docs.flagger.app/usage/webhooks
 */
const Payload = z.object({
  name: ObjectName.max(128),
  namespace: NamespaceName,
  checksum: z
    .string('Flagger sends one since 1.34')
    .regex(/^[a-z0-9]{1,32}$/, "not one of Flagger's checksums"),
  metadata: z.object({ token: z.string().max(1024), tests: TestNames }),
});

interface Asked {
  readonly release: Ref;
  readonly canary: Ref;
  readonly checksum: string;
  readonly tests: readonly string[];
}

/**
 * Webhooks of a canary: `/flagger/{namespace}/{name}/gate` and `/rollback`, of a HelmRelease. Flagger takes any answer up
 * to 202 for a yes, and does not say which of its hooks calls: so each role has its path, and 200 is all that means yes.
 */
export function flaggerRouter(options: FlaggerOptions): Router {
  const { rollouts, waits, log } = options;
  const take = createBuckets({ burst: 30, perSecond: 5 });

  /** What is asked for, by whom may ask for it. */
  async function enter(req: Request): Promise<Asked> {
    const { flaggerTokens } = options;
    if (!flaggerTokens) {
      const message = 'Flagger may ask for nothing: the administrator sets POSTSYNC_FLAGGER_TOKENS_FILE';
      throw new Refusal(404, 'NotFound', message);
    }
    assertServing(options);
    const release = checked(NamespacedPath, req.params, 'the path');
    const { namespace, name, checksum, metadata } = checked(Payload, await jsonOf(req));
    const token = Object.hasOwn(flaggerTokens, release.namespace) && flaggerTokens[release.namespace];
    if (!token || !isKnown(metadata.token, [token])) {
      const message = `metadata.token is not the token of the namespace ${release.namespace}`;
      throw new Refusal(403, 'Forbidden', message);
    }
    assertNotTooOften(take(release.namespace));
    return { release, canary: { namespace, name }, checksum, tests: metadata.tests };
  }

  function reply(res: Response, asked: Asked, verdict: RolloutVerdict, status: number): void {
    const { result, runs, message } = verdict;
    const { release, canary, checksum } = asked;
    const about = { release: keyOf(release), canary: keyOf(canary), checksum };
    log.info({ ...about, runs, result, status, because: message }, 'canary asked');
    answer(res, status, { message, result, runs });
  }

  /** Starts what was not started yet, waits, and says yes when all of it has passed. */
  const gate: RequestHandler = async (req, res) => {
    const { wait } = checked(Query, req.query, 'the query');
    const asked = await enter(req);
    const { release, tests } = asked;
    const first = await rollouts.ask(release, asked, { tests, start: true });
    const isDecided = ({ result, digest }: RolloutVerdict) => isFinal(result) || digest !== first.digest;
    const last = isDecided(first)
      ? first
      : await waits.until(res, {
          release,
          ms: wait,
          // Another digest is for another call: by then Flagger sends the checksum that goes with it.
          read: () => rollouts.ask(release, asked, { tests, start: true, digest: first.digest }),
          isDecided,
        });
    reply(res, asked, last, isFinal(last.result) ? STATUSES[last.result] : NOT_DECIDED);
  };

  /** Says yes when a test has failed. */
  const rollback: RequestHandler = async (req, res) => {
    checked(NoQuery, req.query, 'the query');
    const asked = await enter(req);
    const verdict = await rollouts.ask(asked.release, asked, { tests: asked.tests, start: false });
    reply(res, asked, verdict, verdict.result === 'failed' ? 200 : 409);
  };

  return Router().post('/:namespace/:name/gate', gate).post('/:namespace/:name/rollback', rollback);
}

function isFinal(result: Result): result is keyof typeof STATUSES {
  return result !== 'pending' && result !== 'running';
}
