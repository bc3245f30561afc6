import type { RequestHandler } from 'express';
import { keyOf, type Ref } from '../decide/model.ts';
import type { Logger } from '../log.ts';
import type { EventAnswer, Metrics } from '../metrics.ts';
import { irrelevance, parseEvent } from './flux-event.ts';
import { answer, RETRY_AFTER_SECONDS, type Room, readBody } from './http.ts';
import { bearerOf, isKnown, isSigned, keysToTry } from './signature.ts';

export interface FluxOptions {
  /** Keys of `generic-hmac` Providers. */
  readonly hmacKeys: readonly Uint8Array[];
  /** Tokens that `generic` Providers send. */
  readonly bearerTokens: readonly string[];
  /** Reasons of events that cause a look. */
  readonly reasons: readonly string[];
  /** Something was heard of a release: have a look. */
  readonly onHint: (release: Ref) => void;
  readonly stopping: AbortSignal;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'event'>;
}

/**
 * A message has at most 39,000 characters, which are 6 bytes each where all are escaped (`\u003c`); the other fields and
 * the metadata, which a few annotations make, have the rest. What was captured is under 2 KiB.
 *
 * @see https://github.com/fluxcd/pkg/blob/main/apis/event/v1beta1/event.go
 */
const MAX_BODY_BYTES = 256 * 1024;

/** All bodies whose signatures are not checked yet: a thousandfold burst of events is a fraction of it. */
const MAX_UNCHECKED_BYTES = 16 * 1024 * 1024;

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
  const { bearerTokens, stopping, log, metrics, onHint } = options;
  const reasons = new Set(options.reasons);
  const keys = keysToTry(options.hmacKeys);
  const room: Room = { bytes: MAX_UNCHECKED_BYTES };

  function refusal(body: Buffer, signature: string | undefined, bearer: string | undefined) {
    if (isSigned(body, signature, keys) || isKnown(bearer, bearerTokens)) return undefined;
    if (keys.length === 0 && bearerTokens.length === 0)
      return 'nobody can be let in: set POSTSYNC_FLUX_HMAC_KEY_FILES or POSTSYNC_FLUX_BEARER_TOKEN_FILES';
    if (signature !== undefined) return 'X-Signature does not match the body under any configured key';
    if (bearer !== undefined) return 'the bearer token is not a configured one';
    return 'neither X-Signature nor a bearer token came with it: is the Provider of type generic-hmac?';
  }

  function judge(body: Awaited<ReturnType<typeof readBody>>, signature?: string, bearer?: string): Reply {
    if (body === 'too large')
      return { status: 413, counted: 'too_large', because: `the body is over ${MAX_BODY_BYTES} bytes` };
    if (body === 'no room')
      return { status: 429, counted: 'busy', because: 'too much is being sent at once; send it again' };
    const unauthorized = refusal(body, signature, bearer);
    if (unauthorized) return { status: 401, counted: 'unauthorized', because: unauthorized };
    const event = parseEvent(body);
    if (typeof event === 'string') return { status: 400, counted: 'invalid', because: event };
    const { kind, ref, reason } = event;
    const because = irrelevance(event, reasons);
    const seen = { kind, release: keyOf(ref), eventReason: reason };
    if (because !== undefined)
      return { status: 202, counted: 'ignored', because, event: { ...seen, accepted: false, because } };
    onHint(ref);
    return { status: 202, counted: 'accepted', because: reason, event: { ...seen, accepted: true } };
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
    const body = isAnonymous ? NOTHING : await readBody(req, MAX_BODY_BYTES, room);
    const reply = judge(body, signature, bearer);
    const { status, counted, because, event } = reply;
    metrics.event(counted);
    if (event) log.info(event, 'event received');
    else log.warn({ status, because }, 'event refused');
    const accepted = counted === 'accepted';
    answer(res, status, { accepted, because }, status === 429 ? { 'retry-after': RETRY_AFTER_SECONDS } : {});
  };
}
