import type { Time } from '../decide/model.ts';
import { earliest } from '../decide/time.ts';

/** How a look, or a part of it, ended. */
export interface Looked {
  /** When to look again at the latest; absent: only when something is heard. */
  readonly wakeAt?: Time | undefined;
  /** What of it failed first. It is tried again after a pause; the rest was done, and may want to come back sooner. */
  readonly failure?: unknown;
}

/** A part whose failure keeps nothing else from being done. */
export function attempt(part: Promise<Time | undefined>): Promise<Looked> {
  return part.then(
    (wakeAt) => ({ wakeAt }),
    (failure: unknown) => ({ failure }),
  );
}

export function together(parts: readonly Looked[]): Looked {
  return {
    wakeAt: earliest(parts.map(({ wakeAt }) => wakeAt)),
    failure: parts.find(({ failure }) => failure !== undefined)?.failure,
  };
}
