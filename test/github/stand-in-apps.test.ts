import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { createAppAuth } from '@octokit/auth-app';
import { Octokit } from '@octokit/rest';
import { aGitHub, dispatch, octokitOf, QUIET, SHOP } from '../support/github/acme.ts';
import type { GitHub } from '../support/github/github.ts';

const SHA = '6dcb09b5b57875f334f61aebed695e2e4193db5e';

/** WebCrypto, by which Octokit signs, reads PKCS#8 only. */
const pkcs8 = (pem: string) => String(createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }));

function octokitOfApp(github: GitHub, privateKey: string, appId = 7): Octokit {
  return new Octokit({
    authStrategy: createAppAuth,
    auth: { appId, installationId: 70, privateKey },
    baseUrl: github.url,
    log: QUIET,
    request: { fetch: github.fetch },
  });
}

test("an App's installation gets a token for its key's signature, and with that may do what it has the rights to", async () => {
  await using github = await aGitHub();
  const key = github.addApp({ id: 7, installation: 70, rights: { contents: 'write' } });
  assert.match(key, /BEGIN RSA PRIVATE KEY/);
  const octokit = octokitOfApp(github, pkcs8(key));
  assert.equal(await dispatch(octokit, '1'), 204);
  await assert.rejects(octokit.actions.listWorkflowRunsForRepo(SHOP), {
    message: /Resource not accessible by integration/,
  });
  assert.deepEqual(
    github.exchanges.map(({ credential, status }) => `${credential}: ${status}`),
    ['app 7: 201', 'installation 70: 204', 'installation 70: 403'],
  );
  github.assertConforms();
});

test("no token is given for another key's signature, to another App, or for an installation that is not there", async () => {
  await using github = await aGitHub();
  const key = pkcs8(github.addApp({ id: 7, installation: 70 }));
  const other = pkcs8(github.addApp({ id: 8, installation: 80 }));
  const { privateKey: wrong } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  await assert.rejects(dispatch(octokitOfApp(github, wrong), '1'), {
    status: 401,
    message: /A JSON web token could not be decoded/,
  });
  await assert.rejects(dispatch(octokitOfApp(github, other, 8), '1'), { status: 404 });
  await assert.rejects(dispatch(octokitOfApp(github, key, 9), '1'), { status: 401 });
  const path = { installation_id: 70 };
  await assert.rejects(octokitOf(github).apps.createInstallationAccessToken(path), { status: 401 });
});

test('a signature that is meant for too long, or is from the future, is refused', async () => {
  let now = Date.now();
  await using github = await aGitHub({ now: () => now });
  const key = pkcs8(github.addApp({ id: 7, installation: 70 }));
  const { token: jwt } = await createAppAuth({ appId: 7, privateKey: key })({ type: 'app' });
  const ask = () => octokitOf(github, jwt).apps.createInstallationAccessToken({ installation_id: 70 });
  assert.equal((await ask()).status, 201);
  now -= 120_000;
  await assert.rejects(ask(), { message: /'Issued at' claim/ });
  now += 1_000_000;
  await assert.rejects(ask(), { message: /'Expiration time' claim/ });
});

test('an installation token is taken until it expires, or is revoked', async () => {
  let now = Date.now();
  await using github = await aGitHub({ now: () => now });
  const key = pkcs8(github.addApp({ id: 7, installation: 70, tokenMs: 1000, repositories: ['acme/shop'] }));
  const { token: jwt } = await createAppAuth({ appId: 7, privateKey: key })({ type: 'app' });
  const token = async () => {
    const { data } = await octokitOf(github, jwt).apps.createInstallationAccessToken({ installation_id: 70 });
    return data.token;
  };
  const first = octokitOf(github, await token());
  assert.equal(await dispatch(first, '1'), 204);
  now += 1000;
  await assert.rejects(dispatch(first, '2'), { status: 401 });
  const second = octokitOf(github, await token());
  assert.equal(await dispatch(second, '2'), 204);
  github.revoke();
  await assert.rejects(dispatch(second, '3'), { status: 401 });
  github.assertConforms();
});

test('statuses of a commit are kept, and listed newest first', async () => {
  await using github = await aGitHub();
  const octokit = octokitOf(github);
  const post = (given: object) =>
    octokit.repos.createCommitStatus({ ...SHOP, sha: SHA, state: 'pending', context: 'smoke', ...given });
  assert.equal((await post({})).status, 201);
  await post({ state: 'success', target_url: 'https://shop.example.com', description: 'passed' });
  const { data } = await octokit.repos.listCommitStatusesForRef({ ...SHOP, ref: SHA });
  assert.deepEqual(
    data.map(({ state, context, description }) => [state, context, description]),
    [
      ['success', 'smoke', 'passed'],
      ['pending', 'smoke', null],
    ],
  );
  assert.deepEqual(
    github.statuses('acme/shop', SHA).map(({ state }) => state),
    ['pending', 'success'],
  );
  github.assertConforms();
});

test('a status is refused for a commit that is not there, and for a description that is too long', async () => {
  await using github = await aGitHub();
  github.addRepository('acme/known', { commits: [SHA] });
  const octokit = octokitOf(github);
  const known = { owner: 'acme', repo: 'known', state: 'success' } as const;
  assert.equal((await octokit.repos.createCommitStatus({ ...known, sha: SHA })).status, 201);
  const gone = 'f'.repeat(40);
  await assert.rejects(octokit.repos.createCommitStatus({ ...known, sha: gone }), {
    message: /No commit found for SHA/,
  });
  const description = 'x'.repeat(141);
  await assert.rejects(octokit.repos.createCommitStatus({ ...known, sha: SHA, description }), {
    message: /maximum is 140 characters/,
  });
  github.assertConforms();
});
