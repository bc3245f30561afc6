import type { Time } from '../decide/model.ts';
import { earliest } from '../decide/time.ts';

/** How a look, or a part of it, ended. */
export interface Looked {
  /** When to look again at the latest; absent: only when something is heard. */
  readonly wakeAt?: Time | undefined;
  /** What of it failed first. It is tried again after a pause; the rest was done, and may want to come back sooner. */
  readonly failure?: unknown;
}

/** Never rejects: what it threw is its failure, and keeps nothing else from being done. */
export function settled(look: Promise<Looked>): Promise<Looked> {
  return look.catch((failure: unknown) => ({ failure }));
}

/** A part that says when to come back. */
export function attempt(part: Promise<Time | undefined>): Promise<Looked> {
  return settled(part.then((wakeAt) => ({ wakeAt })));
}

export function together(parts: readonly Looked[]): Looked {
  return {
    wakeAt: earliest(parts.map(({ wakeAt }) => wakeAt)),
    failure: parts.find(({ failure }) => failure !== undefined)?.failure,
  };
}
