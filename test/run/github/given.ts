import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { PostsyncError } from '../../../src/errors.ts';
import { type ConnectOptions, connectGitHub } from '../../../src/run/github/octokit.ts';

export const TOKEN = 'ghp_0123456789abcdefSECRET';
export const SINCE = Date.parse('2026-11-21T10:00:00Z');

/** GitHub, at the address of a stand-in. */
export function connected(apiUrl: string, given: Partial<ConnectOptions> = {}) {
  return connectGitHub({ apiUrl, credential: { kind: 'token', token: TOKEN }, timeoutMs: 2_000, ...given });
}

/** A workflow run as GitHub serves it. */
export function aRunBody(given: {
  readonly id?: number;
  readonly status?: string;
  readonly conclusion?: string;
}): object {
  const { id = 7, status = 'queued', conclusion = null } = given;
  return {
    id,
    name: 'e2e',
    display_title: `postsync r-${id}`,
    event: 'repository_dispatch',
    status,
    conclusion,
    html_url: `https://github.com/acme/shop/actions/runs/${id}`,
    created_at: '2026-11-21T10:00:01Z',
    run_started_at: '2026-11-21T10:00:02Z',
    updated_at: '2026-11-21T10:00:03Z',
  };
}

/** How a call fails: with an error of ours, which nowhere holds the token. */
export async function failureOf(call: Promise<unknown>, secret = TOKEN): Promise<PostsyncError> {
  const error = await call.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof PostsyncError, inspect(error));
  assert.ok(!inspect(error, { depth: 20, showHidden: true }).includes(secret), 'a secret is in the error');
  return error;
}
