import { keyOf, type Ref } from '../decide/model.ts';

const PAUSE_MS = 500;

/**
 * Hands on that something was heard of a release: the first time at once, and what is heard within the pause after
 * that as one more, at its end. However often an event is sent, it costs few looks, and nothing is lost.
 */
export function createHints(onRelease: (release: Ref) => void, pauseMs = PAUSE_MS): (release: Ref) => void {
  /** Releases in their pause, and whether they were heard of again. */
  const pausing = new Map<string, boolean>();

  function tell(release: Ref, key: string): void {
    pausing.set(key, false);
    setTimeout(() => {
      if (pausing.get(key)) tell(release, key);
      else pausing.delete(key);
    }, pauseMs).unref();
    onRelease(release);
  }

  return (release) => {
    const key = keyOf(release);
    if (pausing.has(key)) pausing.set(key, true);
    else tell(release, key);
  };
}
