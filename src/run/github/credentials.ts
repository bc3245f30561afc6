import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { keyOf, type Ref, type Time } from '../../decide/model.ts';
import { isCode, PostsyncError } from '../../errors.ts';
import type { Kubernetes } from '../../kubernetes.ts';

const CACHE_MS = 60_000;

/** Flux's names for the keys of a GitHub App, so that its Secrets serve here too; `token` and `ca.crt` are Flux's as well. */
const KEYS = {
  token: 'token',
  appId: 'githubAppID',
  installationId: 'githubAppInstallationID',
  privateKey: 'githubAppPrivateKey',
  ca: 'ca.crt',
} as const;

/** What an account shows to GitHub. */
export type Credential = (
  | { readonly kind: 'token'; readonly token: string }
  | {
      readonly kind: 'app';
      /** The App's id, or its client id. */
      readonly appId: string;
      readonly installationId: string;
      /** PEM, PKCS#8. */
      readonly privateKey: string;
    }
) & {
  /** Certificates to trust instead of the usual ones: those of a GitHub Enterprise Server. */
  readonly ca?: string;
};

export interface Resolved {
  readonly credential: Credential;
  /** Tells credentials apart, and holds nothing of them. An account is this and the API's address. */
  readonly key: string;
}

/** Credentials for GitHub: those of a Secret, or the administrator's. */
export interface Credentials {
  /**
   * @param ref a Secret; absent: the administrator's default
   * @throws {PostsyncError} `CREDENTIALS_MISSING`: a person has to do something; or one of the `API_` codes: try again
   */
  resolve(ref: Ref | undefined): Promise<Resolved>;
  /** GitHub refused it: it is read anew. */
  forget(ref: Ref | undefined): void;
}

export interface CredentialsOptions {
  /** A mounted Secret with the administrator's default, a file a key. */
  readonly directory?: string | undefined;
  readonly now?: () => Time;
}

type Data = Readonly<Record<string, string>>;

export function createCredentials(
  kubernetes: Pick<Kubernetes, 'get'>,
  options: CredentialsOptions = {},
): Credentials {
  const { directory, now = Date.now } = options;
  const known = new Map<string, { readonly until: number; readonly resolved: Promise<Resolved> }>();

  async function read(ref: Ref | undefined): Promise<Resolved> {
    const where = ref ? `Secret ${keyOf(ref)}` : 'the default credential for GitHub';
    const data = ref ? await secretData(kubernetes, ref) : await filesIn(directory);
    try {
      const credential = readCredential(data);
      return { credential, key: fingerprint(credential) };
    } catch (error) {
      if (!isCode(error, 'CREDENTIALS_MISSING')) throw error;
      throw new PostsyncError('CREDENTIALS_MISSING', `${where}: ${error.message}`);
    }
  }

  return {
    resolve(ref) {
      const at = now();
      for (const [key, { until }] of known) if (until <= at) known.delete(key);
      const key = ref ? keyOf(ref) : '';
      const before = known.get(key);
      if (before) return before.resolved;
      const entry = { until: at + CACHE_MS, resolved: read(ref) };
      known.set(key, entry);
      entry.resolved.catch(() => {
        if (known.get(key) === entry) known.delete(key);
      });
      return entry.resolved;
    },
    forget: (ref) => void known.delete(ref ? keyOf(ref) : ''),
  };
}

/**
 * Reads a credential out of a Secret's data.
 *
 * @throws {PostsyncError} `CREDENTIALS_MISSING`, which names the key and says nothing of its value
 */
export function readCredential(data: Data): Credential {
  const trust = trustIn(data[KEYS.ca]?.trim());
  const token = data[KEYS.token]?.trim();
  if (token !== undefined && token !== '') {
    if (!/^[\x21-\x7e]+$/.test(token))
      throw missing(`key ${KEYS.token} is not a token: it holds white space`);
    return { kind: 'token', token, ...trust };
  }
  const isApp = [KEYS.appId, KEYS.installationId, KEYS.privateKey].some((key) => data[key] !== undefined);
  if (!isApp) {
    throw missing(
      `it has no key ${KEYS.token}, and none of ${KEYS.appId}, ${KEYS.installationId}, ${KEYS.privateKey}`,
    );
  }
  return {
    kind: 'app',
    appId: plain(data, KEYS.appId, /^[\w.]+$/),
    installationId: plain(data, KEYS.installationId, /^[1-9]\d*$/),
    privateKey: privateKeyIn(data),
    ...trust,
  };
}

/** Looks at the certificates now: TLS takes nonsense for none. */
function trustIn(ca: string | undefined): { readonly ca?: string } {
  if (ca === undefined || ca === '') return {};
  try {
    void new X509Certificate(ca);
    return { ca };
  } catch {
    throw missing(`key ${KEYS.ca} holds no certificate in PEM`);
  }
}

function plain(data: Data, key: string, form: RegExp): string {
  const value = data[key]?.trim();
  if (value === undefined || value === '') throw missing(`key ${key} is missing`);
  if (!form.test(value)) throw missing(`key ${key} is not an id`);
  return value;
}

/** GitHub hands out PKCS#1, which WebCrypto, by which Octokit signs, does not read. */
function privateKeyIn(data: Data): string {
  const value = data[KEYS.privateKey]?.trim();
  if (value === undefined || value === '') throw missing(`key ${KEYS.privateKey} is missing`);
  try {
    const key = createPrivateKey(value.replaceAll('\\n', '\n'));
    if (key.asymmetricKeyType === 'rsa') return String(key.export({ type: 'pkcs8', format: 'pem' }));
  } catch {
    // The error of node:crypto says nothing that helps.
  }
  throw missing(`key ${KEYS.privateKey} is not an RSA private key in PEM, as GitHub hands it out`);
}

async function secretData(kubernetes: Pick<Kubernetes, 'get'>, ref: Ref): Promise<Data> {
  try {
    const { data } = (await kubernetes.get({ resource: 'secrets', ...ref })) as { data?: Data };
    const entries = Object.entries(data ?? {});
    return Object.fromEntries(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  } catch (error) {
    if (isCode(error, 'API_NOT_FOUND'))
      throw missing(`Secret ${keyOf(ref)} is not there: create it, with key ${KEYS.token}`);
    if (isCode(error, 'API_FORBIDDEN')) {
      throw missing(
        `postsync may not read Secret ${keyOf(ref)}: apply manifests/components/github in namespace ${ref.namespace}`,
      );
    }
    throw error;
  }
}

async function filesIn(directory: string | undefined): Promise<Data> {
  if (directory === undefined)
    throw missing('no secretRef is given, and the administrator has configured no default credential');
  const read = async (key: string): Promise<[string, string][]> => {
    try {
      return [[key, await readFile(join(directory, key), 'utf8')]];
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw new PostsyncError('CREDENTIALS_MISSING', `file ${join(directory, key)} cannot be read`, {
        cause,
      });
    }
  };
  return Object.fromEntries((await Promise.all(Object.values(KEYS).map(read))).flat());
}

function fingerprint(credential: Credential): string {
  return createHash('sha256').update(JSON.stringify(credential)).digest('hex').slice(0, 16);
}

function missing(message: string): PostsyncError {
  return new PostsyncError('CREDENTIALS_MISSING', message);
}
