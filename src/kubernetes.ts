import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher, request } from 'undici';
import { type ErrorCode, PostsyncError } from './errors.ts';
import { present } from './values.ts';

/** The kinds of object that postsync reads or writes, and where the API serves them. */
const GROUPS = {
  helmreleases: '/apis/helm.toolkit.fluxcd.io/v2',
  kustomizations: '/apis/kustomize.toolkit.fluxcd.io/v1',
  synctests: '/apis/postsync.dev/v1alpha1',
  synctestruns: '/apis/postsync.dev/v1alpha1',
  jobs: '/apis/batch/v1',
  pods: '/api/v1',
  events: '/api/v1',
  namespaces: '/api/v1',
  secrets: '/api/v1',
  configmaps: '/api/v1',
  serviceaccounts: '/api/v1',
  leases: '/apis/coordination.k8s.io/v1',
  deployments: '/apis/apps/v1',
  statefulsets: '/apis/apps/v1',
  daemonsets: '/apis/apps/v1',
  tokenreviews: '/apis/authentication.k8s.io/v1',
  selfsubjectreviews: '/apis/authentication.k8s.io/v1',
  subjectaccessreviews: '/apis/authorization.k8s.io/v1',
} as const;

export type Resource = keyof typeof GROUPS;

/** Names one object, a namespace's collection (no name), or the cluster's (no namespace either). */
export interface Target {
  readonly resource: Resource;
  readonly namespace?: string;
  readonly name?: string;
  readonly subresource?: 'status';
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** A line of a watch, as the API server sends it. */
export interface WatchLine {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: unknown;
}

/** The calls postsync makes to the Kubernetes API. Each one is made once: the queue is the only retry owner. */
export interface Kubernetes {
  /** @throws {PostsyncError} one of the `API_` codes; so do all below. */
  get(target: Target): Promise<unknown>;
  list(target: Target, query?: Query): Promise<unknown>;
  create(target: Target, body: object, query?: Query): Promise<unknown>;
  /** A JSON merge patch (RFC 7386). Give `metadata.resourceVersion` in the body to refuse a lost update. */
  patch(target: Target, body: object): Promise<unknown>;
  /** Deletes in the background, its dependents too; only the object of this `uid`, when it is given. */
  remove(target: Target, uid?: string): Promise<unknown>;
  /** Ends when the server ends it; throws when the connection breaks or nothing came for `idleMs`. */
  watch(target: Target, query: Query, signal: AbortSignal): AsyncIterable<WatchLine>;
}

export interface KubernetesOptions {
  /** Milliseconds for one call, its body included. */
  readonly timeoutMs?: number;
  /** Milliseconds of silence after which a watch is given up. The API server sends bookmarks about once a minute. */
  readonly idleMs?: number;
  /** Told of each call: verb, resource and the HTTP status, or 0 when there was no answer. */
  readonly onCall?: (verb: string, resource: Resource, status: number, seconds: number) => void;
}

/** The field manager of all our writes. It must not begin with `kubectl`: kustomize-controller removes such fields. */
export const FIELD_MANAGER = 'postsync';

const CONNECTIONS = 32;

const AUTH_CACHE_MS = 30_000;

/** The path under which the API serves a target. */
export function pathOf({ resource, namespace, name, subresource }: Target): string {
  const parts: string[] = [GROUPS[resource]];
  if (namespace !== undefined && resource !== 'namespaces') parts.push('namespaces', namespace);
  parts.push(resource);
  if (name !== undefined) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  return parts.join('/');
}

/**
 * One pooled connection set to the API server. client-node's own API classes open a TLS connection for each
 * request (2.0.1) and cost 10 MB of memory; its KubeConfig, which knows all ways to log in, is what we take.
 */
export function connect(
  config: KubeConfig,
  options: KubernetesOptions = {},
): Kubernetes & { close(): Promise<void> } {
  const server = config.getCurrentCluster()?.server;
  if (!server) throw new PostsyncError('CONFIG_INVALID', 'the kubeconfig names no cluster');
  const { timeoutMs = 10_000, idleMs = 120_000, onCall } = options;
  const auth = authentication(config);
  let pool: Promise<Agent> | undefined;
  const agent = () => {
    pool ??= auth().then(
      ({ ca, cert, key, rejectUnauthorized, servername }) =>
        new Agent({
          connections: CONNECTIONS,
          bodyTimeout: idleMs,
          headersTimeout: idleMs,
          connect: {
            keepAlive: true,
            keepAliveInitialDelay: 30_000,
            ...present({ ca, cert, key, rejectUnauthorized, servername }),
          },
        }),
    );
    return pool;
  };

  async function open(verb: string, method: Dispatcher.HttpMethod, target: Target, given: Call) {
    const headers = (await auth()).headers;
    const url = `${server}${pathOf(target)}${search(given.query)}`;
    const began = performance.now();
    let status = 0;
    try {
      const response = await request(url, {
        method,
        dispatcher: await agent(),
        signal: given.signal,
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': 'postsync',
          ...(given.body && { 'content-type': given.contentType ?? 'application/json' }),
        },
        ...(given.body && { body: JSON.stringify(given.body) }),
      });
      status = response.statusCode;
      if (status >= 400) throw refusal(verb, target, status, await response.body.text());
      return response.body;
    } catch (cause) {
      if (cause instanceof PostsyncError) throw cause;
      throw new PostsyncError('API_UNAVAILABLE', `cannot ${verb} ${describe(target)}: ${reasonOf(cause)}`, {
        cause,
      });
    } finally {
      onCall?.(verb, target.resource, status, (performance.now() - began) / 1000);
    }
  }

  async function call(
    verb: string,
    method: Dispatcher.HttpMethod,
    target: Target,
    given: Partial<Call> = {},
  ) {
    const body = await open(verb, method, target, { ...given, signal: AbortSignal.timeout(timeoutMs) });
    try {
      return await body.json();
    } catch (cause) {
      throw new PostsyncError('API_UNAVAILABLE', `cannot ${verb} ${describe(target)}: ${reasonOf(cause)}`, {
        cause,
      });
    }
  }

  const manager = { fieldManager: FIELD_MANAGER };
  // Webhooks are given 10 s as a rule: where one hangs, the server says so before we stop listening.
  const deadline = { timeout: `${Math.round(timeoutMs * 0.8)}ms` };
  return {
    get: (target) => call('get', 'GET', target),
    list: (target, query) => call('list', 'GET', target, { query }),
    create: (target, body, query) =>
      call('create', 'POST', target, { body, query: { ...manager, ...deadline, ...query } }),
    patch: (target, body) =>
      call('patch', 'PATCH', target, { body, query: manager, contentType: 'application/merge-patch+json' }),
    remove: (target, uid) =>
      call('delete', 'DELETE', target, {
        body: { propagationPolicy: 'Background', ...(uid !== undefined && { preconditions: { uid } }) },
      }),
    async *watch(target, query, signal) {
      const body = await open('watch', 'GET', target, { query: { ...query, watch: true }, signal });
      try {
        yield* lines(body);
      } catch (cause) {
        throw new PostsyncError(
          'API_UNAVAILABLE',
          `the watch on ${target.resource} broke: ${reasonOf(cause)}`,
          { cause },
        );
      }
    },
    close: async () => (await pool)?.destroy(),
  };
}

interface Call {
  readonly signal: AbortSignal;
  readonly query?: Query | undefined;
  readonly body?: object | undefined;
  readonly contentType?: string;
}

/** What client-node would put into a request. Kept for half a minute, because it reads files each time. */
function authentication(config: KubeConfig) {
  let known: { readonly at: number; readonly options: Promise<Auth> } | undefined;
  return () => {
    if (!known || Date.now() - known.at > AUTH_CACHE_MS) {
      const options: Auth = { headers: {} };
      known = { at: Date.now(), options: config.applyToHTTPSOptions(options).then(() => options) };
      known.options.catch(() => (known = undefined));
    }
    return known.options;
  };
}

type Auth = Omit<RequestOptions, 'headers'> & { headers: Record<string, string> };

/** Splits a stream of JSON lines without joining what is already parsed. */
async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<WatchLine> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) if (part !== '') yield JSON.parse(part) as WatchLine;
  }
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'API_REJECTED',
  401: 'API_FORBIDDEN',
  403: 'API_FORBIDDEN',
  404: 'API_NOT_FOUND',
  410: 'API_GONE',
  413: 'API_REJECTED',
  415: 'API_REJECTED',
  422: 'API_REJECTED',
};

function refusal(verb: string, target: Target, status: number, text: string): PostsyncError {
  const { reason, message } = statusOf(text);
  const conflict = reason === 'AlreadyExists' ? 'API_EXISTS' : 'API_CONFLICT';
  const code = status === 409 ? conflict : (CODES[status] ?? 'API_UNAVAILABLE');
  const isAnswer = status >= 500;
  return new PostsyncError(code, `cannot ${verb} ${describe(target)}: ${message ?? `HTTP ${status}`}`, {
    isAnswer,
  });
}

/** A `Status` object, if the answer is one: a proxy in between may have sent HTML. */
function statusOf(text: string): { reason?: string; message?: string } {
  try {
    return JSON.parse(text) as { reason?: string; message?: string };
  } catch {
    return {};
  }
}

function describe({ resource, namespace, name }: Target): string {
  return [resource, namespace, name].filter((part) => part !== undefined).join('/');
}

function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const { code } = cause as NodeJS.ErrnoException;
  return code && !cause.message.includes(code) ? `${cause.message} (${code})` : cause.message;
}

function search(query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) params.set(key, String(value));
  return params.size === 0 ? '' : `?${params.toString()}`;
}
