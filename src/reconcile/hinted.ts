import { keyOf, type Ref, type Time } from '../decide/model.ts';
import { restOf } from '../decide/rest.ts';
import type { Records } from '../ports.ts';

/** Flux sends its event before it writes the status that says so; helm's own tests come between. */
const PAUSES_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000];

/**
 * However often a release that stands still is heard of, it is read, and looked at for that, no more often. The watch tells
 * the same; where it hangs, whoever deploys twice within this time waits for the rest of it.
 */
const LEAST_PAUSE_MS = 30_000;

/** Reads live what somebody else than a watch told of, so that it is seen though a watch hangs. */
export interface Hinted {
  /** @returns whether to look now; otherwise a look is to come */
  readonly hear: (release: Ref) => boolean;
  /**
   * Reads a release, if it was heard of, until it stands still.
   *
   * @returns when to read it again; `undefined`: the watch is enough
   */
  readonly read: (release: Ref) => Promise<Time | undefined>;
}

interface Hint {
  readonly reads: number;
  readonly due: Time;
}

export function createHinted({ readRelease }: Pick<Records, 'readRelease'>, now: () => Time): Hinted {
  const heard = new Map<string, Hint>();
  /** When each was read last, the oldest first. */
  const readAt = new Map<string, number>();

  function noteRead(key: string): void {
    const at = now();
    readAt.delete(key);
    readAt.set(key, at);
    for (const [old, time] of readAt) {
      if (time > at - LEAST_PAUSE_MS) break;
      readAt.delete(old);
    }
  }

  return {
    hear(ref) {
      const key = keyOf(ref);
      const at = now();
      const known = heard.get(key);
      if (known?.reads === 0 && known.due > at) return false;
      const last = readAt.get(key) ?? Number.NEGATIVE_INFINITY;
      const due = Math.min(known?.due ?? Number.POSITIVE_INFINITY, last + LEAST_PAUSE_MS);
      heard.set(key, { reads: 0, due: Math.max(at, due) });
      return true;
    },
    async read(ref) {
      const key = keyOf(ref);
      const known = heard.get(key);
      if (!known || now() < known.due) return known?.due;
      noteRead(key);
      const pauseMs = PAUSES_MS[known.reads];
      // Also where this read fails: the next one is not before that, however often it is heard of.
      const next = { reads: known.reads + 1, due: now() + (pauseMs ?? LEAST_PAUSE_MS) };
      heard.set(key, next);
      const release = await readRelease(ref);
      // Heard of again meanwhile: that is another look.
      if (heard.get(key) !== next) return undefined;
      if (pauseMs !== undefined && release && typeof restOf(release) === 'string') return next.due;
      heard.delete(key);
      return undefined;
    },
  };
}
