import { randomBytes } from 'node:crypto';
import type { Api } from './api.ts';
import { type KubeObject, timestamp } from './objects.ts';
import { EVENTS } from './resources.ts';

export interface Occurrence {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly component: string;
}

/** Writes an Event about an object. */
export function recordEvent(
  api: Api,
  about: KubeObject,
  { type, reason, message, component }: Occurrence,
): void {
  const { name, namespace, uid, resourceVersion } = about.metadata;
  const at = timestamp();
  const event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name}.${randomBytes(8).toString('hex')}` },
    involvedObject: { apiVersion: about.apiVersion, kind: about.kind, name, namespace, uid, resourceVersion },
    type,
    reason,
    message,
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
    eventTime: null,
    source: { component },
    reportingComponent: component,
    reportingInstance: '',
  };
  api.create({ type: EVENTS, namespace }, event, { manager: component });
}
