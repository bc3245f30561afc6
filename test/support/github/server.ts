import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { description } from './description.ts';
import type { ChooseFault, Fault, When } from './faults.ts';
import type { Limiter } from './limits.ts';
import type { Exchange, Violation } from './log.ts';
import type { Answer } from './model.ts';
import { perform, refused, weightOf } from './operations.ts';
import { type Incoming, incoming } from './request.ts';
import type { State } from './state.ts';

export interface Served {
  readonly state: State;
  readonly limiter: Limiter;
  readonly exchanges: Exchange[];
  readonly violations: Violation[];
  readonly fault: () => ChooseFault | undefined;
  /** Something has happened. */
  readonly changed: () => void;
}

type Entry = { -readonly [Key in keyof Exchange]: Exchange[Key] };

/** Answers one request after another as GitHub would, but for the faults that the test chose. */
export function handler(served: Served): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    serve(req, res, served).catch((error: unknown) => {
      // A client that hung up while it was sending is no mistake of anybody's here.
      if (!req.destroyed || req.complete) {
        const request = `${req.method} ${req.url}`;
        served.violations.push({ of: 'answer', request, message: String(error) });
      }
      res.destroy();
    });
  };
}

async function serve(req: IncomingMessage, res: ServerResponse, served: Served): Promise<void> {
  const { state, limiter, exchanges, violations, changed } = served;
  const asked = await incoming(req, state);
  const { caller, call, matched } = asked;
  const request = `${asked.method} ${asked.path}`;
  violations.push(...asked.violations.map((message) => ({ of: 'request', request, message }) as const));
  const over = limiter.enter(caller, weightOf(asked.method, matched?.id));
  const entry: Entry = {
    at: state.now(),
    method: asked.method,
    path: asked.path,
    operation: matched?.id,
    credential: caller.name,
    body: asked.body,
    inFlight: limiter.inFlight(caller),
    status: undefined,
    accepted: false,
    runs: call.started,
    limited: over?.kind,
    fault: undefined,
  };
  exchanges.push(entry);
  changed();
  try {
    const fault = chosen(asked, served);
    entry.fault = fault;
    if (!(await goesOn(fault, 'before', { res, entry }))) return;
    state.runs.settle();
    const real = over?.answer ?? (asked.refusal ? refused(asked.refusal) : perform(matched?.id, call, state));
    entry.accepted = real.status < 300;
    const faults = matched ? description().answerFaults(matched, real.status, real.body) : [];
    violations.push(...faults.map((message) => ({ of: 'answer', request, message }) as const));
    changed();
    if (!(await goesOn(fault, 'after', { res, entry }))) return;
    const answer = conditional(real, req);
    if (answer.status === 304) limiter.giveBack(caller);
    entry.status = answer.status;
    const date = new Date(state.now()).toUTCString();
    send(res, { ...answer, headers: { date, ...limiter.headers(caller), ...answer.headers } });
  } finally {
    limiter.leave(caller);
    changed();
  }
}

function chosen({ method, url, matched, caller, body }: Incoming, served: Served): Fault | undefined {
  const operation = matched?.id;
  const nth = served.exchanges.filter((one) => one.operation === operation).length;
  return served.fault()?.({ method, path: url.pathname, operation, credential: caller.name, body, nth });
}

interface Going {
  readonly res: ServerResponse;
  readonly entry: Entry;
}

/** Whether the request goes on, or ends here by the fault that was chosen for it. */
async function goesOn(fault: Fault | undefined, when: When, { res, entry }: Going): Promise<boolean> {
  if (!fault) return true;
  if ('cut' in fault) {
    if (fault.cut === when) res.destroy();
    return fault.cut !== when;
  }
  // What hangs is ended when the stand-in closes, or when the client gives up.
  if ('hang' in fault) return fault.hang !== when;
  if (fault.when !== when) return true;
  if ('wait' in fault) {
    await (typeof fault.wait === 'number' ? delay(fault.wait) : fault.wait);
    return true;
  }
  entry.status = fault.status;
  send(res, { status: fault.status, body: fault.body, headers: fault.headers ?? {} });
  return false;
}

/** GitHub's ETags hold for one credential: the answer varies by `authorization`. */
function conditional(answer: Answer, { method, headers }: IncomingMessage): Answer {
  if (method !== 'GET' || answer.status !== 200) return answer;
  const seen = JSON.stringify([answer.body, headers.authorization]);
  const etag = `W/"${createHash('sha256').update(seen).digest('hex')}"`;
  if (headers['if-none-match'] === etag) return { status: 304, headers: { etag } };
  return { ...answer, headers: { ...answer.headers, etag } };
}

function send(res: ServerResponse, { status, body, headers }: Answer): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/html' : 'application/json; charset=utf-8';
  res.writeHead(status, { ...(text !== undefined && { 'content-type': type }), ...headers });
  res.end(text);
}
