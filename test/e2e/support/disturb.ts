import type { Scene } from './scene.ts';

/** What takes a test's Pod away from it, done for real. */

/** An extended resource of which one node has one piece: two Pods that want it cannot both run. */
const SLOT = 'e2e.postsync.dev/slot';
const GHOST = 'e2e-ghost';

/** Has the eviction API take the only Pod of a release's tests. */
export async function evict(scene: Scene, release: string): Promise<void> {
  const name = livePod(scene, release);
  await scene.api.call('POST', `/api/v1/namespaces/${scene.namespace}/pods/${name}/eviction`, {
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name, namespace: scene.namespace },
  });
}

export async function deletePod(scene: Scene, release: string): Promise<void> {
  await scene.api.remove('Pod', scene.namespace, livePod(scene, release));
}

/** Resources of a container that needs the slot. */
export const needsSlot = { requests: { [SLOT]: '1' }, limits: { [SLOT]: '1' } };

/** Gives one node a slot, and takes it away again. */
export async function withSlot(scene: Scene, use: () => Promise<void>): Promise<void> {
  const { items } = await scene.api.list('Node');
  const node = items.find(({ spec }) => !spec.unschedulable && (spec.taints ?? []).length === 0);
  if (!node) throw new Error('no node without taints');
  const path = `/api/v1/nodes/${node.metadata.name}/status`;
  const key = SLOT.replace('/', '~1');
  const set = (op: 'add' | 'remove') =>
    scene.api.jsonPatch(
      path,
      ['capacity', 'allocatable'].map((field) => ({
        op,
        path: `/status/${field}/${key}`,
        ...(op === 'add' && { value: '1' }),
      })),
    );
  await set('add');
  try {
    await use();
  } finally {
    await set('remove');
  }
}

/** Starts a more important Pod that needs the slot too. */
export async function preempt(scene: Scene, image: string): Promise<void> {
  const name = `${scene.namespace}-first`;
  await scene.api.apply({ kind: 'PriorityClass', metadata: { name }, value: 1_000_000 } as never);
  try {
    const container = {
      name: 'first',
      image,
      imagePullPolicy: 'IfNotPresent',
      command: ['sleep', '60'],
      resources: needsSlot,
    };
    await scene.api.apply({
      kind: 'Pod',
      metadata: { name: 'first', namespace: scene.namespace },
      spec: { priorityClassName: name, terminationGracePeriodSeconds: 0, containers: [container] },
    });
    await scene.until('the more important Pod has taken the place', async () => {
      const pod = await scene.api.get('Pod', scene.namespace, 'first');
      return pod?.spec.nodeName !== undefined;
    });
  } finally {
    await scene.api.remove('Pod', scene.namespace, 'first');
    await scene.api.remove('PriorityClass', '', name);
  }
}

/** Labels by which a Pod asks for the node that {@link withGhostNode} makes. */
export const ghostSelector = { [GHOST]: 'true' };

/**
 * A node with nobody behind it. `run` says in its kubelet's place that the Pod's container runs; when it is
 * deleted, the Pod is lost as on any node that went away.
 */
export async function withGhostNode(
  scene: Scene,
  use: (ghost: { run(pod: string): Promise<void>; vanish(): Promise<void> }) => Promise<void>,
): Promise<void> {
  const at = new Date().toISOString().replace(/\.\d+Z/, 'Z');
  const path = `/api/v1/nodes/${GHOST}`;
  await scene.api.remove('Node', '', GHOST);
  await scene.api.apply({ kind: 'Node', metadata: { name: GHOST, labels: ghostSelector } });
  const room = { cpu: '1', memory: '1Gi', pods: '10' };
  const ready = { type: 'Ready', status: 'True', reason: 'Test', message: '' };
  await scene.api.mergePatch(`${path}/status`, {
    status: {
      capacity: room,
      allocatable: room,
      conditions: [{ ...ready, lastHeartbeatTime: at, lastTransitionTime: at }],
    },
  });
  try {
    await use({
      run: (pod) =>
        scene.api.mergePatch(`/api/v1/namespaces/${scene.namespace}/pods/${pod}/status`, {
          status: {
            phase: 'Running',
            startTime: at,
            containerStatuses: [
              {
                name: 'test',
                image: 'none',
                imageID: '',
                ready: true,
                restartCount: 0,
                state: { running: { startedAt: at } },
              },
            ],
          },
        }),
      vanish: () => scene.api.remove('Node', '', GHOST),
    });
  } finally {
    await scene.api.remove('Node', '', GHOST);
  }
}

function livePod(scene: Scene, release: string): string {
  const [pod, ...others] = scene.livePods(release);
  if (!pod || others.length > 0) throw new Error(`there are ${others.length + (pod ? 1 : 0)} Pods, not one`);
  return pod.metadata.name;
}
