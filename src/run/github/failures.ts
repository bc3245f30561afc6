import { type ErrorCode, PostsyncError } from '../../errors.ts';
import { wasNeverSent } from './transport.ts';

/** What Octokit throws (`RequestError`), and anything else that may be thrown on the way. */
export interface Failure {
  /** 500 also where there was no answer at all: tell by `response`. */
  readonly status?: number;
  readonly response?: { readonly headers: Headers; readonly data: unknown };
  readonly message?: string;
  readonly cause?: unknown;
}

type Headers = Readonly<Record<string, string | number | undefined>>;

/** GitHub's own words are quoted up to so many characters. */
const MOST_WORDS = 600;

const REJECTED = new Set([400, 404, 405, 406, 410, 413, 414, 415, 422, 451]);

/**
 * Says in our words how a call failed. Octokit's error is not kept as the cause: it holds the request.
 *
 * @param secrets what must not be in the message, whoever put it there
 */
export function translate(error: unknown, what: string, secrets: readonly string[]): PostsyncError {
  if (error instanceof PostsyncError) return error;
  const { code, reason } = read(error as Failure);
  return new PostsyncError(code, clean(`cannot ${what}: ${reason}`, secrets));
}

/** Whether it was refused because of a limit; GitHub answers those with 403 or 429. */
export function isLimit({ status, response }: Failure): boolean {
  if (status === 429) return response !== undefined;
  if (status !== 403 || !response) return false;
  const { headers, data } = response;
  return (
    headers['retry-after'] !== undefined ||
    String(headers['x-ratelimit-remaining']) === '0' ||
    /rate limit|abuse detection/i.test(wordsOf(data) ?? '')
  );
}

function read(failure: Failure): { readonly code: ErrorCode; readonly reason: string } {
  const { status, response } = failure;
  if (!response || status === undefined) {
    const code = wasNeverSent(failure) ? 'GITHUB_UNREACHABLE' : 'GITHUB_UNANSWERED';
    return { code, reason: reasonOf(failure) };
  }
  const words = wordsOf(response.data);
  const reason = words === undefined ? `HTTP ${status}` : `HTTP ${status}: ${words}`;
  if (isLimit(failure)) return { code: 'GITHUB_LIMITED', reason };
  if (status === 401) return { code: 'GITHUB_UNAUTHORIZED', reason };
  if (status === 404)
    return { code: 'GITHUB_REJECTED', reason: `${reason} (or the credential has no right to it)` };
  if (REJECTED.has(status)) return { code: 'GITHUB_REJECTED', reason };
  if (status >= 400 && status < 500 && status !== 408) return { code: 'GITHUB_FORBIDDEN', reason };
  if (status >= 300 && status < 400)
    return { code: 'GITHUB_REJECTED', reason: `${reason}: it redirects to another host` };
  return { code: 'GITHUB_UNANSWERED', reason };
}

/** The innermost message: those around it say `fetch failed`. */
function reasonOf(failure: Failure): string {
  let innermost: unknown = failure;
  while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
  if (!(innermost instanceof Error)) return 'no answer';
  if (innermost.name === 'TimeoutError') return 'no answer in time';
  const { code } = innermost as NodeJS.ErrnoException;
  const message = innermost.message === '' ? 'no connection' : innermost.message;
  return code === undefined || message.includes(code) ? message : `${message} (${code})`;
}

/** GitHub's message and the errors beneath it; `undefined` where the answer is none of GitHub's, such as a proxy's page. */
export function wordsOf(data: unknown): string | undefined {
  const { message, errors } = (data ?? {}) as { readonly message?: unknown; readonly errors?: unknown };
  if (typeof message !== 'string') return undefined;
  const more = Array.isArray(errors) ? errors.map(oneError).filter((text) => text !== '') : [];
  return more.length === 0 ? message : `${message} (${more.join('; ')})`;
}

function oneError(error: unknown): string {
  if (typeof error === 'string') return error;
  const { message, resource, field, code } = (error ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof message === 'string') return message;
  return [resource, field, code].filter((part) => typeof part === 'string').join(' ');
}

function clean(text: string, secrets: readonly string[]): string {
  const hidden = secrets.reduce((rest, secret) => rest.replaceAll(secret, '[secret]'), text);
  const line = hidden.replace(/\s+/g, ' ').trim();
  return line.length > MOST_WORDS ? `${line.slice(0, MOST_WORDS)}…` : line;
}
