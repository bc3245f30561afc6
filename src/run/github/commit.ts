import { EVENT_GROUP } from '../../decide/keys.ts';
import { keyOf, type Ref, type Release } from '../../decide/model.ts';
import { isCode } from '../../errors.ts';
import type { Kubernetes } from '../../kubernetes.ts';

/** Which commit a release came from, or why that is not known. */
export type Origin = { readonly sha: string } | { readonly problem: string };

/** What tooling writes on a HelmRelease for Flux' events; the first that names a commit counts. */
const ANNOTATIONS = [`${EVENT_GROUP}/commit`, `${EVENT_GROUP}/originRevision`];
const OWNER = 'kustomize.toolkit.fluxcd.io/';

/** What kustomize-controller says of itself, as far as it is looked at. */
interface Kustomization {
  readonly status?: {
    readonly lastAttemptedRevision?: string;
    readonly lastAppliedRevision?: string;
    /** The commit that an OCI artifact was made of. */
    readonly lastAppliedOriginRevision?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
    }[];
  };
}

/**
 * The commit that a release came from: by its annotations, else what the Kustomization that made it has applied last,
 * which may be newer than the commit that changed this release.
 *
 * @returns `undefined`: the Kustomization is at work; ask again
 */
export async function commitOf(
  kubernetes: Pick<Kubernetes, 'get'>,
  { annotations, labels }: Pick<Release, 'annotations' | 'labels'>,
): Promise<Origin | undefined> {
  const told = ANNOTATIONS.flatMap((key) => shaIn(annotations[key]) ?? [])[0];
  if (told !== undefined) return { sha: told };
  const { [`${OWNER}name`]: name, [`${OWNER}namespace`]: namespace } = labels;
  if (name === undefined || namespace === undefined) {
    return { problem: `no commit is known: there is neither ${ANNOTATIONS[0]} nor a Kustomization` };
  }
  const owner = { namespace, name };
  const found = await read(kubernetes, owner);
  if (!found || 'problem' in found) return found;
  const sha = shaIn(found.revision);
  return sha === undefined
    ? { problem: `no commit is known: Kustomization ${keyOf(owner)} has applied no revision of git` }
    : { sha };
}

/** The forms that Flux has had: `main@sha1:…`, `sha1:…`, `main/…`, and the commit alone. */
function shaIn(revision: string | undefined): string | undefined {
  return /(?:^|[@:/])([0-9a-f]{40})$/.exec(revision?.trim() ?? '')?.[1];
}

async function read(
  kubernetes: Pick<Kubernetes, 'get'>,
  ref: Ref,
): Promise<{ readonly revision: string | undefined } | { readonly problem: string } | undefined> {
  try {
    return revisionOf((await kubernetes.get({ resource: 'kustomizations', ...ref })) as Kustomization);
  } catch (error) {
    if (isCode(error, 'API_NOT_FOUND')) {
      return { problem: `no commit is known: Kustomization ${keyOf(ref)} is not there` };
    }
    if (!isCode(error, 'API_FORBIDDEN')) throw error;
    return {
      problem: `no commit is known: postsync may not read Kustomization ${keyOf(ref)}: apply manifests/components/commit-status`,
    };
  }
}

/**
 * It counts as applied only when all of it is healthy, this release and perhaps its gate included: a revision that is not
 * healthy was applied as well.
 *
 * @see https://github.com/fluxcd/kustomize-controller/blob/main/internal/controller/kustomization_controller.go
 */
function revisionOf({ status = {} }: Kustomization): { readonly revision: string | undefined } | undefined {
  const { lastAttemptedRevision: attempted, lastAppliedRevision: applied, conditions = [] } = status;
  const revision = status.lastAppliedOriginRevision ?? applied;
  if (attempted === undefined || attempted === applied) return { revision };
  const ready = conditions.find(({ type }) => type === 'Ready');
  if (ready?.reason.startsWith('HealthCheck')) return { revision: attempted };
  return ready?.status === 'Unknown' ? undefined : { revision };
}
