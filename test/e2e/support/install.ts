import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import type { Manifest } from '../../support/manifests.ts';

const run = promisify(execFile);

export const SYSTEM_NAMESPACE = 'postsync-system';
const CRDS = ['crd/synctests.postsync.dev', 'crd/synctestruns.postsync.dev'];

/** Runs kubectl; @throws with what it said */
export async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await run('kubectl', args, { timeout: 120_000, maxBuffer: 16 << 20 });
  return stdout;
}

/** Runs one of the commands that E2E_ variables name; the variable may hold arguments too. */
export async function command(text: string, ...args: string[]): Promise<string> {
  const [program = '', ...first] = text.split(' ');
  const { stdout } = await run(program, [...first, ...args], { timeout: 180_000 });
  return stdout.trim();
}

export interface InstallOptions {
  readonly replicas: number;
  /** Folders of manifests/components. */
  readonly components?: readonly string[];
  /** More patches, as a kustomization has them. */
  readonly patches?: readonly object[];
}

/** `kubectl apply -k` of manifests/, with the image and the number of replicas that are wanted here. */
export async function install(image: string | undefined, options: InstallOptions): Promise<void> {
  const changes = [
    set('/spec/replicas', options.replicas),
    ...(image ? [set('/spec/template/spec/containers/0/image', image)] : []),
  ];
  const patches = [
    { target: { kind: 'Deployment', name: 'postsync' }, patch: JSON.stringify(changes) },
    ...(options.patches ?? []),
  ];
  await withOverlay({ components: options.components ?? [], patches }, async (folder) => {
    await kubectl('apply', '--server-side', '--force-conflicts', '-k', folder);
    // Where the CRDs are new, their kinds are answered with 404, then with 429, for a moment; kubectl waits for both.
    await kubectl('wait', '--for=condition=Established', '--timeout=60s', ...CRDS);
    await kubectl('get', '--all-namespaces', 'synctests,synctestruns');
  });
}

/** What a kustomization over manifests/ makes of it. */
export function build(kustomization: Readonly<Record<string, unknown>>): Promise<Manifest[]> {
  return withOverlay(kustomization, async (folder) =>
    parseAllDocuments(await kubectl('kustomize', folder)).map((document) => document.toJS() as Manifest),
  );
}

async function withOverlay<T>(
  { components = [], ...rest }: { readonly components?: readonly string[]; readonly [key: string]: unknown },
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-e2e-'));
  try {
    const at = (path: string) => relative(folder, path);
    const kustomization = {
      resources: [at('manifests')],
      components: components.map((name) => at(join('manifests/components', name))),
      ...rest,
    };
    writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function set(path: string, value: unknown): object {
  return { op: 'replace', path, value };
}
