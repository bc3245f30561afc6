import { isDeepStrictEqual } from 'node:util';
import { isFields } from './objects.ts';

/** A rule of a CRD that is understood. */
export interface Rule {
  /** Such a rule is not asked about objects that are new. */
  readonly comparesWithOld: boolean;
  holds(self: unknown, oldSelf: unknown): boolean;
}

type Scope = Readonly<Record<string, unknown>>;
type Expression = (scope: Scope) => unknown;

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

/** What makes an expression come to nothing: a field that is not there, a value of the wrong type. */
class Failure extends Error {
  override readonly name = 'Failure';
}

const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|([A-Za-z_]\w*)|(&&|\|\||[=!<>]=|[-+!<>?:.,()[\]]))/y;

function tokensOf(text: string): readonly string[] {
  const tokens: string[] = [];
  const source = text.trim();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const match = TOKEN.exec(source);
    if (!match) throw new SyntaxError('not understood');
    tokens.push(match[0].trim());
  }
  return tokens;
}

const BINDING: Readonly<Record<string, number>> = {
  '?': 1,
  '||': 2,
  '&&': 3,
  ...Object.fromEntries(['==', '!=', '<', '<=', '>', '>=', 'in'].map((one) => [one, 4])),
  '+': 5,
  '-': 5,
  '.': 7,
  '[': 7,
};

interface Parser {
  expression(binding: number): Expression;
  expect(token: string): void;
}

function parserOf(tokens: readonly string[]): Parser {
  let at = 0;
  const peek = () => tokens[at] ?? '';
  const take = () => tokens[at++] ?? '';

  function expect(token: string): void {
    if (take() !== token) throw new SyntaxError(`expected ${token}`);
  }

  function expression(binding: number): Expression {
    let left = operand(take());
    while ((BINDING[peek()] ?? 0) > binding) left = continued(left, take());
    return left;
  }

  function operand(token: string): Expression {
    if (token === '(') {
      const inner = expression(0);
      expect(')');
      return inner;
    }
    if (token === '!') {
      const inner = expression(6);
      return (scope) => !truth(inner(scope));
    }
    if (token === '[') {
      const items = list(']');
      return (scope) => items.map((item) => item(scope));
    }
    return literal(token) ?? name(token);
  }

  function name(token: string): Expression {
    if (!/^[A-Za-z_]/.test(token)) throw new SyntaxError(`unexpected ${token}`);
    if (peek() !== '(') return (scope) => member(scope, token);
    take();
    if (token === 'has') return presence();
    const call = FUNCTIONS[token];
    if (!call) throw new SyntaxError(`unknown function ${token}`);
    const given = list(')');
    return (scope) => call(...given.map((one) => one(scope)));
  }

  /** `has(a.b)`: the last field may be absent, the others may not. */
  function presence(): Expression {
    const start = at;
    let end = at;
    while (tokens[end] !== ')' && end < tokens.length) end++;
    const field = tokens[end - 1] ?? '';
    const owner = parserOf(tokens.slice(start, end - 2));
    if (tokens[end - 2] !== '.') throw new SyntaxError('has() wants a field');
    const object = owner.expression(0);
    at = end + 1;
    return (scope) => {
      const value = object(scope);
      return isFields(value) && value[field] !== undefined;
    };
  }

  function continued(left: Expression, token: string): Expression {
    if (token === '.') return selected(left, take());
    if (token === '[') {
      const index = expression(0);
      expect(']');
      return (scope) => element(left(scope), index(scope));
    }
    if (token === '?') {
      const yes = expression(0);
      expect(':');
      const no = expression(0);
      return (scope) => (truth(left(scope)) ? yes : no)(scope);
    }
    const right = expression(BINDING[token] ?? 0);
    if (token === '&&' || token === '||') return logical(left, right, token === '||');
    const operator = OPERATORS[token];
    if (!operator) throw new SyntaxError(`unknown operator ${token}`);
    return (scope) => operator(left(scope), right(scope));
  }

  function selected(left: Expression, field: string): Expression {
    if (peek() !== '(') return (scope) => member(left(scope), field);
    take();
    const macro = MACROS[field];
    if (macro) {
      const variable = take();
      expect(',');
      const body = expression(0);
      expect(')');
      return (scope) => macro(members(left(scope)), (item) => body({ ...scope, [variable]: item }));
    }
    const method = METHODS[field];
    if (!method) throw new SyntaxError(`unknown method ${field}`);
    const given = list(')');
    return (scope) => method(left(scope), ...given.map((one) => one(scope)));
  }

  function list(end: string): Expression[] {
    const items: Expression[] = [];
    while (peek() !== end) {
      items.push(expression(0));
      if (peek() !== end) expect(',');
    }
    take();
    return items;
  }

  return { expression, expect };
}

function literal(token: string): Expression | undefined {
  const words: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };
  if (Object.hasOwn(words, token)) return () => words[token];
  if (/^\d/.test(token)) return () => Number(token);
  if (!/^['"]/.test(token)) return undefined;
  const text = token.slice(1, -1).replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
  return () => text;
}

/** Either side decides alone when it can, though the other one fails. */
function logical(left: Expression, right: Expression, deciding: boolean): Expression {
  return (scope) => {
    try {
      if (truth(left(scope)) === deciding) return deciding;
    } catch (error) {
      if (error instanceof Failure && truth(right(scope)) === deciding) return deciding;
      throw error;
    }
    return truth(right(scope));
  };
}

function truth(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new Failure('no boolean');
}

function member(value: unknown, field: string): unknown {
  const found = isFields(value) ? value[field] : undefined;
  if (found === undefined) throw new Failure(`no such key: ${field}`);
  return found;
}

function element(value: unknown, index: unknown): unknown {
  const found: unknown = Array.isArray(value) ? value[Number(index)] : member(value, String(index));
  if (found === undefined) throw new Failure('index out of range');
  return found;
}

function members(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (isFields(value)) return Object.keys(value);
  throw new Failure('no list and no map');
}

function text(value: unknown): string {
  if (typeof value === 'string') return value;
  throw new Failure('no text');
}

function ordered(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  throw new Failure('no order');
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' ? Array.from(value).length : members(value).length;
}

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 0.001,
  ns: 0.000001,
};

function duration(value: unknown): number {
  const parts = [...text(value).matchAll(/([\d.]+)(h|ms|m|s|us|ns)/g)];
  if (parts.map(([part]) => part).join('') !== value || parts.length === 0) throw new Failure('no duration');
  return parts.reduce((sum, [, amount, unit = '']) => sum + Number(amount) * (UNITS[unit] ?? 0), 0);
}

const FUNCTIONS: Readonly<Record<string, (...given: unknown[]) => unknown>> = { size: sizeOf, duration };

const METHODS: Readonly<Record<string, (value: unknown, ...given: unknown[]) => unknown>> = {
  size: sizeOf,
  matches: (value, pattern) => new RegExp(text(pattern), 'u').test(text(value)),
  startsWith: (value, part) => text(value).startsWith(text(part)),
  endsWith: (value, part) => text(value).endsWith(text(part)),
  contains: (value, part) => text(value).includes(text(part)),
};

type Macro = (items: readonly unknown[], body: (item: unknown) => unknown) => unknown;

const MACROS: Readonly<Record<string, Macro>> = {
  all: (items, body) => items.every((item) => truth(body(item))),
  exists: (items, body) => items.some((item) => truth(body(item))),
  exists_one: (items, body) => items.filter((item) => truth(body(item))).length === 1,
  filter: (items, body) => items.filter((item) => truth(body(item))),
  map: (items, body) => items.map(body),
};

const OPERATORS: Readonly<Record<string, (a: unknown, b: unknown) => unknown>> = {
  '==': isDeepStrictEqual,
  '!=': (a, b) => !isDeepStrictEqual(a, b),
  '<': (a, b) => ordered(a, b) < 0,
  '<=': (a, b) => ordered(a, b) <= 0,
  '>': (a, b) => ordered(a, b) > 0,
  '>=': (a, b) => ordered(a, b) >= 0,
  '+': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a + b : text(a) + text(b)),
  in: (a, b) => members(b).some((item) => isDeepStrictEqual(item, a)),
};
