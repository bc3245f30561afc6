import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { Duration } from '../config-values.ts';
import { NamespaceName, ObjectName, problemsOf } from './flux-event.ts';
import { RETRY_AFTER_SECONDS, readBody } from './http.ts';
import { Refusal } from './refusal.ts';

const DEFAULT_BODY_BYTES = 64 * 1024;
const MAX_WAIT_MS = 3_600_000;

/** The object that a path names. */
export const NamespacedPath = z.object({ namespace: NamespaceName, name: ObjectName });

/** How long a caller is willing to wait, in milliseconds. */
export const WaitText = Duration.refine((ms) => ms <= MAX_WAIT_MS, 'at most 1h');

/**
 * @returns the body; an empty one is an empty object
 * @throws {Refusal} 400, 413
 */
export async function jsonOf(req: IncomingMessage, maxBytes = DEFAULT_BODY_BYTES): Promise<unknown> {
  const body = await readBody(req, maxBytes);
  if (typeof body === 'string') throw new Refusal(413, 'TooLarge', `the body is over ${maxBytes} bytes`);
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new Refusal(400, 'BadRequest', 'the body is not JSON');
  }
}

/** @throws {Refusal} 400, which names the wrong fields */
export function checked<T extends z.ZodType>(schema: T, value: unknown, of?: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = problemsOf(parsed.error);
  throw new Refusal(400, 'BadRequest', of ? problems.replace('the body', of) : problems);
}

/**
 * Before everything was listed, what exists would not be found.
 *
 * @throws {Refusal} 503
 */
export function assertServing({ isReady, stopping }: Serving): void {
  if (!stopping.aborted && isReady()) return;
  const because = stopping.aborted ? 'stopping' : 'starting';
  throw new Refusal(503, 'Unavailable', `postsync is ${because}; ask again`, RETRY_AFTER_SECONDS);
}

export interface Serving {
  /** Whether what is in the cluster was listed. */
  readonly isReady: () => boolean;
  readonly stopping: AbortSignal;
}

/**
 * @param seconds to wait; 0: they may
 * @throws {Refusal} 429
 */
export function assertNotTooOften(seconds: number): void {
  if (seconds > 0)
    throw new Refusal(429, 'TooManyRequests', `that was too often; wait ${seconds} s`, seconds);
}
