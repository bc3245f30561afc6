import type { IncomingMessage } from 'node:http';
import { description, type Matched } from './description.ts';
import { type Caller, Refusal } from './model.ts';
import type { Call, State } from './state.ts';

/** A request as it came in, and what is known of it before anything is done. */
export interface Incoming {
  readonly method: string;
  /** With query, without `/api/v3`. */
  readonly path: string;
  readonly url: URL;
  /** What the description has of it. */
  readonly matched: Matched | undefined;
  readonly caller: Caller;
  /** Why the caller is refused at once: bad credentials, no JSON. */
  readonly refusal: Refusal | undefined;
  readonly body: unknown;
  readonly violations: readonly string[];
  readonly call: Call;
}

const ENTERPRISE = '/api/v3';
const NOBODY: Caller = { name: 'nobody', kind: 'nobody', repositories: [], rights: {} };
/** What GitHub takes where no version is asked for. */
const VERSION = '2022-11-28';
const BODY_AT_MOST = 1_000_000;

export async function incoming(req: IncomingMessage, state: State): Promise<Incoming> {
  const { method = '', headers } = req;
  const given = req.url ?? '/';
  const host = `https://${headers.host}`;
  const prefix = given.startsWith(`${ENTERPRISE}/`) ? ENTERPRISE : '';
  const url = new URL(given.slice(prefix.length), host);
  const text = await textOf(req);
  const { body, refusal } = parsed(text);
  const { caller, bad } = callerOf(headers.authorization, state);
  const matched = description().match(method, url.pathname);
  const version = headers['x-github-api-version'];
  const call: Call = {
    caller,
    path: matched?.path ?? {},
    query: url.searchParams,
    url: `${host}${given}`,
    body,
    version: typeof version === 'string' ? version : VERSION,
    base: { api: `${host}${prefix}`, html: prefix ? host : 'https://github.com' },
    started: [],
  };
  const faults = matched
    ? description().requestFaults(matched, url.searchParams, body)
    : ['the description has no such operation'];
  const type = headers['content-type'] ?? '';
  if (text !== '' && !type.startsWith('application/json')) faults.push(`the body's type is "${type}"`);
  return {
    method,
    path: `${url.pathname}${url.search}`,
    url,
    matched,
    caller,
    refusal: headers['user-agent'] ? (bad ?? refusal) : NO_USER_AGENT,
    body,
    violations: faults,
    call,
  };
}

const NO_USER_AGENT = new Refusal(
  403,
  'Request forbidden by administrative rules. Please make sure your request has a User-Agent header',
);

function callerOf(
  authorization: string | undefined,
  { credentials }: State,
): { caller: Caller; bad?: Refusal } {
  try {
    return { caller: credentials.caller(authorization) };
  } catch (error) {
    if (error instanceof Refusal) return { caller: NOBODY, bad: error };
    throw error;
  }
}

async function textOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_AT_MOST) throw new Error('the body is too large for the stand-in');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): { body: unknown; refusal?: Refusal } {
  if (text === '') return { body: undefined };
  try {
    return { body: JSON.parse(text) as unknown };
  } catch {
    return { body: undefined, refusal: new Refusal(400, 'Problems parsing JSON') };
  }
}
