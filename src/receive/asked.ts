import type { IncomingMessage } from 'node:http';
import type { z } from 'zod';
import { Duration } from '../config-values.ts';
import { problemsOf } from './flux-event.ts';
import { readBody } from './http.ts';
import { Refusal } from './refusal.ts';

const MAX_BODY_BYTES = 64 * 1024;
const MAX_WAIT_MS = 3_600_000;

/** How long a caller is willing to wait, in milliseconds. */
export const WaitText = Duration.refine((ms) => ms <= MAX_WAIT_MS, 'at most 1h');

/**
 * @returns the body; an empty one is an empty object
 * @throws {Refusal} 400, 413
 */
export async function jsonOf(req: IncomingMessage): Promise<unknown> {
  const body = await readBody(req, MAX_BODY_BYTES);
  if (typeof body === 'string')
    throw new Refusal(413, 'TooLarge', `the body is over ${MAX_BODY_BYTES} bytes`);
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
