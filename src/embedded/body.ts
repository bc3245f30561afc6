import type { IncomingMessage } from 'node:http';
import { badRequest, Refusal } from './refusal.ts';

const MAX_BODY = 3 * 1024 * 1024;

/** The JSON of a request; `undefined` when it has no body. */
export async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY) {
      const message = 'the request is too large: limit is 3145728';
      throw new Refusal(413, 'RequestEntityTooLarge', message);
    }
    chunks.push(chunk as Buffer);
  }
  if (size === 0) return undefined;
  if (request.headers['content-type']?.includes('protobuf')) {
    const message = 'only JSON is understood here: give kubectl a file (create -f, apply -f)';
    throw new Refusal(415, 'UnsupportedMediaType', message);
  }
  const text = Buffer.concat(chunks).toString();
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest(`the object provided is unrecognized: json parse error (${text.slice(0, 32)})`);
  }
}
