import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Logger } from '../log.ts';
import type { Delivery } from '../metrics.ts';
import type { FluxEvent } from './flux-event.ts';

export interface OutboxOptions {
  /** Where notification-controller takes events. */
  readonly address: string;
  readonly log: Logger;
  readonly onDelivery: (delivery: Delivery) => void;
  /** Waits before each further attempt. */
  readonly backoffMs?: readonly number[];
}

/** Events on their way, in memory: whoever tells of a verdict does not wait, and does not hear how it went. */
export interface Outbox {
  /** @param id of what it tells: the same again is not sent again */
  send(id: string, event: FluxEvent): void;
  /** What is not answered well is tried once more, at once. @returns when nothing is on its way any more */
  close(): Promise<void>;
}

/** As Flux' own controllers do it. */
const BACKOFF_MS = [1000, 2000, 4000, 8000];
const ATTEMPT_MS = 5000;
/** At the same time; notification-controller answers before it passes an event on. */
const LANES = 4;
const MAX_WAITING = 1000;
/** Ids that are remembered. A verdict is told again only by the look after the one that could not finish telling it. */
const MAX_KNOWN = 1000;

/** It has the event already. */
const DUPLICATE = 429;

export function createOutbox(options: OutboxOptions): Outbox {
  const { address, log, onDelivery, backoffMs = BACKOFF_MS } = options;
  const agent = new Agent({ connections: LANES });
  const known = new Set<string>();
  const waiting: FluxEvent[] = [];
  const sending = new Set<Promise<void>>();
  const closing = new AbortController();

  function next(): void {
    while (sending.size < LANES) {
      const event = waiting.shift();
      if (!event) return;
      const sent = deliver(event).finally(() => {
        sending.delete(sent);
        next();
      });
      sending.add(sent);
    }
  }

  async function deliver(event: FluxEvent): Promise<void> {
    let isLast = closing.signal.aborted;
    let problem = await attempt(event);
    for (const delayMs of backoffMs) {
      if (!problem?.isPassing || isLast) break;
      await delay(delayMs, undefined, { signal: closing.signal }).catch(() => undefined);
      isLast = closing.signal.aborted;
      problem = await attempt(event);
    }
    if (!problem) return onDelivery('delivered');
    report(event, problem.isPassing ? 'failed' : 'refused', problem.why);
  }

  /** @returns what went wrong, and whether it may pass */
  async function attempt(event: FluxEvent): Promise<{ why: string; isPassing: boolean } | undefined> {
    try {
      const { statusCode, body } = await request(address, {
        method: 'POST',
        dispatcher: agent,
        signal: AbortSignal.timeout(ATTEMPT_MS),
        headers: { 'content-type': 'application/json', 'user-agent': 'postsync' },
        body: JSON.stringify(event),
      });
      await body.dump();
      if (statusCode < 300 || statusCode === DUPLICATE) return undefined;
      return { why: `HTTP ${statusCode}`, isPassing: statusCode >= 500 };
    } catch (error) {
      return { why: error instanceof Error ? error.message : String(error), isPassing: true };
    }
  }

  function report({ involvedObject, metadata }: FluxEvent, delivery: Delivery, because: string): void {
    onDelivery(delivery);
    const { namespace, name } = involvedObject;
    const run = metadata['helm.toolkit.fluxcd.io/run'];
    log.warn({ release: `${namespace}/${name}`, run, because }, 'verdict not told to Flux');
  }

  return {
    send(id, event) {
      if (known.has(id)) return;
      known.add(id);
      if (known.size > MAX_KNOWN) known.delete(known.values().next().value as string);
      if (waiting.length >= MAX_WAITING) return report(event, 'dropped', 'too many are on their way');
      waiting.push(event);
      next();
    },
    async close() {
      closing.abort();
      while (sending.size > 0) await Promise.allSettled(sending);
      await agent.close();
    },
  };
}
