import { Agent, type Dispatcher, fetch, type RequestInit, type Response } from 'undici';

/** GitHub asks for no more than 100 at once, over everybody who uses the account. */
const READ_CONNECTIONS = 8;

const MOST_REDIRECTS = 3;
const REDIRECTS = new Set([301, 302, 307, 308]);

/** Errors of requests of which not a byte was written. */
const unsent = new WeakSet<object>();

export interface TransportOptions {
  /** Milliseconds for a request, its body included; half of them for the connection. */
  readonly timeoutMs: number;
  /** Certificates to trust, in PEM, instead of the usual ones. */
  readonly ca?: string | undefined;
}

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/**
 * A `fetch` for Octokit, each request of which is made once.
 *
 * - A write never goes over a connection that was used before: the other side may be closing it, and then nobody knows
 *   whether the write arrived.
 * - A redirect (a repository was renamed) is followed with the same method, and only to the same origin, so that
 *   the credential goes nowhere else. GitHub asks for that: https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
 */
export function createFetch({ timeoutMs, ca }: TransportOptions): Fetch {
  const connect = { timeout: Math.max(1, timeoutMs / 2), ...(ca !== undefined && { ca }) };
  const reads = new Agent({ connect, connections: READ_CONNECTIONS, allowH2: false });
  const writes = new Agent({ connect, pipelining: 0, allowH2: false });

  return async (url, init) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const agent = init.method === 'GET' ? reads : writes;
    let to = url;
    for (let redirects = 0; ; redirects++) {
      const response = await fetchOnce(to, { ...init, redirect: 'manual', signal }, agent);
      const next = redirects < MOST_REDIRECTS ? redirectOf(response, to) : undefined;
      if (next === undefined) return response;
      await response.body?.cancel();
      to = next;
    }
  };
}

/** Whether a request failed before anything of it was sent: name not found, connection refused, TLS handshake failed, … */
export function wasNeverSent(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (unsent.has(cause)) return true;
  }
  return false;
}

/** @returns where a redirect leads; `undefined`: the answer is none, or leads elsewhere than to the same origin */
function redirectOf({ status, headers }: Response, from: string): string | undefined {
  const location = REDIRECTS.has(status) ? headers.get('location') : null;
  const url = location === null ? null : URL.parse(location, from);
  return url?.origin === new URL(from).origin ? url.href : undefined;
}

/**
 * undici says when it begins to write a request: a failure before that is certain, whatever the error looks like; codes
 * such as ECONNRESET come before and after it.
 */
async function fetchOnce(url: string, init: RequestInit, agent: Agent): Promise<Response> {
  let began = false;
  const tell: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
    dispatch(
      options,
      withStart(handler, () => (began = true)),
    );
  try {
    return await fetch(url, { ...init, dispatcher: agent.compose(tell) });
  } catch (error) {
    if (!began && error instanceof Error) unsent.add(error);
    throw error;
  }
}

/** The handler, which calls us as well when its request begins. */
function withStart(handler: Dispatcher.DispatchHandler, onStart: () => void): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller, context) {
      onStart();
      handler.onRequestStart?.(controller, context);
    },
    onRequestUpgrade: (controller, status, headers, socket) =>
      handler.onRequestUpgrade?.(controller, status, headers, socket),
    onResponseStarted: () => handler.onResponseStarted?.(),
    onResponseStart: (controller, status, headers, message) =>
      handler.onResponseStart?.(controller, status, headers, message),
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => handler.onResponseEnd?.(controller, trailers),
    onResponseError: (controller, error) => handler.onResponseError?.(controller, error),
  };
}
