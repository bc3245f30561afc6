import { keyOf, type Ref } from '../decide/model.ts';

/** Tells those who wait for a release that something was heard of it. */
export interface Changes {
  tell(release: Ref): void;
  /** Resolves when the release is told of, after so long, or when the signal aborts. */
  wait(release: Ref, ms: number, signal: AbortSignal): Promise<void>;
}

export function createChanges(): Changes {
  const waiting = new Map<string, Set<() => void>>();
  return {
    tell(release) {
      for (const wake of waiting.get(keyOf(release)) ?? []) wake();
    },
    wait(release, ms, signal) {
      const key = keyOf(release);
      return new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const wakes = waiting.get(key) ?? new Set();
        waiting.set(key, wakes);
        const wake = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', wake);
          wakes.delete(wake);
          if (wakes.size === 0 && waiting.get(key) === wakes) waiting.delete(key);
          resolve();
        };
        const timer = setTimeout(wake, ms);
        signal.addEventListener('abort', wake);
        wakes.add(wake);
      });
    },
  };
}
