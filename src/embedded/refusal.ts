import type { ResourceType } from './resources.ts';

/** One thing wrong with an object: the `reason` is apimachinery's `CauseType`. */
export interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field: string;
}

interface Details {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
}

/** What the API says no with: an HTTP code and a `Status` object in kube-apiserver's words. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly code: number;
  readonly reason: string;
  readonly details: Details | undefined;

  constructor(code: number, reason: string, message: string, details?: Details) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.details = details;
  }

  get status(): object {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      ...(this.reason && { reason: this.reason }),
      ...(this.details && { details: this.details }),
      code: this.code,
    };
  }
}

export function notFound(type: ResourceType, name: string): Refusal {
  return new Refusal(404, 'NotFound', `${qualified(type)} "${name}" not found`, named(type, name));
}

export function alreadyExists(type: ResourceType, name: string): Refusal {
  return new Refusal(409, 'AlreadyExists', `${qualified(type)} "${name}" already exists`, named(type, name));
}

export function conflict(
  type: ResourceType,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): Refusal {
  const message = `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${why}`;
  return new Refusal(409, 'Conflict', message, named(type, name));
}

export function invalid(type: ResourceType, name: string, causes: readonly Cause[]): Refusal {
  const parts = causes.map(({ field, message }) => `${field}: ${message}`);
  const text = parts.length === 1 ? parts[0] : `[${parts.join(', ')}]`;
  const kind = type.group ? `${type.kind}.${type.group}` : type.kind;
  const details = { ...(name && { name }), ...grouped(type), kind: type.kind, causes };
  return new Refusal(422, 'Invalid', `${kind} "${name}" is invalid: ${text}`, details);
}

export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message);
}

export function unknownPath(): Refusal {
  return new Refusal(404, 'NotFound', 'the server could not find the requested resource', {});
}

export const required = (field: string, more?: string): Cause => ({
  reason: 'FieldValueRequired',
  message: more === undefined ? 'Required value' : `Required value: ${more}`,
  field,
});

export const invalidValue = (field: string, value: unknown, why: string): Cause => ({
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${JSON.stringify(value)}: ${why}`,
  field,
});

export const forbiddenValue = (field: string, why: string): Cause => ({
  reason: 'FieldValueForbidden',
  message: `Forbidden: ${why}`,
  field,
});

export function qualified({ plural, group }: ResourceType): string {
  return group ? `${plural}.${group}` : plural;
}

function named(type: ResourceType, name: string): Details {
  return { name, ...grouped(type), kind: type.plural };
}

const grouped = ({ group }: ResourceType) => (group ? { group } : {});
