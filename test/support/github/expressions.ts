/*
 * Expressions of GitHub Actions, `${{ … }}`, as far as `run-name` and `concurrency` need them:
 * https://docs.github.com/actions/reference/workflows-and-actions/expressions
 */

type Context = Readonly<Record<string, unknown>>;
type Evaluate = (context: Context) => unknown;

/** A text with its `${{ … }}` filled in. */
export function filledIn(text: string, context: Context): string {
  return text.replaceAll(/\$\{\{(.*?)\}\}/gs, (_, expression: string) =>
    shown(evaluate(expression, context)),
  );
}

export function evaluate(expression: string, context: Context): unknown {
  const tokens = tokensOf(expression);
  const parsed = orFrom(tokens);
  const [rest] = tokens;
  if (rest !== undefined) throw new Error(`unexpected ${rest} in: ${expression.trim()}`);
  return parsed(context);
}

const TOKEN = /\s*('(?:[^']|'')*'|\|\||&&|==|!=|[!()[\].,]|-?\d+(?:\.\d+)?|[A-Za-z_][\w-]*)/y;

function tokensOf(expression: string): string[] {
  const text = expression.trim();
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const [, token] = TOKEN.exec(text) ?? [];
    if (token === undefined) throw new Error(`cannot read ${text.slice(from)}`);
    tokens.push(token);
  }
  return tokens;
}

/** Both sides of `||` and `&&` are values, and the right one is looked at only if it must be. */
function orFrom(tokens: string[]): Evaluate {
  const left = andFrom(tokens);
  if (tokens[0] !== '||') return left;
  tokens.shift();
  const right = orFrom(tokens);
  return (context) => left(context) || right(context);
}

function andFrom(tokens: string[]): Evaluate {
  const left = equalityFrom(tokens);
  if (tokens[0] !== '&&') return left;
  tokens.shift();
  const right = andFrom(tokens);
  return (context) => left(context) && right(context);
}

function equalityFrom(tokens: string[]): Evaluate {
  const left = notFrom(tokens);
  const [operator] = tokens;
  if (operator !== '==' && operator !== '!=') return left;
  tokens.shift();
  const right = notFrom(tokens);
  return (context) => isSame(left(context), right(context)) === (operator === '==');
}

function notFrom(tokens: string[]): Evaluate {
  if (tokens[0] !== '!') return memberFrom(tokens);
  tokens.shift();
  const value = notFrom(tokens);
  return (context) => !value(context);
}

function memberFrom(tokens: string[]): Evaluate {
  let value = primaryFrom(tokens);
  while (tokens[0] === '.' || tokens[0] === '[') {
    const of = value;
    if (tokens.shift() === '.') {
      const name = nameFrom(tokens);
      value = (context) => memberOf(of(context), name);
    } else {
      const key = orFrom(tokens);
      expect(tokens, ']');
      value = (context) => memberOf(of(context), String(key(context)));
    }
  }
  return value;
}

function nameFrom(tokens: string[]): string {
  const name = tokens.shift();
  if (name !== undefined && /^[A-Za-z_]/.test(name)) return name;
  throw new Error(`expected a name, found ${name ?? 'the end'}`);
}

const LITERALS: Readonly<Record<string, unknown>> = { true: true, false: false, null: null };

function primaryFrom(tokens: string[]): Evaluate {
  const token = tokens.shift();
  if (token === undefined) throw new Error('an expression ends early');
  if (token === '(') {
    const inner = orFrom(tokens);
    expect(tokens, ')');
    return inner;
  }
  if (token.startsWith("'")) return () => token.slice(1, -1).replaceAll("''", "'");
  if (/^-?\d/.test(token)) return () => Number(token);
  if (Object.hasOwn(LITERALS, token)) return () => LITERALS[token];
  if (tokens[0] === '(') return callFrom(token, tokens);
  return (context) => memberOf(context, token);
}

const FUNCTIONS: Readonly<Record<string, (...values: readonly unknown[]) => unknown>> = {
  fromjson: (text) => JSON.parse(shown(text)) as unknown,
  tojson: (value) => JSON.stringify(value, undefined, 2),
  format: (text, ...values) =>
    String(text).replaceAll(/\{(\d+)\}/g, (_, at: string) => shown(values[Number(at)])),
  contains: (whole, part) => shown(whole).toLowerCase().includes(shown(part).toLowerCase()),
  startswith: (whole, part) => shown(whole).toLowerCase().startsWith(shown(part).toLowerCase()),
};

function callFrom(name: string, tokens: string[]): Evaluate {
  const called = FUNCTIONS[name.toLowerCase()];
  if (!called) throw new Error(`the stand-in does not know ${name}()`);
  const given: Evaluate[] = [];
  tokens.shift();
  while (tokens[0] !== ')') {
    given.push(orFrom(tokens));
    if (tokens[0] === ',') tokens.shift();
    else break;
  }
  expect(tokens, ')');
  return (context) => called(...given.map((value) => value(context)));
}

function expect(tokens: string[], wanted: string): void {
  const token = tokens.shift();
  if (token !== wanted) throw new Error(`expected ${wanted}, found ${token ?? 'the end'}`);
}

/** What is not there is null. */
function memberOf(value: unknown, name: string): unknown {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return null;
  return Reflect.get(value, name);
}

const isSame = (left: unknown, right: unknown) =>
  typeof left === 'string' && typeof right === 'string'
    ? left.toLowerCase() === right.toLowerCase()
    : left === right;

function shown(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return 'Array';
  if (typeof value === 'object') return 'Object';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
