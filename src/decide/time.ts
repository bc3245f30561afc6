import type { Time } from './model.ts';

/** The first of some times; those that are not known do not count. */
export function earliest(times: readonly (Time | undefined)[]): Time | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** `2026-07-28T10:00:00.000Z` */
export function iso(time: Time): string {
  return new Date(time).toISOString();
}

/** `2026-07-28T10:00:00Z`: Kubernetes' own times have whole seconds. */
export function isoSeconds(time: Time): string {
  return `${iso(time).slice(0, 19)}Z`;
}
