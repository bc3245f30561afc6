/** A clock that stands still until it is told to go on, and the waits that hang on it. */
export interface Clock {
  readonly now: () => number;
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Goes on by so many milliseconds, from one due wait to the next, and lets what they set off happen. */
  advance(ms: number): Promise<void>;
}

export function aClock(): Clock {
  let time = 0;
  let waits: { readonly at: number; readonly end: () => void }[] = [];
  return {
    now: () => time,
    delay: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        waits.push({ at: time + ms, end: resolve });
        signal.addEventListener('abort', () => resolve(), { once: true });
      }),
    async advance(ms) {
      const until = time + ms;
      await settle();
      for (;;) {
        const at = Math.min(...waits.map((wait) => wait.at));
        if (at > until) break;
        time = Math.max(time, at);
        const due = waits.filter((wait) => wait.at <= time);
        waits = waits.filter((wait) => wait.at > time);
        for (const wait of due) wait.end();
        await settle();
      }
      time = until;
    },
  };
}

/** Lets everything happen that waits for nothing but promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}
