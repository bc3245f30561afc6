import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, request } from 'undici';
import { KINDS, type Kind, type KubeObject, type Shape } from './objects.ts';

const CALL_TIMEOUT_MS = 15_000;
const WATCH_IDLE_MS = 90_000;

/** The API server as an administrator uses it. It knows nothing of postsync's own client. */
export interface Api {
  readonly server: string;
  readonly ca: string | Buffer | undefined;
  /** @returns undefined for 404 */
  get<K extends Kind>(kind: K, namespace: string, name: string): Promise<Shape<K> | undefined>;
  list<K extends Kind>(kind: K, namespace?: string, query?: Query): Promise<Listed<K>>;
  /** Server-side apply: creates it or makes it so. */
  apply(object: Manifest): Promise<void>;
  /** A merge patch, as `manager`. */
  patch(kind: Kind, key: Key, body: object, manager?: string): Promise<void>;
  /** A merge patch or a JSON patch of what a path names. */
  mergePatch(path: string, body: object): Promise<void>;
  jsonPatch(path: string, body: readonly object[]): Promise<void>;
  /** Deletes in the background; no error when it is gone. */
  remove(kind: Kind, namespace: string, name: string): Promise<void>;
  removeAll(kind: Kind, namespace: string, query?: Query): Promise<void>;
  /** Any other call; throws an {@link ApiError} for an answer of 400 and more. */
  call(method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown>;
  /** What a path says, when that is not JSON: a log, metrics. */
  text(path: string): Promise<string>;
  watch<K extends Kind>(kind: K, resourceVersion: string, signal: AbortSignal): AsyncIterable<Line<K>>;
}

export type Query = Readonly<Record<string, string>>;
export type Key = readonly [namespace: string, name: string];
export type Manifest = KubeObject & { readonly kind: Kind } & Readonly<Record<string, unknown>>;

export interface Listed<K extends Kind> {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly Shape<K>[];
}

export interface Line<K extends Kind> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: Shape<K>;
}

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export function pathOf(kind: Kind, namespace = '', name = ''): string {
  const [group, plural] = KINDS[kind].split(' ');
  const scope = namespace === '' ? '' : `/namespaces/${namespace}`;
  return `${group}${scope}/${plural}${name === '' ? '' : `/${name}`}`;
}

/** @throws when KUBECONFIG names no cluster */
export async function openApi(): Promise<Api & { close(): Promise<void> }> {
  if (!process.env['KUBECONFIG']) throw new Error('KUBECONFIG is not set: it must name a cluster with Flux');
  const config = new KubeConfig();
  config.loadFromDefault();
  const server = config.getCurrentCluster()?.server;
  if (!server) throw new Error('KUBECONFIG names no cluster');
  const auth: Omit<RequestOptions, 'headers'> & { headers: Record<string, string> } = { headers: {} };
  await config.applyToHTTPSOptions(auth);
  const { ca, cert, key } = auth;
  const agent = new Agent({
    connections: 16,
    bodyTimeout: WATCH_IDLE_MS,
    connect: { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) } as object,
  });

  async function open(method: string, path: string, given: Call = {}) {
    const response = await request(`${server}${path}`, {
      method: method as 'GET',
      dispatcher: agent,
      signal: given.signal ?? AbortSignal.timeout(CALL_TIMEOUT_MS),
      headers: {
        ...auth.headers,
        accept: 'application/json',
        ...(given.body && { 'content-type': given.type ?? 'application/json' }),
      },
      ...(given.body && { body: JSON.stringify(given.body) }),
    });
    if (response.statusCode < 400) return response.body;
    throw new ApiError(response.statusCode, `${method} ${path}: ${await response.body.text()}`);
  }

  const call = async (method: string, path: string, given?: Call) => (await open(method, path, given)).json();

  return {
    server,
    ca: ca as string | Buffer | undefined,
    get: async (kind, namespace, name) =>
      (await call('GET', pathOf(kind, namespace, name)).catch(ifGone)) as Shape<typeof kind> | undefined,
    list: async (kind, namespace, query) =>
      (await call('GET', pathOf(kind, namespace) + search(query))) as Listed<typeof kind>,
    apply: async (object) => {
      const path = pathOf(object.kind, object.metadata.namespace, object.metadata.name);
      const type = 'application/apply-patch+yaml';
      await call('PATCH', `${path}?fieldManager=e2e&force=true`, { body: withVersion(object), type });
    },
    patch: async (kind, [namespace, name], body, manager = 'e2e') => {
      const type = 'application/merge-patch+json';
      await call('PATCH', `${pathOf(kind, namespace, name)}?fieldManager=${manager}`, { body, type });
    },
    mergePatch: async (path, body) => {
      await call('PATCH', path, { body, type: 'application/merge-patch+json' });
    },
    jsonPatch: async (path, body) => {
      await call('PATCH', path, { body, type: 'application/json-patch+json' });
    },
    remove: async (kind, namespace, name) => {
      const body = { propagationPolicy: 'Background' };
      await call('DELETE', pathOf(kind, namespace, name), { body }).catch(ifGone);
    },
    removeAll: async (kind, namespace, query) => {
      const body = { propagationPolicy: 'Background' };
      await call('DELETE', pathOf(kind, namespace) + search(query), { body });
    },
    call: (method, path, body) => call(method, path, body && { body }),
    text: async (path) => (await open('GET', path)).text(),
    async *watch(kind, resourceVersion, signal) {
      const query = { watch: 'true', resourceVersion, allowWatchBookmarks: 'true' };
      const body = await open('GET', pathOf(kind) + search(query), { signal });
      yield* lines<Line<typeof kind>>(body);
    },
    close: () => agent.destroy(),
  };
}

interface Call {
  readonly body?: object;
  readonly type?: string;
  readonly signal?: AbortSignal;
}

function ifGone(error: unknown): undefined {
  if (error instanceof ApiError && error.status === 404) return undefined;
  throw error;
}

function withVersion(object: Manifest): object {
  const [group = ''] = KINDS[object.kind].split(' ');
  return { apiVersion: group.replace(/^\/apis?\//, ''), ...object };
}

function search(query: Query = {}): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? '' : `?${text}`;
}

async function* lines<T>(body: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) if (part !== '') yield JSON.parse(part) as T;
  }
}
