import { isDeepStrictEqual } from 'node:util';

/** A rule of a CRD that is understood. */
export interface Rule {
  /** Such a rule is not asked about objects that are new. */
  readonly comparesWithOld: boolean;
  holds(self: unknown, oldSelf: unknown): boolean;
}

export function compile(rule: string): Rule | undefined {
  if (rule.trim() !== 'self == oldSelf') return undefined;
  return { comparesWithOld: true, holds: (self, oldSelf) => isDeepStrictEqual(self, oldSelf) };
}
