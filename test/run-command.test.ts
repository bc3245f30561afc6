import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { parse } from 'yaml';
import { startPostsync } from '../scripts/demo/postsync.ts';
import { lineName } from '../src/decide/identity.ts';
import { LINES } from '../src/decide/keys.ts';
import { project } from '../src/decide/result.ts';
import type { Right } from '../src/embedded/access.ts';
import { type EmbeddedCluster, startEmbeddedCluster } from '../src/embedded/cluster.ts';
import { connect, type Kubernetes } from '../src/kubernetes.ts';
import { runCommand } from '../src/run-command.ts';
import { aRelease, observed, POLICY } from './support/model.ts';

const LIMIT = { timeout: 300_000 };
const NAMESPACE = 'apps';
const RUNS = { resource: 'synctestruns', namespace: NAMESPACE } as const;

const mayGet: Right = {
  verbs: ['get'],
  groups: ['helm.toolkit.fluxcd.io'],
  resources: ['helmreleases'],
  namespaces: [NAMESPACE],
};
const mayRun: Right = {
  verbs: ['create', 'get'],
  groups: ['postsync.dev'],
  resources: ['synctestruns'],
  namespaces: [NAMESPACE],
};
const USERS = [
  { name: 'ada', token: 'token-of-ada', rights: [mayGet, mayRun] },
  {
    name: 'eve',
    token: 'token-of-eve',
    rights: [mayGet, mayRun, { ...mayRun, verbs: ['get'], resources: ['synctests'] }],
  },
  { name: 'bob', token: 'token-of-bob', rights: [mayGet] },
];

interface Run {
  readonly metadata: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly ownerReferences: readonly { readonly kind: string; readonly name: string }[];
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

function crd(plural: string): object {
  return parse(readFileSync(`manifests/base/crds/${plural}.yaml`, 'utf8')) as object;
}

function helmRelease(name: string, annotations: Readonly<Record<string, string>>, spec: object = {}): object {
  const sourceRef = { kind: 'HelmRepository', name: 'any' };
  return {
    apiVersion: 'helm.toolkit.fluxcd.io/v2',
    kind: 'HelmRelease',
    metadata: { name, namespace: NAMESPACE, annotations },
    spec: { interval: '10m', chart: { spec: { chart: 'any', version: '1.0.0', sourceRef } }, ...spec },
  };
}

describe('postsync run', LIMIT, () => {
  let cluster: EmbeddedCluster;
  let admin: Kubernetes & { close(): Promise<void> };

  const configFor = (token?: string) => {
    const config = new KubeConfig();
    config.loadFromString(cluster.kubeconfig);
    const [user] = config.users;
    assert.ok(user);
    if (token !== undefined) config.users = [{ ...user, token }];
    return config;
  };

  before(async () => {
    cluster = await startEmbeddedCluster({
      images: { ok: [process.execPath, '-e', '0'] },
      helmDelayMs: 1,
      users: USERS,
      crds: ['synctests', 'synctestruns'].map(crd),
    });
    admin = connect(configFor());
    await admin.create({ resource: 'namespaces' }, { metadata: { name: NAMESPACE } });
  });
  after(async () => {
    await admin.close();
    await cluster.close();
  });

  /** A HelmRelease that is deployed, with lines of these tests on it. */
  async function aDeployed(name: string, lines: Readonly<Record<string, string>> = {}): Promise<void> {
    const annotations = Object.fromEntries(Object.entries(lines).map(([test, line]) => [LINES + test, line]));
    const target = { resource: 'helmreleases', namespace: NAMESPACE } as const;
    await admin.create(target, helmRelease(name, annotations));
    const isDeployed = async () => {
      const { status } = (await admin.get({ ...target, name })) as {
        status?: { history?: readonly { status: string }[] };
      };
      return status?.history?.[0]?.status === 'deployed';
    };
    while (!(await isDeployed())) await delay(5);
  }

  async function run(
    argv: readonly string[],
    { as = 'token-of-ada', stopping = new AbortController() } = {},
  ) {
    const printed: string[] = [];
    const complaints: string[] = [];
    const code = await runCommand(argv, {
      connect: () => connect(configFor(as)),
      print: (line) => void printed.push(line),
      complain: (line) => void complaints.push(line),
      stopping: stopping.signal,
    });
    return { code, printed, complaints: complaints.join('\n') };
  }

  const read = async (name = '') => (await admin.get({ ...RUNS, name })) as Run;

  /** Ends every run of a release that has not ended, as postsync does it, as soon as there are so many. */
  async function end(release: string, phases: Readonly<Record<string, string>>): Promise<void> {
    const query = { fieldSelector: `spec.release=${release}` };
    const list = async () => ((await admin.list(RUNS, query)) as { items: readonly Run[] }).items;
    while ((await list()).length < Object.keys(phases).length) await delay(5);
    for (const { metadata, spec } of await list()) {
      const status = {
        phase: phases[String(spec['test'])],
        reason: 'JobFailed',
        message: 'it broke',
        startedAt: '2026-11-21T10:00:00Z',
        finishedAt: '2026-11-21T10:00:03Z',
      };
      await admin.patch({ ...RUNS, name: metadata.name, subresource: 'status' }, { status });
    }
  }

  test('creates a run for each test that has a line, in the name of who asks', async () => {
    await aDeployed('all', {
      smoke: 'passed in 2s, v1 (chart 1.0.0)',
      http: 'pending, v1 (chart 1.0.0)',
      'infra.load': 'failed',
      gone: 'pending: there is no SyncTest gone in namespace apps',
    });
    const { code, printed } = await run(['apps/all', '--reason', 'the database is back']);
    assert.equal(code, 0);
    const runs = await Promise.all(printed.map(read));
    const tests = runs.map(({ spec }) => `${String(spec['testNamespace'])}/${String(spec['test'])}`);
    assert.deepEqual(tests.toSorted(), ['apps/http', 'apps/smoke', 'infra/load']);
    for (const { metadata, spec } of runs) {
      assert.match(metadata.name, /^all-(smoke|http|load)-v1-[0-9a-f]{16}$/);
      assert.equal(metadata.labels['app.kubernetes.io/managed-by'], 'postsync');
      assert.deepEqual(
        metadata.ownerReferences.map(({ kind, name }) => `${kind}/${name}`),
        ['HelmRelease/all'],
      );
      assert.equal(spec['release'], 'all');
      assert.equal(spec['cause'], 'manual');
      assert.equal(spec['requestedBy'], 'ada');
      assert.equal(spec['reason'], 'the database is back');
      assert.match(String(spec['digest']), /^sha256:/);
    }
  });

  test('knows a line of a test from one of what cannot be tested', () => {
    const problems = observed({
      release: aRelease({ annotations: { 'postsync.dev/tests': 'gone', 'postsync.dev/htpt': 'x' } }),
      tests: [],
    });
    const { annotations } = project(problems, POLICY);
    const lines = Object.entries(annotations).filter(([key]) => key.startsWith(LINES));
    assert.equal(lines.length, 2);
    for (const [key, line] of lines) assert.ok(line?.startsWith('pending: '), key);
    const waiting = Object.values(project(observed(), POLICY).annotations);
    assert.ok(waiting.some((line) => line?.startsWith('pending, ')));
  });

  test('creates runs of the tests that are named, each time anew', async () => {
    await aDeployed('named');
    const argv = ['apps/named', '--test', 'smoke', '--test=infra.load'];
    const first = await run(argv);
    const second = await run(argv);
    assert.equal(new Set([...first.printed, ...second.printed]).size, 4);
    assert.equal((await read(first.printed[1])).spec['testNamespace'], 'infra');
  });

  for (const [phases, code] of [
    [{ a: 'Passed', b: 'Passed' }, 0],
    [{ a: 'Passed', b: 'Failed', c: 'Inconclusive' }, 1],
    [{ a: 'Inconclusive', b: 'Passed' }, 2],
  ] as const) {
    test(`waits for verdicts and exits with ${code} for ${Object.values(phases).join(', ')}`, async () => {
      const name = `wait-${code}`;
      await aDeployed(name, Object.fromEntries(Object.keys(phases).map((test) => [test, 'passed'])));
      const [told] = await Promise.all([run([`apps/${name}`, '--wait', '1m']), end(name, phases)]);
      assert.equal(told.code, code);
      const verdicts = told.printed
        .slice(Object.keys(phases).length)
        .map((line) => line.split(': ')[1] ?? '');
      assert.deepEqual(
        verdicts.toSorted(),
        Object.values(phases)
          .map((phase) => `${phase.toLowerCase()} in 3s`)
          .toSorted(),
      );
      if (code === 1)
        assert.ok(told.printed.some((line) => line.endsWith('failed in 3s: JobFailed: it broke')));
    });
  }

  test('exits with 3 for what is not decided in time, or not any more', async () => {
    await aDeployed('late', { smoke: 'passed' });
    const late = await run(['apps/late', '--wait', '10ms']);
    assert.equal(late.code, 3);
    assert.match(late.complaints, /late-smoke-v1-[0-9a-f]+: not decided: it has not begun/);

    const stopping = new AbortController();
    stopping.abort();
    assert.equal((await run(['apps/late', '--wait', '1h'], { stopping })).code, 3);
  });

  test('exits with 3 for a run that somebody deleted', async () => {
    await aDeployed('deleted', { smoke: 'passed' });
    const asking = run(['apps/deleted', '--wait', '1m']);
    const query = { fieldSelector: 'spec.release=deleted' };
    const list = async () => ((await admin.list(RUNS, query)) as { items: readonly Run[] }).items;
    while ((await list()).length === 0) await delay(5);
    for (const { metadata } of await list()) await admin.remove({ ...RUNS, name: metadata.name });
    const { code, complaints } = await asking;
    assert.equal(code, 3);
    assert.match(complaints, /not decided: it is gone/);
  });

  describe('exits with 4 and says why', () => {
    const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
      ['for a release that is not there', ['apps/none'], /there is no HelmRelease apps\/none/],
      ['for one that nothing asks to test', ['apps/bare'], /does it ask for any test\? --test names one/],
      ['without a release', [], /name one release, as NAMESPACE\/NAME\nsee: postsync run --help/],
      ['for half a name', ['podinfo'], /name one release/],
      ['for two releases', ['apps/a', 'apps/b'], /name one release/],
      ['for a name that is none', ['apps/../secrets'], /name one release/],
      ['for a namespace that is none', ['a%2Fb/c'], /a%2Fb\/c: not the name of a namespace/],
      ['for a test that cannot be', ['apps/bare', '--test', 'A b'], /--test: not the name/],
      ['for an unknown flag', ['apps/bare', '--tset', 'a'], /Unknown option '--tset'/],
      ['for a time without a unit', ['apps/bare', '--wait', '10'], /--wait: use whole numbers with units/],
    ];
    before(() => aDeployed('bare'));
    for (const [name, argv, message] of cases) {
      test(name, async () => {
        const { code, printed, complaints } = await run(argv);
        assert.equal(code, 4);
        assert.deepEqual(printed, []);
        assert.match(complaints, message);
      });
    }

    test('without the right', async () => {
      const { code, complaints } = await run(['apps/bare', '--test', 'a'], { as: 'token-of-bob' });
      assert.equal(code, 4);
      assert.match(complaints, /User "bob" cannot create resource "synctestruns"/);
    });

    test('for a test that is not there, where the caller may know', async () => {
      await aDeployed('some', { smoke: 'passed', 'infra.load': 'pending, v1 (chart 1.0.0)' });
      for (const test of ['nope', 'http']) {
        const { code, printed, complaints } = await run(['apps/some', '--test=smoke', `--test=${test}`], {
          as: 'token-of-eve',
        });
        assert.deepEqual([code, printed], [4, []]);
        assert.equal(complaints, `apps/some has no test ${test}; its tests are: smoke, infra.load`);
      }
      assert.equal((await run(['apps/some', '--test=infra.load'], { as: 'token-of-eve' })).code, 0);
    });

    test('for a line whose name is cut, instead of asking for a test that it makes up', async () => {
      const ref = {
        namespace: 'platform-quality-assurance-tests',
        name: 'checkout-service-end-to-end-tests',
      };
      const cut = lineName({ kind: 'SyncTest', ref }, { namespace: NAMESPACE, name: 'cut' });
      await aDeployed('cut', { smoke: 'passed', [cut]: 'passed' });
      const { code, printed, complaints } = await run(['apps/cut']);
      assert.deepEqual([code, printed], [4, []]);
      assert.match(complaints, /is cut, .*: name each test with --test, as NAMESPACE\.NAME$/);
      assert.equal((await run(['apps/cut', `--test=${ref.namespace}.${ref.name}`])).code, 0);
    });

    test('where nothing was ever deployed', async () => {
      const target = { resource: 'helmreleases', namespace: NAMESPACE } as const;
      await admin.create(target, helmRelease('never', {}, { suspend: true }));
      const { code, complaints } = await run(['apps/never', '--test', 'a']);
      assert.equal(code, 4);
      assert.match(complaints, /nothing of apps\/never is deployed now/);
    });

    test('where no kubeconfig can be read', async () => {
      const complaints: string[] = [];
      const code = await runCommand(['apps/bare'], {
        connect: () => {
          throw new Error('ENOENT: no such file, config');
        },
        print: () => undefined,
        complain: (line) => void complaints.push(line),
        stopping: new AbortController().signal,
      });
      assert.equal(code, 4);
      assert.deepEqual(complaints, ['ENOENT: no such file, config']);
    });
  });

  test('works as a command of the program, beside a postsync that carries it out', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'postsync-run-test-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const KUBECONFIG = join(folder, 'kubeconfig');
    writeFileSync(KUBECONFIG, cluster.kubeconfig, { mode: 0o600 });
    const settings = { KUBECONFIG, POSTSYNC_IMAGE: 'ok', POSTSYNC_LEADER_ELECTION: 'false' };
    const postsync = await startPostsync(settings, new AbortController().signal);
    t.after(() => postsync.close());
    const metadata = { name: 'quick', namespace: NAMESPACE };
    await admin.create(
      { resource: 'synctests', namespace: NAMESPACE },
      {
        apiVersion: 'postsync.dev/v1alpha1',
        kind: 'SyncTest',
        metadata,
        spec: { releases: { names: ['whole'] }, job: { image: 'ok' } },
      },
    );
    await aDeployed('whole');

    const env = { PATH: process.env['PATH'], KUBECONFIG };
    const argv = ['src/main.ts', 'run', 'apps/whole', '--test', 'quick', '--wait', '1m'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, argv, { env });
    assert.equal(stderr, '');
    assert.match(stdout, /^(whole-quick-v1-[0-9a-f]{16})\n\1: passed in \d+s\n$/);

    const help = await promisify(execFile)(process.execPath, ['src/main.ts', 'run', '--help'], { env: {} });
    assert.match(help.stdout, /^Runs the tests of a release again\n\nUsage: postsync run NAMESPACE\/NAME/);
  });
});
