type Fields = Readonly<Record<string, unknown>>;

/** An OpenAPI 3.0 document, as far as it is read here. */
export interface Description {
  readonly openapi: string;
  readonly info: Fields & { readonly title: string; readonly version: string; readonly license: Fields };
  readonly servers: readonly unknown[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Fields>>>>;
  readonly components: Readonly<Record<string, Fields>>;
}

/** The document with these operations only ("GET /path"), and what they refer to. */
export function cutDown(whole: Description, operations: readonly string[]): Description {
  const paths: Record<string, Record<string, Fields>> = {};
  for (const operation of operations) {
    const [method = '', path = ''] = operation.split(' ');
    const found = whole.paths[path]?.[method.toLowerCase()];
    if (!found) throw new Error(`the description has no ${operation}`);
    paths[path] = { ...paths[path], [method.toLowerCase()]: bare(found) as Fields };
  }
  const { title, version, license } = whole.info;
  return {
    openapi: whole.openapi,
    info: { title, version, license },
    servers: whole.servers,
    paths,
    components: referredTo(paths, whole.components),
  };
}

/** Every component that is referred to from here, or from one that is. */
function referredTo(from: unknown, all: Description['components']): Description['components'] {
  const found: Record<string, Record<string, unknown>> = {};
  const waiting = references(from);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [kind = '', name = ''] = next.replace('#/components/', '').split('/');
    if (found[kind]?.[name] !== undefined) continue;
    const whole = all[kind]?.[name];
    if (whole === undefined) throw new Error(`the description has no ${next}`);
    const component = (bareAt(kind, { [name]: whole }) as Fields)[name];
    found[kind] = { ...found[kind], [name]: component };
    waiting.push(...references(component));
  }
  return sorted(found, sorted);
}

function references(value: unknown): string[] {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

/** Prose, and what only tools for documentation read. */
const LEFT_OUT = /^(description|summary|externalDocs|tags|deprecated|example|x-.*)$/;
/** Objects whose keys are names that somebody gave. */
const NAMES = new Set(['properties', 'responses', 'headers', 'content', 'schemas', 'parameters']);

/** The same without prose. Examples stay as they are: Prism answers with them. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (value === null || typeof value !== 'object') return value;
  const kept = Object.entries(value).filter(([key]) => !LEFT_OUT.test(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, bareAt(key, inner)]));
}

function bareAt(key: string, value: unknown): unknown {
  if (key === 'examples') return value;
  if (!NAMES.has(key) || Array.isArray(value) || value === null || typeof value !== 'object')
    return bare(value);
  const inner = key === 'responses' ? bareResponse : bare;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inner(one)]));
}

/** OpenAPI wants every response to have a description. */
function bareResponse(value: unknown): unknown {
  const response = Object(bare(value)) as Fields;
  return '$ref' in response ? response : { description: '', ...response };
}

function sorted<T>(
  fields: Readonly<Record<string, T>>,
  inner: (value: T) => T = (value) => value,
): Record<string, T> {
  const entries = Object.entries(fields).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, inner(value)]));
}
