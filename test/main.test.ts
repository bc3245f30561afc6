import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';

const PROGRAM = 'src/main.ts';

/** Runs the program in an empty home. */
function postsync(
  t: TestContext,
  argv: readonly string[],
  { env = {}, node = [] }: { readonly env?: Readonly<Record<string, string>>; readonly node?: string[] } = {},
) {
  const home = mkdtempSync(join(tmpdir(), 'postsync-main-'));
  t.after(() => rmSync(home, { recursive: true }));
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    const options = { env: { HOME: home, ...env }, timeout: 60_000 };
    execFile(process.execPath, [...node, PROGRAM, ...argv], options, (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, stdout, stderr }),
    );
  });
}

/** A kubeconfig that names a cluster where nobody answers. */
function aKubeconfig(t: TestContext, text = NOBODY): string {
  const folder = mkdtempSync(join(tmpdir(), 'postsync-main-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'config'), text);
  return join(folder, 'config');
}

const NOBODY = `
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: a, user: {token: x}}]
`;

/** Makes Node say that it is another version, before anything else is run. */
function asVersion(version: string): string[] {
  const versions = `{ value: { ...process.versions, node: '${version}' } }`;
  const code = `Object.defineProperties(process, { version: { value: 'v${version}' }, versions: ${versions} })`;
  return ['--import', `data:text/javascript,${encodeURIComponent(code)}`];
}

describe('the program', () => {
  test('says which Node it needs, instead of failing in what it imports', async (t) => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8')) as { engines: { node: string } };
    assert.equal(engines.node, '>=24');

    for (const [argv, expected] of [
      [[], 1],
      [['run', 'apps/podinfo'], 4],
      [['check'], 1],
    ] as const) {
      const { code, stderr } = await postsync(t, argv, { node: asVersion('20.20.2') });
      assert.equal(code, expected);
      assert.equal(stderr, 'postsync needs Node 24 or later, this is v20.20.2\n');
    }
  });

  test('says that no cluster is named', async (t) => {
    const { code, stderr } = await postsync(t, ['run', 'apps/podinfo']);
    assert.equal(code, 4);
    assert.equal(stderr, 'there is no cluster to talk to: set KUBECONFIG, or run in a cluster\n');
  });

  test('says which kubeconfig cannot be read, and why', async (t) => {
    const missing = await postsync(t, ['run', 'apps/podinfo'], { env: { KUBECONFIG: '/nowhere/config' } });
    assert.equal(missing.code, 4);
    assert.match(missing.stderr, /^cannot read KUBECONFIG=\/nowhere\/config: ENOENT/);

    const file = aKubeconfig(t, 'clusters: [');
    const broken = await postsync(t, ['run', 'apps/podinfo'], { env: { KUBECONFIG: file } });
    assert.equal(broken.code, 4);
    assert.match(broken.stderr, /^cannot read KUBECONFIG=.*: /);
  });

  test('ends a check when it is told to, also as the first process of a container', async (t) => {
    const silent = createServer().listen(0, '127.0.0.1');
    t.after(() => silent.close());
    const asked = once(silent, 'connection');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/`;
    const check = { url, method: 'GET', status: [200], intervalMs: 1000, timeoutMs: 60_000 };
    const env = { POSTSYNC_CHECK: JSON.stringify([check]) };
    const child = spawn(process.execPath, [PROGRAM, 'check'], { env, stdio: 'ignore' });
    const gone = once(child, 'exit');
    await Promise.race([asked, gone]);
    child.kill('SIGTERM');
    // By itself: a signal that ends it would be told instead of a code.
    assert.deepEqual(await gone, [143, null]);
  });

  test('says in a line of its log why the service cannot run', async (t) => {
    const taken = createServer().listen(0);
    t.after(() => taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;

    const { code, stdout, stderr } = await postsync(t, [`--port=${port}`, '--image=any'], {
      env: { KUBECONFIG: aKubeconfig(t), POSTSYNC_PROT: '8081' },
    });

    const [warning, fatal] = stdout
      .split('\n')
      .map((line) => JSON.parse(line || '{}') as Record<string, unknown>);
    assert.deepEqual([warning?.['level'], warning?.['msg']], ['warn', 'environment variable ignored']);
    const { level, msg, because } = fatal ?? {};
    assert.deepEqual([code, stderr, level, msg], [1, '', 'fatal', 'postsync cannot run']);
    assert.match(
      String(because),
      new RegExp(`^cannot listen on port ${port}: .*; set another POSTSYNC_PORT$`),
    );
  });
});
