import type { Scene } from './scene.ts';

/** Somebody with rights in the scenario's namespace, and a bearer token that is good for postsync only. */
export async function aUser(scene: Scene, name: string, verbs: readonly string[]): Promise<string> {
  const { api, namespace } = scene;
  const metadata = { name, namespace };
  await api.apply({ kind: 'ServiceAccount', metadata });
  if (verbs.length > 0) {
    await api.apply({
      kind: 'Role',
      metadata,
      rules: [{ apiGroups: ['postsync.dev'], resources: ['synctestruns'], verbs }],
    });
    const subjects = [{ kind: 'ServiceAccount', name, namespace }];
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name };
    await api.apply({ kind: 'RoleBinding', metadata, roleRef, subjects });
  }
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const answer = await api.call('POST', path, { spec: { audiences: ['postsync'] } });
  return (answer as { status: { token: string } }).status.token;
}
