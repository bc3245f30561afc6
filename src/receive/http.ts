import type { IncomingMessage, ServerResponse } from 'node:http';

/** Seconds after which a sender that was refused for the moment may try again. Flux itself waits 2 s at least. */
export const RETRY_AFTER_SECONDS = 2;

/** Answers with JSON. Express' own way hashes each body for an ETag that nobody asks for. */
export function answer(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string | number>> = {},
): void {
  const text = JSON.stringify(body);
  res.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...headers,
  });
  res.end(text);
}

/**
 * The bytes of a request as they came. What is over the limit is read and thrown away, so that the sender hears the
 * answer; how long that may take is the server's `requestTimeout`.
 *
 * @returns `undefined` when it is over the limit; rejects when the sender went away
 */
export function readBody(req: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) chunks = [];
      else chunks.push(chunk);
    });
    req.on('end', () => resolve(size > limit ? undefined : Buffer.concat(chunks)));
    req.on('error', reject);
  });
}
