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

/** GitHub's names are the same in any case. */
function fits(pattern: string, repository: string): boolean {
  const wanted = pattern.toLowerCase();
  const given = repository.toLowerCase();
  return wanted.endsWith('/*') ? given.startsWith(wanted.slice(0, -1)) : given === wanted;
}
