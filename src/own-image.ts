import { hostname } from 'node:os';
import { z } from 'zod';
import type { Kubernetes } from './kubernetes.ts';

const Pods = z.object({
  items: z.array(
    z.object({ spec: z.object({ containers: z.array(z.object({ name: z.string(), image: z.string() })) }) }),
  ),
});

/** Outside of a cluster there is no Pod to read it off: then the Dockerfile's name for it. */
const OTHERWISE = 'postsync';

/**
 * The image this process runs in, read off its own Pod: whatever put it there need not say it twice.
 *
 * @param pod whose name is its host's, whatever the replica is called in the Lease
 */
export async function ownImage(
  kubernetes: Pick<Kubernetes, 'list'>,
  namespace: string,
  pod = hostname(),
): Promise<string> {
  const fieldSelector = `metadata.name=${pod}`;
  const { items } = Pods.parse(await kubernetes.list({ resource: 'pods', namespace }, { fieldSelector }));
  const containers = items[0]?.spec.containers ?? [];
  return (containers.find((container) => container.name === 'postsync') ?? containers[0])?.image ?? OTHERWISE;
}
