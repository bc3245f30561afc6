import {
  element,
  Failure,
  FUNCTIONS,
  MACROS,
  METHODS,
  member,
  members,
  OPERATORS,
  truth,
} from './cel-values.ts';
import { isFields } from './objects.ts';

type Scope = Readonly<Record<string, unknown>>;
type Expression = (scope: Scope) => unknown;

const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)|('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|([A-Za-z_]\w*)|(&&|\|\||[=!<>]=|[-+!<>?:.,()[\]]))/y;

/** @throws {SyntaxError} for what is not understood */
export function tokensOf(text: string): readonly string[] {
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

export interface Parser {
  expression(binding: number): Expression;
  expect(token: string): void;
}

/** Makes functions of what it reads. @throws {SyntaxError} for what is not understood */
export function parserOf(tokens: readonly string[]): Parser {
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
