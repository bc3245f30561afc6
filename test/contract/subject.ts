import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, request } from 'undici';
import { connect, type Kubernetes, type WatchLine } from '../../src/kubernetes.ts';

/** Any object, as far as the expectations look into it. */
export interface Thing {
  readonly kind: string;
  readonly apiVersion: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation: number;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly continue?: string;
    readonly remainingItemCount?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly finalizers?: readonly string[];
    readonly ownerReferences?: readonly object[];
    readonly managedFields?: readonly { manager: string; operation: string; subresource?: string }[];
  };
  readonly spec: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
  readonly items: readonly Thing[];
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly causes?: readonly { reason: string; field: string; message: string }[] };
}

interface RawOptions {
  readonly body?: object;
  readonly type?: string;
  readonly accept?: string;
}

/** A cluster under test: through the client of `src/`, and by plain requests for what that client has no word for. */
export interface Subject {
  readonly api: Kubernetes;
  /** A namespace of its own for this run. */
  readonly namespace: string;
  raw(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    options?: RawOptions,
  ): Promise<Answer>;
  /** The same cluster for the bearer of a token. */
  as(token: string): Kubernetes & { close(): Promise<void> };
  /** A token that the cluster knows, which is good for this audience only, and whose it is. */
  token(audience: string): Promise<{ readonly token: string; readonly user: string }>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly body: Thing;
  readonly text: string;
}

/** Opens a cluster and makes a namespace there, which goes when the subject is closed. */
export async function open(config: KubeConfig, token: Subject['token']): Promise<Subject> {
  const api = connect(config);
  const { headers, ca, cert, key } = await credentialsOf(config);
  const agent = new Agent({ connect: { ca, ...(cert && { cert }), ...(key && { key }) } });
  const server = config.getCurrentCluster()?.server;
  const raw: Subject['raw'] = async (method, path, { body, type, accept = 'application/json' } = {}) => {
    const sent = body && { body: JSON.stringify(body) };
    const response = await request(`${server}${path}`, {
      method,
      dispatcher: agent,
      headers: { ...headers, accept, ...(body && { 'content-type': type ?? 'application/json' }) },
      ...sent,
    });
    const text = await response.body.text();
    return { status: response.statusCode, text, body: parsed(text) };
  };
  const namespace = `contract-${randomBytes(4).toString('hex')}`;
  await api.create(
    { resource: 'namespaces' },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
  );
  return {
    api,
    namespace,
    raw,
    token,
    as(token) {
      const cluster = config.getCurrentCluster();
      const other = new KubeConfig();
      if (cluster) other.loadFromClusterAndUser(cluster, { name: 'bearer', token });
      return connect(other);
    },
    async close() {
      await api.remove({ resource: 'namespaces', name: namespace });
      await api.close();
      await agent.destroy();
    },
  };
}

interface Credentials {
  headers: Record<string, string>;
  ca?: string;
  cert?: string;
  key?: string;
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: Credentials = { headers: {} };
  await config.applyToHTTPSOptions(options);
  return options;
}

function parsed(text: string): Thing {
  try {
    return JSON.parse(text) as Thing;
  } catch {
    return {} as Thing;
  }
}

const PATIENCE_MS = 60_000;

/** Asks until the answer is there. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() > until) throw new Error(`gave up waiting for: ${what}`);
    await sleep(50);
  }
}

/** The lines of a watch until one satisfies, that one included. */
export async function until(
  lines: AsyncIterable<WatchLine>,
  last: (line: WatchLine) => boolean,
): Promise<WatchLine[]> {
  const seen: WatchLine[] = [];
  for await (const line of lines) {
    seen.push(line);
    if (last(line)) break;
  }
  return seen;
}
