import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose';

const PATH = '/_services/token';

/** An `undefined` one is left out. */
type Claims = { readonly [claim: string]: unknown };

export interface KeyOfIssuer {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** RSA keys take their time, and any will do. */
const PAIRS = [0, 1].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }));

export function aKey(kid: string, pair: 0 | 1 = 0): KeyOfIssuer {
  return { kid, ...PAIRS[pair]! };
}

/** One who issues tokens of jobs, as a GitHub Enterprise Server does, on a free port. */
export async function anIssuer() {
  const state = {
    keys: [aKey('one')],
    /** What the documents are instead of what they should be: a status, or a body. */
    discovery: undefined as number | object | undefined,
    jwks: undefined as number | object | undefined,
    /** Where a redirect leads to. */
    location: '',
  };
  const asked: string[] = [];
  const server = createServer((req, res) => {
    asked.push((req.url ?? '').slice(PATH.length));
    const answer = (right: object, given: number | object = right) => {
      // One that never answers.
      if (given === Number.POSITIVE_INFINITY) return;
      if (typeof given === 'number') res.writeHead(given, { location: state.location });
      res.end(JSON.stringify(typeof given === 'number' ? right : given));
    };
    if (req.url === `${PATH}/.well-known/openid-configuration`)
      return answer({ issuer, jwks_uri: `${issuer}/.well-known/jwks` }, state.discovery);
    if (req.url === `${PATH}/.well-known/jwks`)
      return void jwksOf(state.keys).then((jwks) => answer(jwks, state.jwks));
    res.writeHead(404).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = origin + PATH;

  return {
    apiUrl: `${origin}/api/v3`,
    issuer,
    state,
    asked,
    /** The token of a job in acme/app, workflow run 4711, with these claims changed. */
    token: (claims: Claims = {}, key: KeyOfIssuer = aKey('one')) =>
      new SignJWT(claimsOf(issuer, claims))
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: key.kid })
        .sign(key.privateKey),
    unsigned: (claims: Claims = {}) => new UnsecuredJWT(claimsOf(issuer, claims)).encode(),
    /** Signed by a secret that everybody knows: the public key. */
    confused: () =>
      new SignJWT(claimsOf(issuer))
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT', kid: 'one' })
        .sign(Buffer.from(aKey('one').publicKey.export({ type: 'spki', format: 'pem' }))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function claimsOf(issuer: string, changed: Claims = {}): Claims {
  const now = Math.floor(Date.now() / 1000);
  const claims: Claims = {
    iss: issuer,
    aud: 'postsync',
    sub: 'repo:acme/app:ref:refs/heads/main',
    iat: now,
    nbf: now - 60,
    exp: now + 300,
    repository: 'acme/app',
    run_id: '4711',
    ...changed,
  };
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}

async function jwksOf(keys: readonly KeyOfIssuer[]): Promise<object> {
  const exported = keys.map(async ({ kid, publicKey }) => ({
    ...(await exportJWK(publicKey)),
    kid,
    alg: 'RS256',
    use: 'sig',
  }));
  return { keys: await Promise.all(exported) };
}
