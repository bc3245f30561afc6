import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { manifestsIn, only } from './support/manifests.ts';

const base = manifestsIn('base');
const examples = manifestsIn('examples');

describe('the component github', () => {
  test('lets the service read the one Secret that it says how to make, and no other', () => {
    const component = manifestsIn('components/github');
    assert.deepEqual(only(component, 'Role').rules, [
      { apiGroups: [''], resources: ['secrets'], resourceNames: ['postsync-github'], verbs: ['get'] },
    ]);
    const { name, namespace } = only(base, 'ServiceAccount').metadata;
    assert.deepEqual(only(component, 'RoleBinding').subjects, [{ kind: 'ServiceAccount', name, namespace }]);
  });

  test('has an example that uses that Secret', () => {
    const used = examples.flatMap(
      (one) => JSON.stringify(one).match(/"secretRef":\{"name":"[^"]+"\}/g) ?? [],
    );
    assert.equal(used.filter((text) => text.includes('"postsync-github"')).length, 3);
  });
});

describe('the component commit-status', () => {
  test('lets the service read Kustomizations, and nothing else', () => {
    const component = manifestsIn('components/commit-status');
    assert.deepEqual(only(component, 'ClusterRole').rules, [
      { apiGroups: ['kustomize.toolkit.fluxcd.io'], resources: ['kustomizations'], verbs: ['get'] },
    ]);
    const { name, namespace } = only(base, 'ServiceAccount').metadata;
    const { subjects, roleRef } = only(component, 'ClusterRoleBinding');
    assert.deepEqual(subjects, [{ kind: 'ServiceAccount', name, namespace }]);
    assert.equal((roleRef as { name: string }).name, only(component, 'ClusterRole').metadata.name);
  });
});
