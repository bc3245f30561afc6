import { z } from 'zod';
import type { Ref } from '../decide/model.ts';

/** A name as Kubernetes takes it. It becomes part of a path, so nothing else may pass. */
export const ObjectName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/, 'not the name of a Kubernetes object');
export const NamespaceName = z
  .string()
  .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'not the name of a namespace');

/** What was sent is part of what is said of it, so it has an end. */
const MAX_PROBLEMS_LENGTH = 1000;

/** An event, as far as it says whether to look at a release. Nothing of it enters a run. */
export interface ObjectEvent {
  readonly kind: string;
  readonly ref: Ref;
  readonly controller: string;
  readonly severity: string;
  readonly reason: string;
}

/**
 * The body that notification-controller posts to a `generic` or `generic-hmac` Provider. Flux may add fields without
 * asking us. Those that it documents are checked even where we do not use them: another type says that this is
 * something else.
 *
 * @see https://github.com/fluxcd/pkg/blob/main/apis/event/v1beta1/event.go
 */
const FluxEvent = z.object({
  involvedObject: z.object({ kind: z.string().max(253), namespace: NamespaceName, name: ObjectName }),
  severity: z.string().max(64),
  timestamp: z.iso.datetime({ offset: true }).nullish(),
  message: z.string().optional(),
  reason: z.string().max(256),
  // Not z.record, which looks at each key as well and took a third of the whole.
  metadata: z.object({}).catchall(z.string()).nullish(),
  reportingController: z.string().max(253),
});

/** Reads a body. @returns a sentence that names the wrong fields, where it is no event */
export function parseEvent(body: Buffer): ObjectEvent | string {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch {
    return 'the body is not JSON';
  }
  const event = FluxEvent.safeParse(json);
  if (!event.success) return problemsOf(event.error);
  const {
    involvedObject: { kind, ...ref },
    reportingController,
    severity,
    reason,
  } = event.data;
  return { kind, ref, controller: reportingController, severity, reason };
}

/** `involvedObject.name: Invalid input: expected string, received number`, joined by semicolons. */
export function problemsOf({ issues }: z.ZodError): string {
  const told = issues.slice(0, 8).map(({ path, message }) => `${path.join('.') || 'the body'}: ${message}`);
  return told.join('; ').slice(0, MAX_PROBLEMS_LENGTH);
}

/** Says why an event is no reason to look at a release; `undefined` when it is one. */
export function irrelevance(event: ObjectEvent, reasons: ReadonlySet<string>): string | undefined {
  if (event.kind !== 'HelmRelease') return `${event.kind} is not HelmRelease`;
  if (event.controller !== 'helm-controller') return `sent by ${event.controller}, not by helm-controller`;
  if (event.severity !== 'info') return `its severity is ${event.severity}`;
  if (!reasons.has(event.reason)) return `${event.reason} is not a configured reason`;
  return undefined;
}
