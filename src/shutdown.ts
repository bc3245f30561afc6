import type { Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from './log.ts';

export interface Stoppable {
  readonly server: Pick<Server, 'close' | 'closeIdleConnections' | 'closeAllConnections'>;
  /** Ends what was begun: the queue, the Lease. Until it has, senders still hear 503. */
  readonly drain: () => Promise<void>;
  readonly log: Logger;
  /** Milliseconds for all of it. */
  readonly graceMs: number;
}

/** A connection that just answered its last request is not idle yet when the server is told to close. */
const CLOSE_IDLE_EVERY_MS = 50;

/**
 * Ends what was begun, then stops listening, then leaves. Readiness must be false before: the caller aborts the
 * signal that the routes look at.
 *
 * @throws what `drain` throws, once the server is closed
 */
export async function stop({ server, drain, log, graceMs }: Stoppable): Promise<'clean' | 'forced'> {
  const over = new AbortController();
  const how = await Promise.race([
    drain()
      .then(() => close(server, over.signal))
      .then(() => 'clean' as const),
    delay(graceMs, 'forced' as const, { signal: over.signal }),
  ]).finally(() => {
    over.abort();
    server.close();
    server.closeAllConnections();
  });
  log.info({ how }, 'stopped');
  return how;
}

async function close(server: Stoppable['server'], over: AbortSignal): Promise<void> {
  const sweep = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
  over.addEventListener('abort', () => clearInterval(sweep));
  await new Promise((resolve) => server.close(resolve));
}
