import { type Dispatch, keyOf } from '../../decide/model.ts';
import type { PostsyncError } from '../../errors.ts';

/** What to do, by what was tried and by GitHub's words; the first that fits. */
const ADVICE: readonly (readonly [when: RegExp, what: string])[] = [
  [/'workflow_dispatch' trigger/, 'add `workflow_dispatch` to its `on:`, on that ref too'],
  [/disabled workflow/, 'enable it on GitHub'],
  [/Unexpected inputs .*"postsync"/, 'declare the input `postsync` in its `on.workflow_dispatch.inputs`'],
  [
    /Unexpected inputs/,
    'declare them in its `on.workflow_dispatch.inputs`, or leave them out of spec.github.inputs',
  ],
  [/Required input|list of allowed values/, 'change spec.github.inputs'],
  [/No ref found/, 'spec.github.ref must be a branch or a tag of the repository'],
  [
    /^cannot dispatch workflow .*HTTP 404/,
    'spec.github.workflow must be a file in .github/workflows on the default branch',
  ],
  [/HTTP 404/, 'check the name of the repository, and that the credential may see it'],
];

/** What GitHub refused, in its words, and what to do about it. */
export function withAdvice(
  { code, message }: PostsyncError,
  { trigger, secret }: Pick<Dispatch, 'trigger' | 'secret'>,
): string {
  const where = secret ? `Secret ${keyOf(secret)}` : "the administrator's credential for GitHub";
  if (code === 'GITHUB_UNAUTHORIZED') return `${message}; renew ${where}`;
  if (code === 'GITHUB_FORBIDDEN') {
    const rights =
      trigger === 'repository_dispatch'
        ? 'Contents: write and Actions: read (write, to cancel runs)'
        : 'Actions: write';
    return `${message}; ${where} needs the right ${rights} to the repository`;
  }
  const advice = code === 'GITHUB_REJECTED' && ADVICE.find(([when]) => when.test(message))?.[1];
  return advice ? `${message}; ${advice}` : message;
}
