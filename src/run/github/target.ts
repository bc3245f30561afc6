import type { Dispatch } from '../../decide/model.ts';
import type { CommitStatus, Github, SyncTest } from '../../synctest.ts';
import type { Target } from './accounts.ts';

export interface TargetOptions {
  /** The address of GitHub's API for those who name none. */
  readonly apiUrl: string;
  /** Why a namespace may not dispatch to a repository by the administrator's credential, in a sentence. */
  readonly refusal: (repository: string, namespace: string) => string | undefined;
}

/** The credential that a test names: a Secret of its own namespace, never of another one. */
export function ownTarget(
  { apiUrl: usual }: Pick<TargetOptions, 'apiUrl'>,
  { test }: SyncTest,
  { apiUrl = usual, secretRef }: Pick<CommitStatus, 'apiUrl' | 'secretRef'>,
): Target {
  return { apiUrl, secret: { namespace: test.ref.namespace, name: secretRef.name } };
}

/** Where a test is dispatched to, and by which credential. @returns a sentence where it may not be */
export function targetOf(
  options: TargetOptions,
  syncTest: SyncTest,
  { repository, apiUrl = options.apiUrl, secretRef }: Github,
): (Target & Pick<Dispatch, 'repository'>) | string {
  if (secretRef) return { repository, ...ownTarget(options, syncTest, { apiUrl, secretRef }) };
  return options.refusal(repository, syncTest.test.ref.namespace) ?? { repository, apiUrl };
}
