import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isCode } from '../../src/errors.ts';
import type { IssuerKeysOptions } from '../../src/receive/issuer-keys.ts';
import { createJobTokens, issuerOf } from '../../src/receive/oidc.ts';
import { aKey, anIssuer } from '../support/issuer.ts';

const DISCOVERY = '/.well-known/openid-configuration';
const JWKS = '/.well-known/jwks';
const ACME = { repository: 'acme/app', runId: 4711 };

async function aWorld(options: IssuerKeysOptions = {}) {
  const issuer = await anIssuer();
  const clock = { ms: 1_000_000 };
  const tokens = createJobTokens({ now: () => clock.ms, ...options });
  return {
    ...issuer,
    clock,
    read: (token: string) => tokens.read(token, issuer.issuer),
    [Symbol.asyncDispose]: () => issuer[Symbol.asyncDispose](),
  };
}

const isUnavailable = (error: unknown) => isCode(error, 'ISSUER_UNAVAILABLE');

describe('who issues the tokens of jobs', () => {
  for (const [apiUrl, issuer] of [
    ['https://api.github.com', 'https://token.actions.githubusercontent.com'],
    ['https://api.github.com/', 'https://token.actions.githubusercontent.com'],
    ['https://github.example.com/api/v3', 'https://github.example.com/_services/token'],
    ['https://github.example.com:8443/api/v3/', 'https://github.example.com:8443/_services/token'],
    ['https://api.acme.ghe.com', 'https://token.actions.acme.ghe.com'],
    ['https://api.acme.ghe.com.example', 'https://api.acme.ghe.com.example/_services/token'],
    ['https://api.github.com.example/api/v3', 'https://api.github.com.example/_services/token'],
  ] as const)
    test(`behind ${apiUrl} is ${issuer}`, () => assert.equal(issuerOf(apiUrl), issuer));
});

describe("a job's token", () => {
  test('says its repository and workflow run', async () => {
    await using world = await aWorld();

    assert.deepEqual(await world.read(await world.token()), ACME);
  });

  test('may be for others as well', async () => {
    await using world = await aWorld();

    assert.deepEqual(await world.read(await world.token({ aud: ['others', 'postsync'] })), ACME);
  });

  const past = Math.floor(Date.now() / 1000) - 120;
  const wrong: readonly [string, { readonly [claim: string]: unknown }, string][] = [
    ['that is over', { exp: past }, 'ERR_JWT_EXPIRED'],
    ['that never ends', { exp: undefined }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['that is not valid yet', { nbf: past + 600 }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['for another audience', { aud: 'https://github.com/acme' }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['for no audience', { aud: undefined }, 'ERR_JWT_CLAIM_VALIDATION_FAILED'],
    ['without a repository', { repository: undefined }, 'not the token of a job'],
    ['whose workflow run is no number', { run_id: '4711x' }, 'not the token of a job'],
    ['without a workflow run', { run_id: undefined }, 'not the token of a job'],
  ];
  for (const [what, claims, why] of wrong)
    test(`${what} is none`, async () => {
      await using world = await aWorld();

      assert.equal(await world.read(await world.token(claims)), why);
    });

  test('of another issuer is none, and nothing is fetched for it', async () => {
    await using world = await aWorld();

    assert.equal(await world.read(await world.token({ iss: 'https://evil.example' })), 'another issuer');
    assert.deepEqual(world.asked, []);
  });

  test('that nobody signed is none, and nothing is fetched for it', async () => {
    await using world = await aWorld();

    assert.equal(await world.read(world.unsigned()), 'ERR_JOSE_ALG_NOT_ALLOWED');
    assert.deepEqual(world.asked, []);
  });

  test('that takes the public key for a secret is none', async () => {
    await using world = await aWorld();

    assert.equal(await world.read(await world.confused()), 'ERR_JOSE_ALG_NOT_ALLOWED');
  });

  test('that another signed under the same key id is none', async () => {
    await using world = await aWorld();

    const token = await world.token({}, aKey('one', 1));

    assert.equal(await world.read(token), 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED');
  });

  test('whose claims were changed is none', async () => {
    await using world = await aWorld();
    const [header = '', , signature = ''] = (await world.token()).split('.');
    const [, other = ''] = (await world.token({ repository: 'acme/other' })).split('.');

    assert.equal(
      await world.read([header, other, signature].join('.')),
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    );
  });

  for (const text of ['x', 'a.b.c', '..', 'e30.e30.e30'])
    test(`is not ${text}`, async () => {
      await using world = await aWorld();

      assert.equal(typeof (await world.read(text)), 'string');
      assert.deepEqual(world.asked, []);
    });
});

describe('the keys of an issuer', () => {
  test('are fetched once for many tokens', async () => {
    await using world = await aWorld();
    const token = await world.token();

    await Promise.all([world.read(token), world.read(token)]);
    await world.read(token);

    assert.deepEqual(world.asked, [DISCOVERY, JWKS]);
  });

  test('are fetched again for a key that came after them, once the pause is over', async () => {
    await using world = await aWorld({ cooldownMs: 30_000 });
    await world.read(await world.token());
    const next = aKey('two', 1);
    world.state.keys = [aKey('one'), next];
    const token = await world.token({}, next);

    assert.equal(await world.read(token), 'ERR_JWKS_NO_MATCHING_KEY');
    world.clock.ms += 30_000;

    assert.deepEqual(await world.read(token), ACME);
    assert.deepEqual(world.asked, [DISCOVERY, JWKS, DISCOVERY, JWKS]);
  });

  test('are not believed for long after they were withdrawn', async () => {
    await using world = await aWorld({ maxAgeMs: 600_000 });
    const token = await world.token();
    await world.read(token);
    world.state.keys = [aKey('two', 1)];

    assert.deepEqual(await world.read(token), ACME);
    world.clock.ms += 600_000;

    assert.equal(await world.read(token), 'ERR_JWKS_NO_MATCHING_KEY');
  });

  test('are not asked for again at once where they could not be had', async () => {
    await using world = await aWorld({ cooldownMs: 30_000 });
    world.state.jwks = 503;
    const token = await world.token();

    await assert.rejects(world.read(token), isUnavailable);
    await assert.rejects(world.read(token), isUnavailable);
    assert.deepEqual(world.asked, [DISCOVERY, JWKS]);
    world.state.jwks = undefined;
    world.clock.ms += 30_000;

    assert.deepEqual(await world.read(token), ACME);
  });

  for (const [what, change] of [
    ['it is not found', { discovery: 404 }],
    ['its keys are not found', { jwks: 404 }],
    ['it says nothing', { discovery: {} }],
    ['it is another', { discovery: { issuer: 'https://a.example', jwks_uri: 'https://a.example/jwks' } }],
    ['its keys are no keys', { jwks: { keys: 'none' } }],
    ['its keys are too many', { jwks: { keys: [], padding: 'x'.repeat(256 * 1024) } }],
    ['its keys cannot be used', { jwks: { keys: [{ kty: 'RSA', kid: 'one', n: 'AQAB', e: 'AQAB' }] } }],
  ] as const)
    test(`cannot be had where ${what}`, async () => {
      await using world = await aWorld();
      Object.assign(world.state, change);

      await assert.rejects(world.read(await world.token()), isUnavailable);
    });

  test('cannot be had of one who says that it is another', async () => {
    await using world = await aWorld();
    world.state.discovery = { issuer: 'https://a.example', jwks_uri: world.issuer + JWKS };

    await assert.rejects(world.read(await world.token()), isUnavailable);
  });

  test('are not looked for where a redirect leads to', async () => {
    await using other = await anIssuer();
    await using world = await aWorld();
    Object.assign(world.state, { jwks: 302, location: other.issuer + JWKS });

    await assert.rejects(world.read(await world.token()), isUnavailable);
    assert.deepEqual(other.asked, []);
  });

  test('are taken from its own host only', async () => {
    await using other = await anIssuer();
    await using world = await aWorld();
    world.state.discovery = { issuer: world.issuer, jwks_uri: other.issuer + JWKS };

    await assert.rejects(world.read(await world.token()), isUnavailable);
    assert.deepEqual(other.asked, []);
  });

  test('are not waited for without an end', async () => {
    await using world = await aWorld({ timeoutMs: 50 });
    world.state.discovery = Number.POSITIVE_INFINITY;

    await assert.rejects(world.read(await world.token()), isUnavailable);
  });

  test('are forgotten where there are too many issuers', async () => {
    const issuers = await Promise.all(Array.from({ length: 17 }, () => anIssuer()));
    const tokens = createJobTokens();
    for (const issuer of issuers) await tokens.read(await issuer.token(), issuer.issuer);
    const [first, second] = issuers;

    await tokens.read(await second!.token(), second!.issuer);
    await tokens.read(await first!.token(), first!.issuer);

    assert.deepEqual([first!.asked.length, second!.asked.length], [4, 2]);
    for (const issuer of issuers) await issuer[Symbol.asyncDispose]();
  });
});
