import { type KubeObject, valueAt } from './objects.ts';
import { badRequest, type Refusal } from './refusal.ts';
import type { ResourceType } from './resources.ts';

type Predicate = (object: KubeObject) => boolean;

const REQUIREMENT =
  /^\s*(?:(!)\s*)?([A-Za-z0-9][\w./-]*)\s*(?:(==|=|!=)\s*([\w.-]*)|\s(in|notin)\s*\(([^)]*)\))?\s*(?:,|$)/;

/** A labelSelector: `a=b,c!=d,e in (f,g),h notin (i),j,!k`. */
export function labelSelector(text: string): Predicate {
  const parts: Predicate[] = [];
  let rest = text.trim();
  while (rest !== '') {
    const match = REQUIREMENT.exec(rest);
    if (!match) throw badRequest(`unable to parse requirement: ${rest}`);
    parts.push(labelRequirement(match));
    rest = rest.slice(match[0].length);
  }
  return (object) => parts.every((part) => part(object));
}

function labelRequirement([, not, key = '', operator, value, set, members]: RegExpExecArray): Predicate {
  const of = ({ metadata }: KubeObject) => metadata.labels?.[key];
  if (set !== undefined) {
    const wanted = new Set((members ?? '').split(',').map((member) => member.trim()));
    return (object) => wanted.has(of(object) as string) === (set === 'in');
  }
  if (operator === undefined) return (object) => (of(object) === undefined) === (not !== undefined);
  return (object) => (of(object) === value) === (operator !== '!=');
}

/** A fieldSelector: `metadata.name=a,status.phase!=b`. Only the fields that the type declares may be named. */
export function fieldSelector(text: string, type: ResourceType): Predicate {
  const allowed = new Set(['metadata.name', 'metadata.namespace', ...type.fields]);
  const parts = text
    .split(',')
    .filter((part) => part !== '')
    .map((part): Predicate => {
      const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(part);
      if (!match) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
      const [, field = '', operator, wanted] = match;
      if (!allowed.has(field)) throw unsupported(field, type);
      const path = field.split('.');
      const value = (object: KubeObject) => scalar(valueAt(object, path));
      return (object) => (value(object) === wanted) === (operator !== '!=');
    });
  return (object) => parts.every((part) => part(object));
}

function unsupported(field: string, { custom, fields }: ResourceType): Refusal {
  const plain = !custom && fields.length === 0;
  return badRequest(
    plain
      ? `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`
      : `field label not supported: ${field}`,
  );
}

function scalar(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}
