import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PostsyncError } from '../../../src/errors.ts';
import { commitOf } from '../../../src/run/github/commit.ts';
import { aKubernetes } from '../../support/kubernetes.ts';

const SHA = '9f8d1117c2a3b4c5d6e7f8091a2b3c4d5e6f7081';
const OLD = '0000000000000000000000000000000000000001';
const OCI = `latest@sha256:${'ab'.repeat(32)}`;
const LABELS = {
  'kustomize.toolkit.fluxcd.io/name': 'apps',
  'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
};

/** What is found of a release with these annotations, whose Kustomization has this status. */
function origin(annotations: Readonly<Record<string, string>>, found?: object | PostsyncError) {
  const answer = found instanceof PostsyncError ? found : { status: found };
  const { kubernetes } = aKubernetes(found ? { 'get flux-system/kustomizations/apps': answer } : {});
  return commitOf(kubernetes, { annotations, labels: found ? LABELS : {} });
}

const ready = (status: string, reason: string) => ({ conditions: [{ type: 'Ready', status, reason }] });

describe('the commit of a release is known', () => {
  for (const revision of [
    SHA,
    `main@sha1:${SHA}`,
    `refs/heads/a/b@sha1:${SHA}`,
    `sha1:${SHA}`,
    `main/${SHA}`,
  ]) {
    test(`by an annotation: ${revision}`, async () => {
      assert.deepEqual(await origin({ 'event.toolkit.fluxcd.io/commit': revision }), { sha: SHA });
    });
  }

  test('by the second annotation, where the first names none', async () => {
    const annotations = {
      'event.toolkit.fluxcd.io/commit': 'v1.2.0',
      'event.toolkit.fluxcd.io/originRevision': `main@sha1:${SHA}`,
    };
    assert.deepEqual(await origin(annotations), { sha: SHA });
  });

  test('by an annotation rather than by the Kustomization', async () => {
    const annotations = { 'event.toolkit.fluxcd.io/commit': SHA };
    assert.deepEqual(await origin(annotations, { lastAppliedRevision: `main@sha1:${OLD}` }), { sha: SHA });
  });

  const applied = { lastAppliedRevision: `main@sha1:${OLD}` };
  const attempted = { ...applied, lastAttemptedRevision: `main@sha1:${SHA}` };
  const STATUSES: readonly [string, object, string][] = [
    ['applied', { lastAppliedRevision: `main@sha1:${SHA}` }, SHA],
    [
      'said to be that of its artifact',
      { lastAppliedRevision: OCI, lastAppliedOriginRevision: `main@sha1:${SHA}` },
      SHA,
    ],
    ['attempted, and is not healthy', { ...attempted, ...ready('False', 'HealthCheckFailed') }, SHA],
    [
      'applied, where what it attempted cannot be built',
      { ...attempted, ...ready('False', 'BuildFailed') },
      OLD,
    ],
    [
      'applied, where it applies that again',
      { ...applied, lastAttemptedRevision: `main@sha1:${OLD}`, ...ready('Unknown', 'Progressing') },
      OLD,
    ],
  ];
  for (const [name, status, sha] of STATUSES) {
    test(`by the Kustomization: the one that it has ${name}`, async () => {
      assert.deepEqual(await origin({}, status), { sha });
    });
  }

  test('not yet while the Kustomization applies another one', async () => {
    assert.equal(await origin({}, { ...attempted, ...ready('Unknown', 'Progressing') }), undefined);
  });
});

describe('that no commit is known is said', () => {
  const PROBLEMS: readonly [string, object | PostsyncError | undefined, RegExp][] = [
    ['of a release that nothing is known of', undefined, /neither .*\/commit nor a Kustomization/],
    [
      'of an OCI artifact that says none',
      { lastAppliedRevision: OCI },
      /flux-system\/apps has applied no revision of git/,
    ],
    ['of a Kustomization that has applied nothing', {}, /no revision of git/],
    ['where it is gone', new PostsyncError('API_NOT_FOUND', 'x'), /flux-system\/apps is not there/],
    [
      'where the right is missing',
      new PostsyncError('API_FORBIDDEN', 'x'),
      /apply manifests\/components\/commit-status/,
    ],
  ];
  for (const [name, found, words] of PROBLEMS) {
    test(name, async () => {
      const told = await origin({}, found);
      assert.match(told && 'problem' in told ? told.problem : '', words);
    });
  }

  test('but not where the API server does not answer', async () => {
    await assert.rejects(origin({}, new PostsyncError('API_UNAVAILABLE', 'down')), /down/);
  });
});
