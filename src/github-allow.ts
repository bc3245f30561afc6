/** A repository, or `owner/*`, and the namespace, or `*`, that may dispatch to it. */
export interface Allowed {
  readonly repository: string;
  readonly namespace: string;
}

/**
 * Why a namespace may not dispatch to a repository by the administrator's credential, in a sentence; `undefined`: it may.
 *
 * @param allowed what the administrator allows; `undefined`: there is no such credential
 */
export function refusalOf(
  allowed: readonly Allowed[] | undefined,
): (repository: string, namespace: string) => string | undefined {
  return (repository, namespace) => {
    if (!allowed) {
      return 'the administrator has configured no credential for GitHub (--github-credential-directory); a SyncTest may name one of its own by secretRef';
    }
    const isAllowed = allowed.some(
      (one) => fits(one.repository, repository) && (one.namespace === '*' || one.namespace === namespace),
    );
    if (isAllowed) return undefined;
    return `the administrator has not allowed namespace ${namespace} to dispatch to ${repository} (--github-allow)`;
  };
}

function fits(pattern: string, repository: string): boolean {
  if (!pattern.endsWith('/*')) return isSameRepository(pattern, repository);
  return repository.toLowerCase().startsWith(pattern.slice(0, -1).toLowerCase());
}

/** GitHub's names mean the same in any case. */
export function isSameRepository(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
