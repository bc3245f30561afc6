/**
 * The part of GitHub's expressions that the example workflows use: contexts, properties, texts, `||`, `&&`, groups, and the functions
 * `always` and `fromJSON`. Anything else is an error.
 *
 * @see https://docs.github.com/actions/reference/workflows-and-actions/expressions
 */
export type Expression =
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'context'; readonly name: string }
  | { readonly kind: 'property'; readonly of: Expression; readonly key: string }
  | { readonly kind: 'call'; readonly name: string; readonly given: readonly Expression[] }
  | { readonly kind: '||' | '&&'; readonly left: Expression; readonly right: Expression };

export type Contexts = Readonly<Record<string, unknown>>;

const TOKEN = /\s*(?:(?<text>'(?:[^']|'')*')|(?<name>[A-Za-z_][\w-]*)|(?<sign>\|\||&&|[().,]))\s*/y;
const FUNCTIONS: Readonly<Record<string, (...given: readonly unknown[]) => unknown>> = {
  always: () => true,
  fromJSON: (value) => JSON.parse(textOf(value)) as unknown,
};
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/** @throws where it is not understood */
export function parse(text: string): Expression {
  const tokens = tokensOf(text);
  const peek = () => tokens[0] ?? '';
  const next = () => tokens.shift() ?? '';
  const expect = (sign: string) => {
    if (next() !== sign) throw new Error(`no ${sign} where it should be: ${text}`);
  };
  const chain = (kind: '||' | '&&', operand: () => Expression) => () => {
    let left = operand();
    while (peek() === kind) {
      next();
      left = { kind, left, right: operand() };
    }
    return left;
  };
  const either: () => Expression = chain(
    '||',
    chain('&&', () => properties(primary())),
  );

  function properties(of: Expression): Expression {
    if (peek() !== '.') return of;
    next();
    return properties({ kind: 'property', of, key: name(next()) });
  }

  function name(token: string): string {
    if (!/^\w/.test(token)) throw new Error(`no name where it should be: ${text}`);
    return token;
  }

  function primary(): Expression {
    const token = next();
    if (token === '(') {
      const group = either();
      expect(')');
      return group;
    }
    if (token.startsWith("'")) return { kind: 'literal', value: token.slice(1, -1).replaceAll("''", "'") };
    if (WORDS.has(token)) return { kind: 'literal', value: WORDS.get(token) };
    const called = name(token);
    return peek() === '('
      ? { kind: 'call', name: called, given: given() }
      : { kind: 'context', name: called };
  }

  function given(): Expression[] {
    const found: Expression[] = [];
    expect('(');
    while (peek() !== ')') {
      found.push(either());
      if (peek() !== ')') expect(',');
    }
    next();
    return found;
  }

  const expression = either();
  if (tokens.length > 0) throw new Error(`more than one expression: ${text}`);
  return expression;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const { text: quoted, name, sign } = TOKEN.exec(text)?.groups ?? {};
    const token = quoted ?? name ?? sign;
    if (token === undefined) throw new Error(`not understood from ${text.slice(at)}`);
    tokens.push(token);
  }
  return tokens;
}

/** What GitHub would make of it. A property that is not there is null, as is one of null. */
export function evaluate(expression: Expression, contexts: Contexts): unknown {
  const of = (part: Expression) => evaluate(part, contexts);
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'context':
      if (!(expression.name in contexts)) throw new Error(`no context ${expression.name} here`);
      return contexts[expression.name];
    case 'property':
      return propertyOf(of(expression.of), expression.key);
    case 'call': {
      const call = FUNCTIONS[expression.name];
      if (!call) throw new Error(`no function ${expression.name}`);
      return call(...expression.given.map(of));
    }
    case '||':
      return of(expression.left) || of(expression.right);
    default:
      return of(expression.left) && of(expression.right);
  }
}

function propertyOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null;
  return (value as Record<string, unknown>)[key] ?? null;
}

const INSERTED = /\$\{\{(.*?)\}\}/gs;

/** The expressions that are inserted in a text. */
export function expressionsIn(text: string): Expression[] {
  return [...text.matchAll(INSERTED)].map(([, inside = '']) => parse(inside));
}

/** A text as GitHub fills it in. */
export function fillIn(text: string, contexts: Contexts): string {
  return text.replaceAll(INSERTED, (_, inside: string) => {
    return textOf(evaluate(parse(inside), contexts));
  });
}

function textOf(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'object') throw new Error('an object where a text should be');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Every expression within one, itself included. */
export function partsOf(expression: Expression): Expression[] {
  return [expression, ...operandsOf(expression).flatMap(partsOf)];
}

function operandsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'property':
      return [expression.of];
    case 'call':
      return expression.given;
    case '||':
    case '&&':
      return [expression.left, expression.right];
    default:
      return [];
  }
}
