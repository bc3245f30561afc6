import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ref } from '../decide/model.ts';
import { isCode } from '../errors.ts';
import type { Changes } from './changes.ts';
import { RETRY_AFTER_SECONDS } from './http.ts';
import { Refusal } from './refusal.ts';

/** Those who wait hold a connection each; Flux' events need some, too. */
const MAX_WAITING = 256;
/** Between two reads of a release for one who waits: at least, and at most when nothing is heard of it. */
const MIN_READ_MS = 250;
const MAX_READ_MS = 15_000;

export interface Wait<T> {
  readonly release: Ref;
  /** 0: reads once. */
  readonly ms: number;
  readonly read: () => Promise<T>;
  readonly isDecided: (told: T) => boolean;
}

/** Holds requests until something is decided of a release. */
export interface Waits {
  /**
   * Reads until it is decided, the time is over, or who asked has gone.
   *
   * @returns what was read last
   * @throws {Refusal} 429: too many wait; 503: postsync is stopping
   */
  until<T>(res: ServerResponse, wait: Wait<T>): Promise<T>;
}

export interface WaitsOptions {
  readonly changes: Pick<Changes, 'wait'>;
  readonly stopping: AbortSignal;
}

export function createWaits({ changes, stopping }: WaitsOptions): Waits {
  let waiting = 0;
  return {
    async until(res, wait) {
      if (wait.ms > 0 && waiting >= MAX_WAITING)
        throw new Refusal(429, 'TooManyRequests', 'too many wait for a verdict; ask again in 10 s', 10);
      const gone = new AbortController();
      // Also before: the caller may have left while it was asked who they are.
      if (res.closed) gone.abort();
      else res.once('close', () => gone.abort());
      waiting++;
      try {
        const told = await readUntil(changes, wait, AbortSignal.any([gone.signal, stopping]));
        if (!wait.isDecided(told) && stopping.aborted)
          throw new Refusal(503, 'Unavailable', 'postsync is stopping; ask again', RETRY_AFTER_SECONDS);
        return told;
      } finally {
        waiting--;
      }
    },
  };
}

async function readUntil<T>(
  changes: Pick<Changes, 'wait'>,
  { release, ms, read, isDecided }: Wait<T>,
  until: AbortSignal,
): Promise<T> {
  const deadline = performance.now() + ms;
  for (;;) {
    const left = Math.max(0, deadline - performance.now());
    const isLast = left === 0 || until.aborted;
    // Listens before it reads: what changes while it reads is not missed.
    const round = new AbortController();
    const changed = changes.wait(
      release,
      Math.min(left, MAX_READ_MS),
      AbortSignal.any([until, round.signal]),
    );
    try {
      const told = await read();
      if (isDecided(told) || isLast) {
        round.abort();
        return told;
      }
    } catch (error) {
      if (isLast || !isCode(error, 'API_UNAVAILABLE')) {
        round.abort();
        throw error;
      }
    }
    await changed;
    await delay(Math.min(Math.max(0, deadline - performance.now()), MIN_READ_MS));
  }
}
