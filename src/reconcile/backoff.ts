const FIRST_MS = 1_000;
const LONGEST_MS = 5 * 60_000;

/**
 * How long to wait before a look that failed is tried again: a second, doubling to five minutes.
 *
 * @param attempt 1 for the first failure
 * @param random from 0 to 1: up to a fifth less, so that many do not come back at once
 */
export function backoff(attempt: number, random: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt - 1, 20)) * (1 - random / 5);
}
