import type { Dispatch } from '../../decide/model.ts';
import type { Github, SyncTest } from '../../synctest.ts';

export interface TargetOptions {
  /** The address of GitHub's API for those who name none. */
  readonly apiUrl: string;
  /** Why a namespace may not dispatch to a repository by the administrator's credential, in a sentence. */
  readonly refusal: (repository: string, namespace: string) => string | undefined;
}

/** Where a test is dispatched to, and by which credential. @returns a sentence where it may not be */
export function targetOf(
  options: TargetOptions,
  { test }: SyncTest,
  { repository, apiUrl = options.apiUrl, secretRef }: Github,
): Pick<Dispatch, 'repository' | 'apiUrl' | 'secret'> | string {
  const { namespace } = test.ref;
  if (secretRef) return { repository, apiUrl, secret: { namespace, name: secretRef.name } };
  return options.refusal(repository, namespace) ?? { repository, apiUrl };
}
