import { isCode } from '../../errors.ts';
import type { Obstacle } from '../../ports.ts';
import type { SyncTest } from '../../synctest.ts';
import { sample } from '../sample.ts';
import type { Accounts } from './accounts.ts';
import { withAdvice } from './advice.ts';
import { payloadOf, tooMuch } from './payload.ts';
import { type TargetOptions, targetOf } from './target.ts';

export interface ValidateOptions extends TargetOptions {
  readonly accounts: Accounts;
  readonly clusterName: string;
}

/**
 * Tries what can be tried of a test without dispatching it: whether what it sends is within GitHub's limits, whether
 * there is a credential, and whether that may look at the repository's runs.
 */
export async function validateTest(
  options: ValidateOptions,
  syncTest: SyncTest,
): Promise<Obstacle | undefined> {
  const { accounts, clusterName } = options;
  const { body, test } = syncTest;
  if (body.kind !== 'github') return undefined;
  const { run, release } = sample(test.ref);
  const problem = tooMuch(payloadOf({ run, release, syncTest, clusterName }, body.github));
  if (problem !== undefined) return { words: problem, isFinal: true };
  const target = targetOf(options, syncTest, body.github);
  if (typeof target === 'string') return { words: target, isFinal: false };
  try {
    const { github } = await accounts.open(target);
    await github.listRuns(target.repository, { event: body.github.trigger, since: Date.now() });
    return undefined;
  } catch (error) {
    if (isCode(error, 'GITHUB_UNAUTHORIZED')) accounts.forget(target);
    if (isCode(error, 'CREDENTIALS_MISSING', 'GITHUB_UNAUTHORIZED', 'GITHUB_FORBIDDEN', 'GITHUB_REJECTED')) {
      return { words: withAdvice(error, { ...target, trigger: body.github.trigger }), isFinal: false };
    }
    // Whether GitHub answers just now says nothing of the test.
    if (isCode(error, 'GITHUB_LIMITED', 'GITHUB_UNREACHABLE', 'GITHUB_UNANSWERED')) return undefined;
    throw error;
  }
}
