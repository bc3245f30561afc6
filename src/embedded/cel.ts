import { parserOf, tokensOf } from './cel-parser.ts';
import { Failure } from './cel-values.ts';

/** A rule of a CRD that is understood. */
export interface Rule {
  /** Such a rule is not asked about objects that are new. */
  readonly comparesWithOld: boolean;
  holds(self: unknown, oldSelf: unknown): boolean;
}

const known = new Map<string, Rule | undefined>();

/**
 * The part of CEL that rules of CRDs mostly are: fields, literals, lists, `has`, comparisons, `&&`, `||`, `!`, `in`,
 * `?:`, `+`, macros over lists and maps, and a few functions of texts and durations. `undefined` when a rule is more than that: who
 * runs it must say that it is not checked. A rule that fails while it is worked out does not hold.
 */
export function compile(rule: string): Rule | undefined {
  if (!known.has(rule)) known.set(rule, parse(rule));
  return known.get(rule);
}

function parse(rule: string): Rule | undefined {
  try {
    const parser = parserOf(tokensOf(rule));
    const expression = parser.expression(0);
    parser.expect('');
    const holds = (self: unknown, oldSelf: unknown) => {
      try {
        return expression({ self, oldSelf }) === true;
      } catch (error) {
        if (error instanceof Failure) return false;
        throw error;
      }
    };
    return { comparesWithOld: /\boldSelf\b/.test(rule), holds };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
