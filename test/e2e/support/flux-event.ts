import { createHmac } from 'node:crypto';
import type { KubeEvent } from './objects.ts';
import type { Scene } from './scene.ts';

/** The body that notification-controller posts for an event of helm-controller. */
export interface FluxEvent {
  readonly reason: string;
  readonly body: string;
}

/** The events that helm-controller wrote about a release, oldest first, as notification-controller sends them. */
export async function eventsAbout(scene: Scene, release: string): Promise<readonly FluxEvent[]> {
  const { items } = await scene.api.list('Event', scene.namespace);
  return items
    .filter(({ involvedObject: { kind, name } }) => kind === 'HelmRelease' && name === release)
    .filter((event) => sourceOf(event) === 'helm-controller')
    .map((event) => fluxEvent(scene, release, event));
}

/** One event as it could have been sent at any time, of a revision that may be long gone. */
export function fluxEvent(
  scene: Scene,
  release: string,
  { reason, type, message }: Pick<KubeEvent, 'reason' | 'type' | 'message'>,
): FluxEvent {
  const object = scene.view.release(scene.namespace, release);
  const body = JSON.stringify({
    involvedObject: {
      kind: 'HelmRelease',
      namespace: scene.namespace,
      name: release,
      uid: object?.metadata.uid,
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      resourceVersion: object?.metadata.resourceVersion,
    },
    severity: type === 'Warning' ? 'error' : 'info',
    timestamp: `${new Date().toISOString().slice(0, 19)}Z`,
    message,
    reason,
    metadata: { revision: '1.0.0', 'app-version': '1.0.0' },
    reportingController: 'helm-controller',
    reportingInstance: 'helm-controller-0',
  });
  return { reason, body };
}

/** Posts one event as a `generic-hmac` Provider does. */
export async function post(url: string, key: string, { body }: FluxEvent): Promise<Response> {
  const signature = createHmac('sha256', key).update(body).digest('hex');
  return fetch(`${url}/flux`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'gotk-component': 'helm-controller',
      'x-signature': `sha256=${signature}`,
    },
    body,
    signal: AbortSignal.timeout(10_000),
  });
}

function sourceOf({ source, reportingComponent }: KubeEvent): string | undefined {
  return source?.component || reportingComponent;
}
