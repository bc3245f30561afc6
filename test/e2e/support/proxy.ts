import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Agent, request } from 'undici';
import { loopbackCertificate } from '../../../src/embedded/certificate.ts';
import type { Api } from './api.ts';

/** One request that went through the proxy. */
export interface Call {
  /** From 1 since the proxy was opened. */
  readonly number: number;
  readonly verb: string;
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  /** `verb resource[/subresource]`: the same for all calls of that sort. */
  readonly sort: string;
  readonly path: string;
  status?: number;
}

/** What happens to a call besides being passed on. An answer given instead of `undefined` is what the caller gets. */
export interface Fault {
  /** Before the API server sees it. */
  readonly before?: () => Promise<Answer | undefined>;
  /** When the API server has answered, before the caller hears of it. */
  readonly after?: () => Promise<Answer | undefined>;
}

/** A status, or the end of the connection with nothing said. */
export type Answer = number | 'cut';

export interface Proxy {
  readonly url: string;
  /** What it shows, in PEM. */
  readonly certificate: string;
  readonly calls: readonly Call[];
  /** Milliseconds since the epoch. */
  readonly lastCallAt: number;
  /** Asked for each call. It may be replaced at any time. */
  fault: (call: Call) => Fault | undefined;
  close(): Promise<void>;
}

/**
 * A reverse proxy between postsync and the API server, on loopback, with a certificate of its own. The caller's
 * credentials are passed on.
 */
export async function openProxy(api: Api): Promise<Proxy> {
  const upstream = new Agent({
    connections: 128,
    bodyTimeout: 0,
    connect: { ...(api.ca && { ca: api.ca }) },
  });
  const calls: Call[] = [];
  let lastCallAt = Date.now();
  const { key, cert } = loopbackCertificate(new Date());
  const server = createServer({ key, cert }, (req, res) => void pass(req, res).catch(() => res.destroy()));

  async function pass(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = await bodyOf(req);
    const method = req.method ?? 'GET';
    const call = callOf(calls.length + 1, method, req.url ?? '/');
    calls.push(call);
    lastCallAt = Date.now();
    const fault = proxy.fault(call);
    const instead = await fault?.before?.();
    if (instead !== undefined) return answer(res, instead);

    const gone = new AbortController();
    res.on('close', () => gone.abort());
    const {
      statusCode,
      headers,
      body: stream,
    } = await request(api.server + call.path, {
      method: method as 'GET',
      dispatcher: upstream,
      signal: gone.signal,
      headers: headersOf(req),
      ...(body.length > 0 && { body }),
    });
    call.status = statusCode;
    const whole = call.verb === 'watch' ? undefined : Buffer.from(await stream.arrayBuffer());
    const late = await fault?.after?.();
    if (late !== undefined) return answer(res, late);
    res.writeHead(statusCode, { 'content-type': String(headers['content-type'] ?? 'text/plain') });
    if (whole) return void res.end(whole);
    res.flushHeaders();
    for await (const chunk of stream) res.write(chunk);
    res.end();
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: Proxy = {
    certificate: cert,
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    get lastCallAt() {
      return lastCallAt;
    },
    fault: () => undefined,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await upstream.destroy();
    },
  };
  return proxy;
}

function answer(res: ServerResponse, what: Answer): void {
  if (what === 'cut') return void res.destroy();
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code: what,
    message: 'made by the test',
  };
  res.writeHead(what, { 'content-type': 'application/json' }).end(JSON.stringify(status));
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const kept = ['authorization', 'accept', 'content-type', 'user-agent'] as const;
  return Object.fromEntries(kept.flatMap((name) => (headers[name] ? [[name, headers[name]]] : [])));
}

const VERBS: Readonly<Record<string, string>> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** `/apis/GROUP/VERSION[/namespaces/NS]/RESOURCE[/NAME[/SUBRESOURCE]]`, or `/api/v1/…`. */
function callOf(number: number, method: string, path: string): Call {
  const url = new URL(path, 'http://proxy');
  const parts = url.pathname.split('/').slice(url.pathname.startsWith('/apis/') ? 4 : 3);
  const namespace = parts[0] === 'namespaces' && parts.length > 2 ? parts[1] : undefined;
  const [resource = '', name, subresource] = namespace === undefined ? parts : parts.slice(2);
  const reading = name === undefined ? 'list' : 'get';
  const verb = url.searchParams.get('watch') === 'true' ? 'watch' : (VERBS[method] ?? reading);
  const sort = `${verb} ${resource}${subresource ? `/${subresource}` : ''}`;
  const dryRun = url.searchParams.has('dryRun') ? ' (dry run)' : '';
  return {
    number,
    verb,
    resource,
    sort: sort + dryRun,
    path,
    ...(namespace && { namespace }),
    ...(name && { name }),
  };
}
