import type { Time } from '../../decide/model.ts';

/** Writes are at least this far apart. So there are at most 60 a minute, of the 80 that may create something. */
const GAP_MS = 1000;

/** Of the 500 an hour that may create something; the rest is for what is under way when the hour ends. */
const WRITES_AN_HOUR = 480;
const HOUR_MS = 3_600_000;

/** Of 900 points a minute writes take at most 305 (5 each), which leaves room for the tokens of an App. */
const READS_A_MINUTE = 500;
const MINUTE_MS = 60_000;

/** When GitHub does not say how long a limit lasts: a minute, and twice as long each time that it still does not. */
const UNTOLD_MS = 60_000;
const LONGEST_MS = 3_600_000;

/** Of the primary limit so many requests are left for writes, or a tenth of it. */
const KEPT_FOR_WRITES = 50;

/** A turn that nobody takes is given up. */
const LATE_MS = 60_000;
const MOST_TURNS = 10_000;

/** What an answer of GitHub's says about limits. */
export interface RateLimitAnswer {
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  /** The request was refused because of a limit, primary or secondary. */
  readonly limited: boolean;
}

/**
 * Keeps one account below GitHub's limits: writes take turns, in the order in which they asked.
 *
 * @see https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
 */
export interface RateLimits {
  /** When it is the turn of `key`. Asking again gives the same turn, or a later one when a limit came in between. */
  turnOf(key: string): Time;
  /** Takes the turn, when it has come: then one write may be sent. When it has not, `turnOf` says when to ask again. */
  take(key: string): boolean;
  /** Counts a read, when one may be sent now. */
  read(): boolean;
  /** When a read may be sent. */
  readonly readableAt: Time;
  /** GitHub refuses everything until then; `undefined`: it does not. */
  readonly blockedUntil: Time | undefined;
  /** What was last told to be left of the primary limit; `undefined`: nothing was told. */
  readonly remaining: number | undefined;
  /** Writes that wait for their turn. */
  readonly waiting: number;
  /** A write was sent, or answered: the next one comes a second later. */
  wrote(): void;
  heard(answer: RateLimitAnswer): void;
}

interface Turn {
  at: number;
  /** When its owner was to come, as far as the owner knows. */
  expected: number;
}

export function createLimits({ now }: { readonly now: () => Time }): RateLimits {
  const turns = new Map<string, Turn>();
  let writes: readonly number[] = [];
  let reads: readonly number[] = [];
  let wroteAt = Number.NEGATIVE_INFINITY;
  let blockedUntil = 0;
  let readsBlockedUntil = 0;
  /** Refusals one after the other that did not say how long they last. */
  let untold = 0;
  let remaining: number | undefined;

  /** The first time that is free for a write after these. */
  function slotAfter(times: readonly number[], earliest: number): number {
    const last = times.at(-1) ?? Number.NEGATIVE_INFINITY;
    const hourly = times.at(-WRITES_AN_HOUR);
    const full = times.length >= WRITES_AN_HOUR && hourly !== undefined;
    return Math.max(earliest, last + GAP_MS, wroteAt + GAP_MS, blockedUntil, full ? hourly + HOUR_MS + 1 : 0);
  }

  function forget(): void {
    const at = now();
    writes = writes.filter((time) => time >= at - HOUR_MS);
    reads = reads.filter((time) => time >= at - MINUTE_MS);
    for (const [key, { expected }] of turns) if (at > expected + LATE_MS) turns.delete(key);
  }

  /** Moves turns that cannot be kept, and those behind them; the order stays. */
  function postpone(): void {
    const times = [...writes];
    for (const turn of turns.values()) {
      turn.at = Math.max(turn.at, slotAfter(times, now()));
      times.push(turn.at);
    }
  }

  return {
    turnOf(key) {
      forget();
      let turn = turns.get(key);
      if (turn && turn.at < blockedUntil) postpone();
      if (!turn) {
        const times = [...writes, ...[...turns.values()].map(({ at }) => at)];
        turn = { at: slotAfter(times, now()), expected: 0 };
        if (turns.size < MOST_TURNS) turns.set(key, turn);
      }
      turn.expected = Math.max(turn.at, now());
      return turn.at;
    },
    take(key) {
      forget();
      const turn = turns.get(key);
      const at = now();
      if (!turn || turn.at > at) return false;
      if (slotAfter(writes, at) > at) {
        postpone();
        return false;
      }
      turns.delete(key);
      writes = [...writes, at];
      return true;
    },
    read() {
      forget();
      const at = now();
      if (readableAt(at) > at) return false;
      reads = [...reads, at];
      return true;
    },
    get readableAt() {
      forget();
      return readableAt(now());
    },
    get blockedUntil() {
      return blockedUntil > now() ? blockedUntil : undefined;
    },
    get remaining() {
      return remaining;
    },
    get waiting() {
      return turns.size;
    },
    wrote() {
      wroteAt = now();
    },
    heard({ headers, limited }) {
      const { until, left, most } = primaryOf(headers);
      remaining = left ?? remaining;
      if (!limited) untold = 0;
      if (limited) {
        const at = now();
        const told = [retryAfter(headers, at), left === 0 ? until : undefined];
        const toldUntil = told.find((until) => until !== undefined && until > at);
        // Requests that were on their way together are refused together, which is no second time.
        if (toldUntil === undefined && (untold === 0 || at >= blockedUntil)) untold += 1;
        blockedUntil = Math.max(
          blockedUntil,
          toldUntil ?? at + Math.min(UNTOLD_MS * 2 ** (untold - 1), LONGEST_MS),
        );
      } else if (left === 0 && until !== undefined) {
        blockedUntil = Math.max(blockedUntil, until);
      } else if (left !== undefined && until !== undefined && left < Math.min(KEPT_FOR_WRITES, most / 10)) {
        readsBlockedUntil = Math.max(readsBlockedUntil, until);
      }
    },
  };

  function readableAt(at: number): number {
    const oldest = reads.at(-READS_A_MINUTE);
    const full = reads.length >= READS_A_MINUTE && oldest !== undefined;
    return Math.max(at, blockedUntil, readsBlockedUntil, full ? oldest + MINUTE_MS + 1 : 0);
  }
}

/** What is left of the primary limit; nothing where GitHub Enterprise has none. */
function primaryOf(headers: RateLimitAnswer['headers']): {
  readonly left?: number;
  readonly most: number;
  readonly until?: number;
} {
  const resource = headers['x-ratelimit-resource'] ?? 'core';
  const left = numberIn(headers['x-ratelimit-remaining']);
  const reset = numberIn(headers['x-ratelimit-reset']);
  if (resource !== 'core' || left === undefined || reset === undefined) return { most: 0 };
  return { left, most: numberIn(headers['x-ratelimit-limit']) ?? 0, until: reset * 1000 };
}

/** `retry-after` is seconds, or a date (RFC 9110). */
function retryAfter(headers: RateLimitAnswer['headers'], now: number): number | undefined {
  const value = headers['retry-after'];
  if (value === undefined) return undefined;
  const seconds = numberIn(value);
  if (seconds !== undefined) return now + Math.min(seconds * 1000, 24 * HOUR_MS);
  const date = Date.parse(String(value));
  return Number.isNaN(date) ? undefined : Math.min(date, now + 24 * HOUR_MS);
}

function numberIn(value: string | number | undefined): number | undefined {
  return value === undefined || !/^\d{1,12}$/.test(String(value)) ? undefined : Number(value);
}
