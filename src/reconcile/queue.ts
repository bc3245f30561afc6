import { earliest } from '../decide/time.ts';
import { isCode } from '../errors.ts';
import { backoff } from './backoff.ts';
import { type Looked, settled } from './looked.ts';

/** Milliseconds that a timer can hold; it would fire at once beyond that. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Somebody else wrote first: not a failure, only a reason to look again; later each time, for a watch may be stuck. */
const AFTER_CONFLICT_MS = 50;
const LONGEST_CONFLICT_MS = 5_000;

export interface QueueOptions {
  readonly look: (key: string) => Promise<Looked>;
  /** Looks at once; at most one per key. */
  readonly parallel: number;
  readonly onFailure: (failure: Failure) => void;
}

export interface Failure {
  readonly key: string;
  readonly error: unknown;
  readonly attempt: number;
  readonly delayMs: number;
}

export interface Queue {
  /** Many calls before a look make one look; a call during a look makes one more afterwards. */
  add(key: string): void;
  /** Begins to look; what was added before is looked at now. */
  start(): void;
  /** Begins no further look; what would have been looked at later is looked at after the next start. @returns when those under way have ended */
  stop(): Promise<void>;
}

interface Failures {
  readonly attempt: number;
  /** When the pause after the newest one is over. */
  readonly until: number;
}

/** One look per key at a time, many keys in parallel, and the only owner of retries. */
export function createQueue({ look, parallel, onFailure }: QueueOptions): Queue {
  const due = new Set<string>();
  const busy = new Set<string>();
  const again = new Set<string>();
  const timers = new Map<string, NodeJS.Timeout>();
  const failures = new Map<string, Failures>();
  const conflicts = new Map<string, number>();
  let isStarted = false;
  let onIdle: (() => void) | undefined;

  function add(key: string): void {
    if (busy.has(key)) again.add(key);
    else due.add(key);
    pump();
  }

  function pump(): void {
    for (const key of due) {
      if (!isStarted || busy.size >= parallel) return;
      due.delete(key);
      busy.add(key);
      void run(key);
    }
  }

  async function run(key: string): Promise<void> {
    clearTimeout(timers.get(key));
    timers.delete(key);
    const { wakeAt, failure } = await settled(look(key));
    const pauseMs = failure === undefined ? succeeded(key) : failed(key, failure);
    const wakeMs = wakeAt === undefined ? undefined : Math.max(0, wakeAt - Date.now());
    const delayMs = earliest([wakeMs, pauseMs]);
    busy.delete(key);
    if (delayMs !== undefined && !again.has(key)) sleep(key, delayMs);
    if (again.delete(key)) due.add(key);
    pump();
    if (busy.size === 0) onIdle?.();
  }

  function succeeded(key: string): undefined {
    failures.delete(key);
    conflicts.delete(key);
  }

  /** @returns how long to wait before it is tried again */
  function failed(key: string, error: unknown): number {
    if (isCode(error, 'API_CONFLICT')) {
      const before = conflicts.get(key) ?? 0;
      conflicts.set(key, before + 1);
      return Math.min(LONGEST_CONFLICT_MS, AFTER_CONFLICT_MS * 2 ** Math.min(before, 20));
    }
    const before = failures.get(key);
    // What is heard of a key has it looked at before its pause is over: such looks do not make the pause longer.
    const attempt = before && Date.now() < before.until ? before.attempt : (before?.attempt ?? 0) + 1;
    const delayMs = backoff(attempt, Math.random());
    failures.set(key, { attempt, until: Date.now() + delayMs });
    onFailure({ key, error, attempt, delayMs });
    return delayMs;
  }

  function sleep(key: string, delayMs: number): void {
    const timer = setTimeout(
      () => {
        timers.delete(key);
        add(key);
      },
      Math.min(delayMs, LONGEST_TIMER_MS),
    );
    timers.set(key, timer.unref());
  }

  return {
    add,
    start() {
      isStarted = true;
      pump();
    },
    stop() {
      isStarted = false;
      // A replica that loses the Lease may take it again, and nobody else knows of these.
      for (const [key, timer] of timers) {
        clearTimeout(timer);
        due.add(key);
      }
      timers.clear();
      return busy.size === 0 ? Promise.resolve() : new Promise((resolve) => (onIdle = resolve));
    },
  };
}
