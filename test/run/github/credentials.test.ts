import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loopbackCertificate } from '../../../src/embedded/certificate.ts';
import { PostsyncError } from '../../../src/errors.ts';
import { createCredentials, readCredential } from '../../../src/run/github/credentials.ts';
import { aKubernetes } from '../../support/kubernetes.ts';
import { failureOf } from './given.ts';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PKCS1 = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
const PKCS8 = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const ELLIPTIC = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

const APP = { githubAppID: '12', githubAppInstallationID: '77', githubAppPrivateKey: PKCS1 };
const REF = { namespace: 'apps', name: 'gh' };
const SECRET = 'hunter2SECRET';

describe('a credential', () => {
  test('is a token, without the line end that an editor leaves', () => {
    assert.deepEqual(readCredential({ token: `${SECRET}\n` }), { kind: 'token', token: SECRET });
  });

  test('may say which certificates to trust', () => {
    const { cert } = loopbackCertificate(new Date());
    const credential = readCredential({ token: SECRET, 'ca.crt': `${cert}\n` });
    assert.deepEqual(credential, { kind: 'token', token: SECRET, ca: cert.trim() });
  });

  const FORMS: readonly [string, string][] = [
    ['PKCS#1, as GitHub hands it out', PKCS1],
    ['PKCS#8', PKCS8],
    ['PKCS#1 with line ends of Windows', PKCS1.replaceAll('\n', '\r\n')],
    ['one line with \\n in it', PKCS1.replaceAll('\n', '\\n')],
  ];
  for (const [name, githubAppPrivateKey] of FORMS) {
    test(`is a GitHub App with a key in ${name}`, () => {
      const credential = readCredential({ ...APP, githubAppPrivateKey });
      assert.ok(credential.kind === 'app');
      assert.deepEqual([credential.appId, credential.installationId], ['12', '77']);
      assert.match(credential.privateKey, /^-----BEGIN PRIVATE KEY-----\n/);
      assert.ok(createPrivateKey(credential.privateKey).equals(privateKey));
    });
  }

  const MISTAKES: readonly [string, Readonly<Record<string, string>>, RegExp][] = [
    ['nothing', {}, /no key token, and none of githubAppID, githubAppInstallationID, githubAppPrivateKey/],
    ['an empty token', { token: ' \n' }, /no key token/],
    ['a token of two words', { token: `${SECRET} x` }, /key token .*white space/],
    ['certificates that are none', { token: SECRET, 'ca.crt': 'PEM' }, /key ca\.crt holds no certificate/],
    ['no App id', { ...APP, githubAppID: '' }, /key githubAppID is missing/],
    [
      'no installation',
      { githubAppID: '12', githubAppPrivateKey: PKCS1 },
      /key githubAppInstallationID is missing/,
    ],
    [
      'an installation that is no number',
      { ...APP, githubAppInstallationID: SECRET },
      /githubAppInstallationID is not/,
    ],
    [
      'no private key',
      { githubAppID: '12', githubAppInstallationID: '77' },
      /key githubAppPrivateKey is missing/,
    ],
    [
      'a private key that is none',
      { ...APP, githubAppPrivateKey: SECRET },
      /key githubAppPrivateKey is not an RSA/,
    ],
    ['a private key that is cut', { ...APP, githubAppPrivateKey: PKCS1.slice(0, 300) }, /is not an RSA/],
    ['a private key of another kind', { ...APP, githubAppPrivateKey: ELLIPTIC }, /is not an RSA/],
  ];
  for (const [name, data, message] of MISTAKES) {
    test(`with ${name} is refused, and the key named`, async () => {
      const error = await failureOf((async () => readCredential(data))(), SECRET);
      assert.equal(error.code, 'CREDENTIALS_MISSING');
      assert.match(error.message, message);
    });
  }
});

describe('the credential of a Secret', () => {
  test('is read live, and kept for a minute', async () => {
    let now = Date.parse('2026-11-21T12:00:00Z');
    const { kubernetes, calls } = aKubernetes({ 'get apps/secrets/gh': aSecret({ token: SECRET }) });
    const credentials = createCredentials(kubernetes, { now: () => now });

    const [first, second] = await Promise.all([credentials.resolve(REF), credentials.resolve(REF)]);
    assert.deepEqual(first.credential, { kind: 'token', token: SECRET });
    assert.equal(second.key, first.key);
    assert.equal(calls.length, 1);

    now += 60_000;
    await credentials.resolve(REF);
    assert.equal(calls.length, 2);
  });

  test('is read again after it was refused', async () => {
    const { kubernetes, calls } = aKubernetes({ 'get apps/secrets/gh': aSecret({ token: SECRET }) });
    const credentials = createCredentials(kubernetes);
    await credentials.resolve(REF);
    credentials.forget(REF);
    await credentials.resolve(REF);
    assert.equal(calls.length, 2);
  });

  test('has a key that tells it from others, and does not hold it', async () => {
    const { kubernetes } = aKubernetes({
      'get apps/secrets/gh': aSecret({ token: SECRET }),
      'get apps/secrets/same': aSecret({ token: SECRET }),
      'get apps/secrets/other': aSecret({ token: `${SECRET}2` }),
    });
    const credentials = createCredentials(kubernetes);
    const keyOf = async (name: string) => (await credentials.resolve({ ...REF, name })).key;

    assert.equal(await keyOf('gh'), await keyOf('same'));
    assert.notEqual(await keyOf('gh'), await keyOf('other'));
    assert.match(await keyOf('gh'), /^[0-9a-f]{16}$/);
  });

  const PROBLEMS: readonly [string, object, PostsyncError['code'], RegExp][] = [
    [
      'is not there',
      problem('API_NOT_FOUND'),
      'CREDENTIALS_MISSING',
      /^Secret apps\/gh is not there: create it/,
    ],
    [
      'may not be read',
      problem('API_FORBIDDEN'),
      'CREDENTIALS_MISSING',
      /apply manifests\/components\/github in namespace apps/,
    ],
    ['is empty', { metadata: {} }, 'CREDENTIALS_MISSING', /^Secret apps\/gh: it has no key token/],
    [
      'holds nonsense',
      aSecret({ token: `${SECRET} x` }),
      'CREDENTIALS_MISSING',
      /^Secret apps\/gh: key token/,
    ],
    ['cannot be asked for now', problem('API_UNAVAILABLE'), 'API_UNAVAILABLE', /./],
  ];
  for (const [name, answer, code, message] of PROBLEMS) {
    test(`fails with a sentence when the Secret ${name}, and is asked for again`, async () => {
      const { kubernetes, calls } = aKubernetes({ 'get apps/secrets/gh': answer });
      const credentials = createCredentials(kubernetes);

      const error = await failureOf(credentials.resolve(REF), SECRET);
      assert.equal(error.code, code);
      assert.match(error.message, message);

      await failureOf(credentials.resolve(REF), SECRET);
      assert.equal(calls.length, 2);
    });
  }
});

describe("the administrator's credential", () => {
  test('is read from files, and anew after a minute', async () => {
    await using folder = await aFolder({ token: `${SECRET}\n` });
    let now = Date.parse('2026-11-21T12:00:00Z');
    const { kubernetes, calls } = aKubernetes();
    const credentials = createCredentials(kubernetes, { directory: folder.path, now: () => now });

    assert.deepEqual((await credentials.resolve(undefined)).credential, { kind: 'token', token: SECRET });
    await writeFile(join(folder.path, 'token'), 'another');
    assert.deepEqual((await credentials.resolve(undefined)).credential, { kind: 'token', token: SECRET });
    now += 60_000;
    assert.deepEqual((await credentials.resolve(undefined)).credential, { kind: 'token', token: 'another' });
    assert.equal(calls.length, 0);
  });

  test('may be an App', async () => {
    await using folder = await aFolder(APP);
    const { credential } = await createCredentials(aKubernetes().kubernetes, {
      directory: folder.path,
    }).resolve(undefined);
    assert.equal(credential.kind, 'app');
  });

  test('is missing when none is configured, or its folder is empty', async () => {
    await using folder = await aFolder({});
    const messages: readonly [string | undefined, RegExp][] = [
      [undefined, /no secretRef is given/],
      [folder.path, /the default credential for GitHub: it has no key token/],
      [join(folder.path, 'nowhere'), /the default credential for GitHub: it has no key token/],
    ];
    for (const [directory, message] of messages) {
      const credentials = createCredentials(aKubernetes().kubernetes, { directory });
      const error = await failureOf(credentials.resolve(undefined), SECRET);
      assert.equal(error.code, 'CREDENTIALS_MISSING');
      assert.match(error.message, message);
    }
  });
});

function aSecret(data: Readonly<Record<string, string>>): object {
  const encoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]);
  return { metadata: { name: 'gh' }, data: Object.fromEntries(encoded) };
}

function problem(code: PostsyncError['code']): PostsyncError {
  return new PostsyncError(code, 'as it is');
}

async function aFolder(files: Readonly<Record<string, string>>) {
  const path = await mkdtemp(join(tmpdir(), 'postsync-'));
  for (const [name, content] of Object.entries(files)) await writeFile(join(path, name), content);
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
