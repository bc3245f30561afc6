import type { RequestHandler } from 'express';
import type { Ref } from '../decide/model.ts';
import type { Logger } from '../log.ts';
import type { EventAnswer, Metrics } from '../metrics.ts';
import { irrelevance, parseEvent } from './flux-event.ts';
import { createHints } from './hints.ts';
import { answer, RETRY_AFTER_SECONDS, readBody } from './http.ts';
import { bearerOf, isKnown, isSigned, keysToTry } from './signature.ts';

export interface FluxOptions {
  /** Keys of `generic-hmac` Providers. */
  readonly hmacKeys: readonly Uint8Array[];
  /** Tokens that `generic` Providers send. */
  readonly bearerTokens: readonly string[];
  /** Reasons of events that cause a look. */
  readonly reasons: readonly string[];
  /** Something was heard of a release: have a look. */
  readonly onRelease: (release: Ref) => void;
  readonly stopping: AbortSignal;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'event'>;
}

/** As much as notification-controller itself takes. Messages carry the log of a failed Helm action. */
const MAX_BODY_BYTES = 3 * 1024 * 1024;

const NOTHING = Buffer.alloc(0);

/** What becomes of a request; `event` is what is logged of it. */
interface Reply {
  readonly status: number;
  readonly counted: EventAnswer;
  readonly because: string;
  readonly event?: object;
}

/** The address of a Flux Provider: authenticates the bytes, then reads them, and causes at most a look. */
export function fluxRoute(options: FluxOptions): RequestHandler {
  const { bearerTokens, stopping, log, metrics } = options;
  const hint = createHints(options.onRelease);
  const reasons = new Set(options.reasons);
  const keys = keysToTry(options.hmacKeys);

  function refusal(body: Buffer, signature: string | undefined, bearer: string | undefined) {
    if (isSigned(body, signature, keys) || isKnown(bearer, bearerTokens)) return undefined;
    if (keys.length === 0 && bearerTokens.length === 0)
      return 'nobody can be let in: set POSTSYNC_FLUX_HMAC_KEY_FILES or POSTSYNC_FLUX_BEARER_TOKEN_FILES';
    if (signature !== undefined) return 'X-Signature does not match the body under any configured key';
    if (bearer !== undefined) return 'the bearer token is not a configured one';
    return 'neither X-Signature nor a bearer token came with it: is the Provider of type generic-hmac?';
  }

  function judge(body: Buffer | undefined, signature?: string, bearer?: string): Reply {
    if (!body)
      return { status: 413, counted: 'too_large', because: `the body is over ${MAX_BODY_BYTES} bytes` };
    const unauthorized = refusal(body, signature, bearer);
    if (unauthorized) return { status: 401, counted: 'unauthorized', because: unauthorized };
    const event = parseEvent(body);
    if (typeof event === 'string') return { status: 400, counted: 'invalid', because: event };
    const { kind, ref, reason } = event;
    const irrelevant = irrelevance(event, reasons);
    if (irrelevant === undefined) hint(ref);
    return {
      status: 202,
      counted: irrelevant === undefined ? 'accepted' : 'ignored',
      because: irrelevant ?? reason,
      event: { kind, release: ref, reason },
    };
  }

  return async (req, res) => {
    if (stopping.aborted) {
      metrics.event('stopping');
      const because = 'postsync is stopping; send it again';
      const headers = { 'retry-after': RETRY_AFTER_SECONDS, connection: 'close' };
      return answer(res, 503, { accepted: false, because }, headers);
    }
    const { headers } = req;
    const signature = typeof headers['x-signature'] === 'string' ? headers['x-signature'] : undefined;
    const bearer = bearerOf(headers.authorization);
    // Who shows nothing at all need not be listened to.
    const isAnonymous = signature === undefined && bearer === undefined;
    const body = isAnonymous ? NOTHING : await readBody(req, MAX_BODY_BYTES);
    const reply = judge(body, signature, bearer);
    const { status, counted, because, event } = reply;
    const accepted = counted === 'accepted';
    metrics.event(counted);
    if (status === 202) log.info({ ...event, accepted, because }, 'event received');
    else log.warn({ status, because }, 'event refused');
    answer(res, status, { accepted, because });
  };
}
