import { compile } from './cel.ts';
import { isFields } from './objects.ts';
import type { Cause } from './refusal.ts';

/** The parts of a structural schema (`openAPIV3Schema` of a CRD) that are acted on. */
export interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly nullable?: boolean;
  readonly default?: unknown;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message?: string }[];
}

/** The fields that every object has, whatever its schema says. */
const ALWAYS = new Set(['apiVersion', 'kind', 'metadata']);

/** Leaves out what the schema does not know, and says what that was. */
export function pruned(
  schema: Schema,
  object: object,
): { readonly object: object; readonly unknown: string[] } {
  const unknown: string[] = [];
  const walk = (schema: Schema, value: unknown, path: string): unknown => {
    if (Array.isArray(value)) {
      const { items } = schema;
      return items ? value.map((item, index) => walk(items, item, `${path}[${index}]`)) : value;
    }
    if (!isFields(value)) return value;
    const entries = Object.entries(value).flatMap(([key, inner]) => {
      const at = path === '' ? key : `${path}.${key}`;
      if (path === '' && ALWAYS.has(key)) return [[key, inner] as const];
      const found = childOf(schema, key);
      if (found === undefined) {
        unknown.push(at);
        return [];
      }
      if (inner === null && found !== true && !keepsNull(found)) return [];
      return [[key, found === true ? inner : walk(found, inner, at)] as const];
    });
    return Object.fromEntries(entries);
  };
  return { object: walk(schema, object, '') as object, unknown };
}

/** The schema of a field; `true` when it is kept as it is, `undefined` when it is not known. */
function childOf(schema: Schema, key: string): Schema | true | undefined {
  const own = schema.properties?.[key];
  if (own) return own;
  if (isFields(schema.additionalProperties)) return schema.additionalProperties;
  const open = schema.additionalProperties === true || schema['x-kubernetes-preserve-unknown-fields'];
  return open || (!schema.properties && schema.type !== 'object') ? true : undefined;
}

const keepsNull = (schema: Schema) =>
  schema.nullable === true || (!schema.type && !schema['x-kubernetes-int-or-string']);

/** Fills in what is absent and has a default. */
export function defaulted(schema: Schema, value: unknown): unknown {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.map((item) => defaulted(items, item)) : value;
  }
  if (!isFields(value)) return value;
  const filled = { ...value };
  for (const [key, inner] of Object.entries(schema.properties ?? {})) {
    if (filled[key] === undefined && inner.default !== undefined)
      filled[key] = structuredClone(inner.default);
  }
  for (const [key, inner] of Object.entries(filled)) {
    const found = childOf(schema, key);
    if (found !== undefined && found !== true) filled[key] = defaulted(found, inner);
  }
  return filled;
}

/** What is wrong with an object by its schema, in kube-apiserver's words. */
export function faults(schema: Schema, value: unknown, path = ''): readonly Cause[] {
  if (value === null && schema.nullable) return [];
  const wrongType = typeFault(schema, value, path);
  if (wrongType) return [wrongType];
  const own = [...scalarFaults(schema, value, path), ...sizeFaults(schema, value, path)];
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? [...value.flatMap((item, i) => faults(items, item, `${path}[${i}]`)), ...own] : own;
  }
  if (!isFields(value)) return own;
  const missing = (schema.required ?? [])
    .filter((key) => value[key] === undefined)
    .map((key) => ({ reason: 'FieldValueRequired', message: 'Required value', field: join(path, key) }));
  const inner = Object.entries(value).flatMap(([key, inner]) => {
    const found = childOf(schema, key);
    return found === undefined || found === true ? [] : faults(found, inner, join(path, key));
  });
  return [...inner, ...missing, ...own];
}

function typeFault(schema: Schema, value: unknown, field: string): Cause | undefined {
  const wanted = schema['x-kubernetes-int-or-string']
    ? ['integer', 'string']
    : schema.type
      ? [schema.type]
      : [];
  const given = typeOf(value);
  if (wanted.length === 0 || wanted.includes(given)) return undefined;
  if (given === 'integer' && wanted.includes('number')) return undefined;
  return typeInvalid(field, JSON.stringify(given), `type ${wanted.join(',')}: "${given}"`);
}

function typeInvalid(field: string, value: string, wanted: string): Cause {
  const message = `Invalid value: ${value}: ${field} in body must be of ${wanted}`;
  return { reason: 'FieldValueTypeInvalid', message, field };
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

/** Formats that are checked; the other ones are taken for comments, as many of them are. */
const FORMATS: Readonly<Record<string, RegExp>> = {
  'date-time': /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
  'micro-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)$/,
};

function scalarFaults(schema: Schema, value: unknown, field: string): readonly Cause[] {
  const shown = JSON.stringify(value);
  if (schema.enum && !schema.enum.includes(value)) {
    const supported = schema.enum.map((one) => JSON.stringify(one)).join(', ');
    const message = `Unsupported value: ${shown}: supported values: ${supported}`;
    return [{ reason: 'FieldValueNotSupported', message, field }];
  }
  if (typeof value === 'string') return stringFaults(schema, value, field);
  if (typeof value !== 'number') return [];
  const { minimum = -Infinity, maximum = Infinity } = schema;
  if (value < minimum) return [inBody(field, shown, `should be greater than or equal to ${minimum}`)];
  if (value > maximum) return [inBody(field, shown, `should be less than or equal to ${maximum}`)];
  return [];
}

/** Only the first thing that is wrong with a text is said. */
function stringFaults(schema: Schema, value: string, field: string): readonly Cause[] {
  const shown = JSON.stringify(value);
  const { length } = Array.from(value);
  const { maxLength = Infinity, minLength = 0, pattern, format = '' } = schema;
  if (length > maxLength) {
    const message = `Too long: may not be more than ${maxLength} bytes`;
    return [{ reason: 'FieldValueTooLong', message, field }];
  }
  if (length < minLength) return [inBody(field, shown, `should be at least ${minLength} chars long`)];
  if (pattern && !new RegExp(pattern, 'u').test(value)) {
    return [inBody(field, shown, `should match '${pattern}'`)];
  }
  if (FORMATS[format]?.test(value) === false) return [typeInvalid(field, shown, `type ${format}: ${shown}`)];
  return [];
}

function sizeFaults(schema: Schema, value: unknown, field: string): readonly Cause[] {
  if (!Array.isArray(value)) return [];
  const { maxItems = Infinity, minItems = 0 } = schema;
  if (value.length > maxItems) {
    const message = `Too many: ${value.length}: must have at most ${maxItems} items`;
    return [{ reason: 'FieldValueTooMany', message, field }];
  }
  if (value.length < minItems) {
    return [inBody(field, String(value.length), `should have at least ${minItems} items`)];
  }
  return [];
}

function inBody(field: string, shown: string, why: string): Cause {
  const message = `Invalid value: ${shown}: ${field} in body ${why}`;
  return { reason: 'FieldValueInvalid', message, field };
}

/** What the rules of a schema (`x-kubernetes-validations`) refuse. `before` is absent for an object that is new. */
export function brokenRules(schema: Schema, value: unknown, before: unknown, path = ''): readonly Cause[] {
  const own = (schema['x-kubernetes-validations'] ?? []).flatMap(({ rule, message }) => {
    const check = compile(rule);
    if (!check || (check.comparesWithOld && before === undefined)) return [];
    if (check.holds(value, before)) return [];
    const shown = typeof value === 'object' ? '' : `${JSON.stringify(value)}: `;
    const why = message ?? `failed rule: ${rule}`;
    return [
      { reason: 'FieldValueInvalid', message: `Invalid value: ${shown}${why}`, field: path || '<nil>' },
    ];
  });
  if (Array.isArray(value)) {
    const { items } = schema;
    return items
      ? [...own, ...value.flatMap((item, i) => brokenRules(items, item, undefined, `${path}[${i}]`))]
      : own;
  }
  if (!isFields(value)) return own;
  const inner = Object.entries(value).flatMap(([key, inner]) => {
    const found = childOf(schema, key);
    if (found === undefined || found === true) return [];
    return brokenRules(found, inner, isFields(before) ? before[key] : undefined, join(path, key));
  });
  return [...own, ...inner];
}

/** The rules of a schema that are not understood, so not checked. */
export function uncheckedRules(schema: Schema): readonly string[] {
  const own = (schema['x-kubernetes-validations'] ?? [])
    .map(({ rule }) => rule)
    .filter((rule) => !compile(rule));
  const children = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.items ? [schema.items] : []),
    ...(isFields(schema.additionalProperties) ? [schema.additionalProperties as Schema] : []),
  ];
  return [...new Set([...own, ...children.flatMap(uncheckedRules)])];
}

const join = (path: string, key: string) => (path === '' ? key : `${path}.${key}`);
