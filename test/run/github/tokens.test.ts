import assert from 'node:assert/strict';
import { generateKeyPairSync, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Time } from '../../../src/decide/model.ts';
import { iso } from '../../../src/decide/time.ts';
import type { Operation } from '../../../src/run/github/calls.ts';
import { readCredential } from '../../../src/run/github/credentials.ts';
import { connectGitHub } from '../../../src/run/github/octokit.ts';
import { answering, type Reply, type Seen } from '../../support/answering.ts';
import { failureOf } from './given.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
/** As GitHub hands it out. */
const PKCS1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();

const NOON = Date.parse('2026-11-21T12:00:00Z');
const HOUR_MS = 3_600_000;

function anApp(apiUrl: string, given: { readonly installation?: string; readonly now?: () => Time } = {}) {
  const { installation = '77', now = () => NOON } = given;
  const credential = readCredential({
    githubAppID: '12',
    githubAppInstallationID: installation,
    githubAppPrivateKey: PKCS1,
  });
  const calls: string[] = [];
  const onCall = (operation: Operation, status: number) => void calls.push(`${operation} ${status}`);
  return { github: connectGitHub({ apiUrl, credential, timeoutMs: 500, now, onCall }), calls };
}

/** Hands out numbered tokens, and takes those that `isGood` says. */
function anApi(isGood: (token: string) => boolean = () => true, now = () => NOON) {
  let tokens = 0;
  return ({ url, headers }: Seen): Reply => {
    if (url.startsWith('/app/')) {
      const expires_at = iso(now() + HOUR_MS);
      return { status: 201, body: { token: `ghs_SECRET${++tokens}`, expires_at } };
    }
    if (!isGood(tokenOf(headers.authorization))) return { status: 401, body: { message: 'Bad credentials' } };
    return { status: 204 };
  };
}

describe('a GitHub App', () => {
  test('signs for a token of its installation, and uses that for an hour', async () => {
    await using server = await answering(anApi());
    const { github, calls } = anApp(server.url);

    await Promise.all([github.dispatchRepository('a/b', 'e', {}), github.dispatchRepository('a/b', 'e', {})]);
    await github.dispatchRepository('a/b', 'e', {});

    assert.deepEqual(calls, ['create_token 201', ...Array(3).fill('dispatch_repository 204')]);
    const [{ method, url, headers } = assert.fail(), ...rest] = server.seen;
    assert.equal(`${method} ${url}`, 'POST /app/installations/77/access_tokens');
    const { iss, exp, iat } = claimsOf(tokenOf(headers.authorization));
    assert.equal(iss, '12');
    assert.ok(exp - iat <= 600);
    for (const { headers } of rest) assert.equal(headers.authorization, 'Bearer ghs_SECRET1');
  });

  test('renews its token before it ends', async () => {
    let now = NOON;
    await using server = await answering(anApi(undefined, () => now));
    const { github } = anApp(server.url, { now: () => now });

    await github.dispatchRepository('a/b', 'e', {});
    now = NOON + 0.9 * HOUR_MS;
    await github.dispatchRepository('a/b', 'e', {});
    now = NOON + 0.95 * HOUR_MS;
    await github.dispatchRepository('a/b', 'e', {});

    const used = server.seen.filter(({ url }) => url.startsWith('/repos/'));
    assert.deepEqual(
      used.map(({ headers }) => tokenOf(headers.authorization)),
      ['ghs_SECRET1', 'ghs_SECRET1', 'ghs_SECRET2'],
    );
  });

  test('gets a new token after one was refused', async () => {
    await using server = await answering(anApi((token) => token !== 'ghs_SECRET1'));
    const { github } = anApp(server.url);

    const error = await failureOf(github.dispatchRepository('a/b', 'e', {}), 'SECRET');
    assert.equal(error.code, 'GITHUB_UNAUTHORIZED');
    await github.dispatchRepository('a/b', 'e', {});
  });

  const FAILURES: readonly [string, Reply, string][] = [
    ['502', { status: 502 }, 'GITHUB_UNREACHABLE'],
    ['nothing', () => undefined, 'GITHUB_UNREACHABLE'],
    ['what cannot be read', { status: 201, body: { token: 'ghs_SECRET' } }, 'GITHUB_UNREACHABLE'],
    ['404, as the installation is not there', { status: 404 }, 'GITHUB_UNAUTHORIZED'],
    ['401, as the key is another one', { status: 401 }, 'GITHUB_UNAUTHORIZED'],
    ['403, as it is suspended', { status: 403 }, 'GITHUB_FORBIDDEN'],
    ['429', { status: 429 }, 'GITHUB_LIMITED'],
  ];
  for (const [name, reply, code] of FAILURES) {
    test(`sends nothing when ${name} is answered for its token: ${code}`, async () => {
      await using server = await answering(() => reply);

      const { github } = anApp(server.url);
      const error = await failureOf(github.dispatchRepository('a/b', 'e', {}), 'ghs_');

      assert.equal(error.code, code);
      assert.equal(github.limits.blockedUntil !== undefined, code === 'GITHUB_LIMITED');
      assert.match(error.message, /cannot get a token for installation 77/);
      assert.equal(server.seen.length, 1);
    });
  }

  test('has its own token, though another account names the same installation at the same time', async () => {
    await using one = await answering(anApi());
    await using other = await answering((seen, index) => {
      const reply = anApi()(seen);
      return index === 0
        ? { status: 201, body: { token: 'ghs_OTHER', expires_at: '2026-11-21T13:00:00Z' } }
        : reply;
    });

    await Promise.all([one, other].map(({ url }) => anApp(url).github.dispatchRepository('a/b', 'e', {})));

    assert.equal(one.seen[1]?.headers.authorization, 'Bearer ghs_SECRET1');
    assert.equal(other.seen[1]?.headers.authorization, 'Bearer ghs_OTHER');
  });
});

test('a token that GitHub repeats is not in the error', async () => {
  await using server = await answering(({ headers }) => ({
    status: 422,
    body: { message: `you sent ${headers.authorization}`, errors: [headers.authorization] },
  }));
  const token = 'ghp_SECRETSECRET';
  const github = connectGitHub({ apiUrl: server.url, credential: { kind: 'token', token } });

  const error = await failureOf(github.dispatchRepository('a/b', 'e', {}), token);

  assert.match(error.message, /you sent Bearer \[secret\]/);
});

test('an App token that GitHub repeats is not in the error', async () => {
  const api = anApi();
  await using server = await answering((seen) =>
    seen.url.startsWith('/app/') ? api(seen) : { status: 422, body: { message: seen.headers.authorization } },
  );
  const error = await failureOf(anApp(server.url).github.dispatchRepository('a/b', 'e', {}), 'ghs_');
  assert.match(error.message, /Bearer \[secret\]/);
});

function tokenOf(authorization: string | undefined): string {
  return authorization?.replace('Bearer ', '') ?? '';
}

/** What a JWT claims, if our key signed it. */
function claimsOf(jwt: string): { readonly iss: string; readonly exp: number; readonly iat: number } {
  const [header = '', payload = '', signature = ''] = jwt.split('.');
  const signed = Buffer.from(`${header}.${payload}`);
  assert.ok(verify('sha256', signed, publicKey, Buffer.from(signature, 'base64url')), 'it is not signed');
  return JSON.parse(Buffer.from(payload, 'base64url').toString());
}
