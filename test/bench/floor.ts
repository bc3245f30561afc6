import { randomBytes } from 'node:crypto';
import type { Ref } from '../../src/decide/model.ts';
import type { Kubernetes } from '../../src/kubernetes.ts';
import type { Call } from './recorder.ts';

/**
 * What postsync is compared with: the calls that it makes for a release, made by nobody else's decision. The bodies are
 * those that postsync wrote for another release. The runs belong to a release that does not exist, and the Jobs are not
 * labelled: a postsync that is running, or started later, does not take them for its own work.
 */
export interface Floor {
  /** Read the release, create the run, create the Job. */
  readonly triple: (release: Ref) => Promise<void>;
  /** The same, and what postsync writes down afterwards. */
  readonly all: (release: Ref) => Promise<void>;
}

/** @param calls what postsync did for one release */
export function floorLike(client: Kubernetes, calls: readonly Call[]): Floor {
  const [run, job, status, projection] = [
    bodyOf(calls, 'create', 'synctestruns'),
    bodyOf(calls, 'create', 'jobs'),
    bodyOf(calls, 'patch', 'synctestruns'),
    bodyOf(calls, 'patch', 'helmreleases'),
  ];
  const { 'app.kubernetes.io/managed-by': _, ...labels } = job.metadata.labels ?? {};

  async function start({
    namespace,
    name: release,
  }: Ref): Promise<{ readonly name: string; readonly version: string }> {
    const name = `floor-${randomBytes(8).toString('hex')}`;
    await client.get({ resource: 'helmreleases', namespace, name: release });
    const { ownerReferences: __, ...metadata } = run.metadata;
    const created = (await client.create(
      { resource: 'synctestruns', namespace },
      { ...run, metadata: { ...metadata, name }, spec: { ...run.spec, release: `${name}-none` } },
    )) as Body;
    const { uid, resourceVersion } = created.metadata;
    const owner = { ...job.metadata.ownerReferences?.[0], name, uid };
    await client.create(
      { resource: 'jobs', namespace },
      { ...job, metadata: { ...job.metadata, name, labels, ownerReferences: [owner] } },
    );
    return { name, version: resourceVersion ?? '' };
  }

  return {
    triple: async (release) => void (await start(release)),
    all: async (release) => {
      const { name, version } = await start(release);
      const { namespace } = release;
      await client.patch(
        { resource: 'synctestruns', namespace, name, subresource: 'status' },
        { ...status, metadata: { resourceVersion: version } },
      );
      const { annotations, labels: shown } = projection.metadata;
      await client.patch(
        { resource: 'helmreleases', ...release },
        { metadata: { annotations, labels: shown } },
      );
    },
  };
}

interface Body {
  readonly metadata: {
    readonly name?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly object[];
  };
  readonly spec?: object;
}

function bodyOf(calls: readonly Call[], verb: string, resource: string): Body {
  const call = calls.find((one) => one.verb === verb && one.target.resource === resource);
  if (!call?.body) throw new Error(`postsync did not ${verb} ${resource}`);
  return call.body as Body;
}
