import { gzipSync } from 'node:zlib';

/** A hook as Helm stores it: a Pod with the event `test` unless told otherwise. */
export interface StoredHook {
  readonly name: string;
  readonly kind?: string;
  readonly manifest?: string;
  readonly events?: readonly string[];
  readonly weight?: number;
}

export interface StoredRelease {
  readonly name?: string;
  readonly namespace?: string;
  readonly version?: number;
  readonly status?: string;
  readonly hooks?: readonly StoredHook[];
}

/** The Secret that Helm keeps a release in. */
export function helmSecret(given: StoredRelease = {}, pack: (json: string) => Buffer = gzipSync) {
  const { name = 'app', namespace = 'apps', version = 7, status = 'deployed', hooks = [] } = given;
  const release = {
    name,
    namespace,
    version,
    info: { status, first_deployed: '2026-11-21T10:00:00Z' },
    config: { password: 'hunter2' },
    hooks: hooks.map(
      ({ name, kind = 'Pod', manifest = podHook(name, 'true'), events = ['test'], weight }) => ({
        name,
        kind,
        path: `app/templates/tests/${name}.yaml`,
        manifest,
        events,
        last_run: { phase: '' },
        ...(weight !== undefined && { weight }),
        delete_policies: ['hook-succeeded'],
      }),
    ),
  };
  const text = pack(JSON.stringify(release)).toString('base64');
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: `sh.helm.release.v1.${name}.v${version}`, namespace },
    type: 'helm.sh/release.v1',
    data: { release: Buffer.from(text).toString('base64') },
  };
}

export function podHook(name: string, script: string, more = ''): string {
  return `
# Source: app/templates/tests/${name}.yaml
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  labels: {app: app, postsync.dev/run-uid: somebody-else}
  annotations: {helm.sh/hook: test, helm.sh/hook-delete-policy: hook-succeeded, team: a}
spec:
  restartPolicy: Never
  containers:
    - name: hook
      image: busybox:1
      command: [sh, -c, ${JSON.stringify(script)}]
${more}`;
}
