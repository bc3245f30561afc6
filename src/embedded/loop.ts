import { Refusal } from './refusal.ts';

/** A queue in which a key waits at most once. */
export interface Loop {
  add(key: string): void;
  /** Adds a key after a while. Of several, the soonest counts. It does not keep the process alive. */
  addIn(key: string, delayMs: number): void;
  stop(): void;
}

/** The longest delay of a timer. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Works on one key after the other, each after the write that asked for it. The work looks at what is there, so a
 * Refusal means only that somebody was quicker: the change that did it has added the key again.
 */
export function loop(work: (key: string) => void): Loop {
  const waiting = new Set<string>();
  const timers = new Map<string, { readonly at: number; readonly timer: NodeJS.Timeout }>();
  let stopped = false;
  const run = () => {
    for (const key of waiting) {
      waiting.delete(key);
      try {
        if (!stopped) work(key);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
      }
    }
  };
  const add = (key: string) => {
    if (stopped) return;
    if (waiting.size === 0) setImmediate(run);
    waiting.add(key);
  };
  return {
    add,
    addIn(key, delayMs) {
      const at = Date.now() + delayMs;
      const sooner = timers.get(key);
      if (stopped || (sooner && sooner.at <= at)) return;
      clearTimeout(sooner?.timer);
      const timer = setTimeout(
        () => {
          timers.delete(key);
          add(key);
        },
        Math.min(delayMs, LONGEST_MS),
      );
      timers.set(key, { at, timer: timer.unref() });
    },
    stop() {
      stopped = true;
      for (const { timer } of timers.values()) clearTimeout(timer);
    },
  };
}
