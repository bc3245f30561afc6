import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** A request as it arrived, whole. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** What to answer; a function does it by itself. */
export type Reply =
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: unknown }
  | ((response: ServerResponse) => void);

export interface AnsweringOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Told of each connection, before anything is read from it. */
  readonly onConnection?: (socket: Socket) => void;
}

/** A server on loopback, what it was asked, and what it answers. */
export async function answering(
  reply: (seen: Seen, index: number) => Reply,
  { tls, onConnection }: AnsweringOptions = {},
) {
  const seen: Seen[] = [];
  const server: Server = tls ? createTlsServer(tls) : createServer();
  server.on('request', (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { method = '', url = '', headers } = request;
      const one = { method, url, headers, body: text === '' ? undefined : JSON.parse(text) };
      const answer = reply(one, seen.push(one) - 1);
      if (typeof answer === 'function') return answer(response);
      const { status, body } = answer;
      const json = body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' };
      response.writeHead(status, { ...json, ...answer.headers });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    });
  });
  if (onConnection) server.on('connection', onConnection);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    seen,
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
