import { shortHash } from '../../decide/identity.ts';
import { PostsyncError } from '../../errors.ts';
import type { Resource } from '../../kubernetes.ts';
import { JOB_KEYS } from '../labels.ts';
import { type Fields, fieldsOf, withNames } from './references.ts';
import type { Hook, HookObject } from './release.ts';
import type { HelmTestTask } from './task.ts';

/** A hook as an object of ours, ready to be created. */
export interface Prepared {
  /** The hook's own name, which people know. */
  readonly hook: string;
  readonly kind: string;
  /** Pods and Jobs have an end, the others are there for them. */
  readonly isJudged: boolean;
  readonly resource: Resource;
  readonly name: string;
  /** The containers whose ends count: not those that something else puts in beside them. */
  readonly containers: readonly string[];
  readonly object: Fields;
}

/** What can be judged, and what is only there for those. Roles are not among them: who makes one must have its rights. */
const KINDS: Readonly<Record<string, { readonly resource: Resource; readonly isJudged: boolean }>> = {
  'v1 Pod': { resource: 'pods', isJudged: true },
  'batch/v1 Job': { resource: 'jobs', isJudged: true },
  'v1 ConfigMap': { resource: 'configmaps', isJudged: false },
  'v1 Secret': { resource: 'secrets', isJudged: false },
  'v1 ServiceAccount': { resource: 'serviceaccounts', isJudged: false },
};

/** Job names have at most 63 characters, for they become labels of Pods. */
const NAME_LIMIT = 63;

/** A hook that goes on when postsync's own program was killed ends by itself this much later. */
const NET_SECONDS = 60;

/**
 * The objects that hooks become: under names of this run, owned by its Job, and naming each other by those names. So
 * they meet neither what helm-controller has left of its own runs nor what another run makes at the same time.
 *
 * @throws {PostsyncError} `OBJECT_INVALID` for a hook that cannot be run like this
 */
export function prepare(
  hooks: readonly Hook[],
  task: HelmTestTask,
  owner: { readonly uid: string },
): readonly Prepared[] {
  const names = new Map(hooks.map((hook) => [`${hook.kind}/${hook.name}`, ownName(hook, task.job)]));
  return hooks.map((hook) => {
    const { apiVersion, kind } = hook.object;
    const type = KINDS[`${apiVersion} ${kind}`];
    if (!type) throw invalid(`hook ${hook.name} is a ${apiVersion} ${kind}, which postsync does not run`);
    const { namespace = task.namespace } = hook.object.metadata ?? {};
    if (namespace !== task.namespace) {
      throw invalid(`hook ${hook.name} is for namespace ${namespace}, the release is in ${task.namespace}`);
    }
    const name = names.get(`${hook.kind}/${hook.name}`) ?? '';
    const { apiVersion: _version, kind: _kind, metadata: _metadata, status: _status, ...rest } = hook.object;
    const metadata = { ...metadataOf(hook.object, task, owner), name };
    const renamed = fieldsOf(withNames(rest, names));
    const { body, containers } = bodyOf(String(kind), renamed, task);
    return {
      hook: hook.name,
      kind: String(kind),
      ...type,
      name,
      containers,
      object: { apiVersion, kind, metadata, ...body },
    };
  });
}

function bodyOf(kind: string, rest: Fields, task: HelmTestTask) {
  if (kind !== 'Pod' && kind !== 'Job') return { body: rest, containers: [] };
  const seconds = Math.ceil(task.timeoutMs / 1000) + NET_SECONDS;
  const spec = fieldsOf(rest.spec);
  const asked = typeof spec.activeDeadlineSeconds === 'number' ? spec.activeDeadlineSeconds : seconds;
  const limited = { ...spec, activeDeadlineSeconds: Math.min(asked, seconds) };
  if (kind === 'Pod') {
    const pod = telling(limited);
    return { body: { ...rest, spec: { ...pod, restartPolicy: restartOf(pod) } }, containers: namesOf(pod) };
  }
  const template = fieldsOf(spec.template);
  const pod = telling(fieldsOf(template.spec));
  return {
    body: { ...rest, spec: { ...limited, template: { ...template, spec: pod } } },
    containers: namesOf(pod),
  };
}

/** A Pod that is always started again has no end. */
function restartOf({ restartPolicy }: Fields): string {
  return restartPolicy === 'OnFailure' ? restartPolicy : 'Never';
}

/** A Pod whose status says the end of what a failed container said: no right to read logs is needed. */
function telling(pod: Fields): Fields {
  const policy = { terminationMessagePolicy: 'FallbackToLogsOnError' };
  const told = (list: unknown) =>
    Array.isArray(list) ? { list: list.map((container) => ({ ...policy, ...fieldsOf(container) })) } : {};
  const { list: containers } = told(pod.containers);
  const { list: initContainers } = told(pod.initContainers);
  return { ...pod, ...(containers && { containers }), ...(initContainers && { initContainers }) };
}

function namesOf({ containers }: Fields): readonly string[] {
  return Array.isArray(containers) ? containers.map((container) => String(fieldsOf(container).name)) : [];
}

/** Helm's own annotations go, and keys of ours that a chart might have; postsync must not take it for a test's Pod. */
function metadataOf({ metadata = {} }: HookObject, { job, namespace }: HelmTestTask, owner: { uid: string }) {
  return {
    namespace,
    labels: { ...without(metadata.labels, /^postsync\.dev\//), [JOB_KEYS.run]: job },
    annotations: without(metadata.annotations, /^helm\.sh\//),
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: job, uid: owner.uid }],
  };
}

function without(record: object = {}, foreign: RegExp): object {
  return Object.fromEntries(Object.entries(record).filter(([key]) => !foreign.test(key)));
}

function ownName({ kind, name }: Hook, job: string): string {
  const hash = shortHash([job, kind, name]);
  const readable = name.replaceAll('.', '-').slice(0, NAME_LIMIT - hash.length - 1);
  return `${readable.replace(/[^a-z0-9]+$/, '')}-${hash}`;
}

function invalid(message: string): PostsyncError {
  return new PostsyncError('OBJECT_INVALID', message);
}
