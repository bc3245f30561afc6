/** An OpenAPI 3.0 document, as far as the stand-in reads it. */
export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly parameters: Readonly<Record<string, Parameter>> };
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required?: boolean;
  readonly schema: { readonly type?: string };
}

export interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: {
    readonly required?: boolean;
    readonly content: { readonly 'application/json': { readonly schema: { readonly properties?: object } } };
  };
  readonly responses: Readonly<Record<string, { readonly $ref?: string; readonly content?: object }>>;
}

export interface Route {
  readonly method: string;
  readonly pattern: RegExp;
  readonly names: readonly string[];
  /** Where the operation is in the document. */
  readonly pointer: string;
  readonly operation: Operation;
}

export function routesOf({ paths }: Document): readonly Route[] {
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({
      method: method.toUpperCase(),
      pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '([^/]+)')}$`),
      names: [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name),
      pointer: `/paths/${escaped(path)}/${method}`,
      operation,
    })),
  );
}

export interface Placed {
  readonly parameter: Parameter;
  readonly pointer: string;
}

/** The parameters of an operation, and where their schemas are. */
export function parametersOf({ operation, pointer }: Route, { components }: Document): readonly Placed[] {
  return (operation.parameters ?? []).flatMap((given, index) => {
    if (!('$ref' in given)) return [{ parameter: given, pointer: `${pointer}/parameters/${index}/schema` }];
    const parameter = components.parameters[given.$ref.slice('#/components/parameters/'.length)];
    return parameter ? [{ parameter, pointer: `${given.$ref.slice(1)}/schema` }] : [];
  });
}

const escaped = (key: string) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));

const DROPPED = new Set(['nullable', 'example', 'examples', 'xml', 'discriminator', 'readOnly', 'writeOnly']);

/** An OpenAPI 3.0 schema as JSON Schema: `nullable` becomes a type, notes are dropped. */
export function convert(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(convert);
  if (schema === null || typeof schema !== 'object') return schema;
  const kept = Object.entries(schema).filter(([key]) => !DROPPED.has(key));
  const out: Record<string, unknown> = Object.fromEntries(
    kept.map(([key, value]) => [key, key === 'properties' ? convertEach(value as object) : convert(value)]),
  );
  if (!('nullable' in schema) || schema.nullable !== true) return out;
  if (out['type'] === undefined) return { anyOf: [out, { type: 'null' }] };
  const { enum: values } = out;
  return {
    ...out,
    type: [out['type'], 'null'].flat(),
    ...(Array.isArray(values) && { enum: [...new Set([...values, null])] }),
  };
}

/** Names of properties are no keywords, whatever they are. */
function convertEach(properties: object): object {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, convert(schema)]));
}
