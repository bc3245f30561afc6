import { createHash } from 'node:crypto';
import type { Ref, Test } from './model.ts';

const NAME_LIMIT = 63;

/**
 * The name of a run, which is its identity: whoever wants to start the same test against the same deployment
 * computes the same name, and the API server refuses the second one. Its Job has the same name.
 *
 * The 16 hex digits are over the release's uid, the digest, the test and the attempt; the part before them is
 * for people. The formula is frozen by test vectors: changing it would run every test once more.
 *
 * @param attempt its number, or the Idempotency-Key of the request that asked for it
 */
export function runName(
  release: { readonly name: string; readonly uid: string },
  revision: { readonly digest: string; readonly version: number },
  test: { readonly kind: Test['kind']; readonly ref: Ref },
  attempt: number | string,
): string {
  const hash = identityHash(release, revision, test, attempt);
  const readable = `${release.name}-${test.ref.name}-v${revision.version}`;
  return `${cut(readable.replaceAll('.', '-'), NAME_LIMIT - hash.length - 1)}-${hash}`;
}

/** Whether a run has the name that this key gives it. It may be about an older deployment than the one of now. */
export function isNamedBy(
  key: string,
  run: { readonly ref: Ref; readonly digest?: string | undefined },
  release: { readonly uid: string },
  test: { readonly kind: Test['kind']; readonly ref: Ref },
): boolean {
  return (
    run.digest !== undefined &&
    run.ref.name.endsWith(`-${identityHash(release, { digest: run.digest }, test, key)}`)
  );
}

/** A rollout of a canary by Flagger. */
export interface Rollout {
  readonly canary: Ref;
  /** Flagger's, over what the canary runs: at most 32 characters. */
  readonly checksum: string;
}

/** What stands for a rollout where others send an Idempotency-Key. */
export function rolloutKey({ canary, checksum }: Rollout): string {
  return `flagger ${canary.namespace}/${canary.name} ${checksum}`;
}

/**
 * The name of the run that a rollout asks for: people find it by `e2e-CANARY-CHECKSUM`. Its identity is the hash, as of
 * every run: the same checksum comes again after a revert, in another namespace, and for another test.
 */
export function rolloutRunName(
  rollout: Rollout,
  release: { readonly uid: string },
  revision: { readonly digest: string },
  test: { readonly kind: Test['kind']; readonly ref: Ref },
): string {
  const { canary, checksum } = rollout;
  const hash = identityHash(release, revision, test, rolloutKey(rollout));
  const room = NAME_LIMIT - hash.length - checksum.length - 2;
  return `${cut(`e2e-${canary.name.replaceAll('.', '-')}`, room)}-${checksum}-${hash}`;
}

function identityHash(
  release: { readonly uid: string },
  revision: { readonly digest: string },
  { kind, ref }: { readonly kind: Test['kind']; readonly ref: Ref },
  attempt: number | string,
): string {
  return shortHash([release.uid, revision.digest, kind, ref.namespace, ref.name, attempt]);
}

/**
 * The name part of a test's annotation key: NAME, or NAMESPACE.NAME for one of another namespace.
 * Kubernetes allows 63 characters there: a longer one is cut and hashed.
 */
export function lineName(test: { readonly kind: Test['kind']; readonly ref: Ref }, release: Ref): string {
  const local = test.kind === 'BuiltIn' || test.ref.namespace === release.namespace;
  const name = local ? test.ref.name : `${test.ref.namespace}.${test.ref.name}`;
  if (name.length <= NAME_LIMIT) return name;
  const hash = shortHash([name]);
  return `${cut(name, NAME_LIMIT - hash.length - 1)}-${hash}`;
}

/** Whether a name of a line may be a cut one, which does not say any more which test it is about. */
export function isCut(name: string): boolean {
  return name.length > NAME_LIMIT - 4 && /-[0-9a-f]{16}$/.test(name);
}

/** The same for a name that a person wrote, and that may be none: a key that Kubernetes refuses would stop all others. */
export function problemName(name: string): string {
  if (name.length <= NAME_LIMIT && /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(name)) return name;
  const hash = shortHash([name]);
  const readable = name.replaceAll(/[^A-Za-z0-9]+/g, '-').replace(/^-/, '');
  return `${readable.slice(0, NAME_LIMIT - hash.length - 1)}-${hash}`.replace(/^-/, '');
}

/** 16 hex digits over a list; `JSON.stringify`, so that ["a-b","c"] and ["a","b-c"] differ. */
export function shortHash(parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

function cut(text: string, length: number): string {
  return text.slice(0, length).replace(/[^a-z0-9]+$/, '');
}
