import { isDeepStrictEqual } from 'node:util';
import { isFields } from './objects.ts';

/** What makes an expression come to nothing: a field that is not there, a value of the wrong type. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

export function truth(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw new Failure('no boolean');
}

export function member(value: unknown, field: string): unknown {
  const found = isFields(value) ? value[field] : undefined;
  if (found === undefined) throw new Failure(`no such key: ${field}`);
  return found;
}

export function element(value: unknown, index: unknown): unknown {
  const found: unknown = Array.isArray(value) ? value[Number(index)] : member(value, String(index));
  if (found === undefined) throw new Failure('index out of range');
  return found;
}

export function members(value: unknown): readonly unknown[] {
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

export const FUNCTIONS: Readonly<Record<string, (...given: unknown[]) => unknown>> = {
  size: sizeOf,
  duration,
};

export const METHODS: Readonly<Record<string, (value: unknown, ...given: unknown[]) => unknown>> = {
  size: sizeOf,
  matches: (value, pattern) => new RegExp(text(pattern), 'u').test(text(value)),
  startsWith: (value, part) => text(value).startsWith(text(part)),
  endsWith: (value, part) => text(value).endsWith(text(part)),
  contains: (value, part) => text(value).includes(text(part)),
};

type Macro = (items: readonly unknown[], body: (item: unknown) => unknown) => unknown;

export const MACROS: Readonly<Record<string, Macro>> = {
  all: (items, body) => items.every((item) => truth(body(item))),
  exists: (items, body) => items.some((item) => truth(body(item))),
  exists_one: (items, body) => items.filter((item) => truth(body(item))).length === 1,
  filter: (items, body) => items.filter((item) => truth(body(item))),
  map: (items, body) => items.map(body),
};

export const OPERATORS: Readonly<Record<string, (a: unknown, b: unknown) => unknown>> = {
  '==': isDeepStrictEqual,
  '!=': (a, b) => !isDeepStrictEqual(a, b),
  '<': (a, b) => ordered(a, b) < 0,
  '<=': (a, b) => ordered(a, b) <= 0,
  '>': (a, b) => ordered(a, b) > 0,
  '>=': (a, b) => ordered(a, b) >= 0,
  '+': (a, b) => (typeof a === 'number' && typeof b === 'number' ? a + b : text(a) + text(b)),
  in: (a, b) => members(b).some((item) => isDeepStrictEqual(item, a)),
};
