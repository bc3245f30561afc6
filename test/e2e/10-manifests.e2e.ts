import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { JOB_KEYS } from '../../src/run/labels.ts';
import { documentsOf, filesOf, type Manifest, only } from '../support/manifests.ts';
import { type Answer, ask, askToPatch, askWith, POSTSYNC } from './support/asking.ts';
import { build, install, kubectl, SYSTEM_NAMESPACE } from './support/install.ts';

const namespace = `e2e-${randomBytes(4).toString('hex')}`;
const job = { job: { image: 'busybox:1' } };
const dryRun = ['create', '--dry-run=server', '--validate=strict'] as const;

function syncTest(name: string, spec: object) {
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTest',
    metadata: { name, namespace },
    spec,
  };
}

function run(name: string, spec: object = {}) {
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTestRun',
    metadata: { name, namespace },
    spec: { release: 'podinfo', test: 'smoke', ...spec },
  };
}

function jobNamed(name: string): readonly string[] {
  return ['job', name, '-n', namespace];
}

function accepted(answer: Answer): void {
  assert.equal(answer, '');
}

describe('manifests/, on a real API server', { concurrency: 2, timeout: 240_000 }, () => {
  before(async () => {
    await install(process.env['E2E_IMAGE'], { replicas: 0 });
    await kubectl('create', 'namespace', namespace);
    for (const role of ['view', 'edit', 'admin']) {
      await kubectl(
        '-n',
        namespace,
        'create',
        'rolebinding',
        role,
        `--clusterrole=${role}`,
        `--user=${role}`,
      );
    }
    const rule = ['--verb=create,get,patch', '--resource=synctests.postsync.dev'];
    await kubectl('-n', namespace, 'create', 'role', 'tests-only', ...rule);
    await kubectl(
      '-n',
      namespace,
      'create',
      'rolebinding',
      'tests-only',
      '--role=tests-only',
      '--user=tests-only',
    );
  });
  after(() => kubectl('delete', 'namespace', namespace, '--wait=false'));

  describe('an example is taken:', () => {
    for (const file of filesOf('examples')) {
      test(file, async () => {
        for (const document of documentsOf(file) as Manifest[]) {
          const { metadata } = document;
          const here = { ...document, metadata: { ...metadata, namespace } };
          const object = document.kind === 'Namespace' ? document : here;
          const answer = await askWith(object, ['apply', ...dryRun.slice(1)]);
          // Flagger need not be installed: then nobody there can judge a Canary.
          accepted(answer.includes('no matches for kind "Canary"') ? '' : answer);
        }
      });
    }
  });

  describe('a SyncTest is taken', () => {
    const good: Readonly<Record<string, object>> = {
      'with a Job in short': job,
      'with a Job in full': { job: { template: { spec: { template: {} } } } },
      'with a check': { check: { http: [{ url: 'http://$(PARAM_host):1/' }] } },
      'with helm tests': { helmTest: {} },
      'with a workflow': {
        github: { repository: 'a/b', trigger: 'workflow_dispatch', workflow: 'w', ref: 'main' },
      },
      'with an odd duration': { ...job, timeout: '1h30m5s', settle: '0s' },
      'with params': { ...job, params: { 'a-b.c_d': '1' } },
    };
    for (const [name, spec] of Object.entries(good)) {
      test(name, async () => accepted(await askWith(syncTest('smoke', spec), dryRun)));
    }

    test('with a name of 40 characters', async () => {
      accepted(await askWith(syncTest('x'.repeat(40), job), dryRun));
    });
  });

  describe('a SyncTest is refused', () => {
    const bad: Readonly<Record<string, readonly [object, RegExp]>> = {
      'that does nothing': [{}, /exactly one of job, check, helmTest and github/],
      'that does two things': [{ ...job, helmTest: {} }, /exactly one of/],
      'with neither image nor template': [{ job: {} }, /either image or template/],
      'with image and template': [{ job: { image: 'a', template: {} } }, /either image or template/],
      'with a template and args': [{ job: { template: {}, args: ['a'] } }, /say the rest there/],
      'that needs itself': [{ ...job, needs: ['smoke'] }, /cannot need itself/],
      'with a duration that has no unit': [{ ...job, timeout: '10' }, /should match/],
      'without any time': [{ ...job, timeout: '0s' }, /at least 1s/],
      'with more time than a timer has': [{ ...job, timeout: '597h' }, /at most 596h/],
      'with a param that no annotation could name': [{ ...job, params: { 'a b': '1' } }, /a param's name/],
      'after something unknown': [{ ...job, after: ['delete'] }, /supported values/],
      'with half a selector': [
        { ...job, releases: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
        /In and NotIn need values/,
      ],
      'with a check of something else': [{ check: { http: [{ url: 'ftp://x' }] } }, /should match/],
      'with a workflow and no ref': [
        { github: { repository: 'a/b', trigger: 'workflow_dispatch', workflow: 'w' } },
        /needs workflow and ref/,
      ],
      'with a field that there is not': [{ ...job, retry: 1 }, /unknown field "spec.retry"/],
    };
    for (const [name, [spec, message]] of Object.entries(bad)) {
      test(name, async () => assert.match(await askWith(syncTest('smoke', spec), dryRun), message));
    }
    for (const name of ['http', 'helm-test', 'github', 'x'.repeat(41), 'a.b']) {
      test(`by the name ${name}`, async () => {
        assert.match(await askWith(syncTest(name, job), dryRun), /reserved|must be a DNS label/);
      });
    }
  });

  test('of a run only abort can change, once', async () => {
    accepted(await askWith(run('abort', { digest: 'sha256:1' }), ['create']));
    const target = ['synctestrun', 'abort', '-n', namespace];

    const changes = [
      { release: 'x' },
      { attempt: 2 },
      { digest: null },
      { request: 'x' },
      { cause: 'upgrade' },
    ];
    for (const spec of changes) assert.match(await askToPatch(target, { spec }), /only abort may change/);
    accepted(await askToPatch(target, { spec: { abort: true } }));
    assert.match(await askToPatch(target, { spec: { abort: false } }), /cannot be taken back/);
  });

  test('runs can be listed by release, test and phase', async () => {
    accepted(await askWith(run('failed'), ['create']));
    const status = { phase: 'Failed', reason: 'JobFailed', revision: 'v7 (chart 1.2.0)', duration: '12s' };
    accepted(await askToPatch(['str', 'failed', '-n', namespace, '--subresource=status'], { status }));

    const fields = ['status.phase=Failed', 'spec.release=podinfo', 'spec.test=smoke'].join();
    const found = await kubectl('get', 'str', '-n', namespace, `--field-selector=${fields}`, '--no-headers');
    assert.match(
      found,
      /^failed\s+podinfo\s+v7 \(chart 1\.2\.0\)\s+smoke\s+Failed\s+JobFailed\s+12s\s+\d+s\n$/,
    );
  });

  describe('postsync may patch of a HelmRelease', () => {
    const target = ['helmrelease', 'podinfo', '-n', namespace];
    before(async () => {
      const spec = {
        suspend: true,
        interval: '1h',
        chart: { spec: { chart: 'a', sourceRef: { kind: 'HelmRepository', name: 'a' } } },
      };
      const metadata = { name: 'podinfo', namespace, labels: { a: 'b' }, annotations: { a: 'b' } };
      const object = { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease', metadata, spec };
      accepted(await askWith(object, ['create']));
    });

    test('its own keys', async () => {
      const keys = { 'postsync.dev/result': 'passed', 'postsync.dev/digest': 'd' };
      const annotations = { ...keys, 'tests.postsync.dev/smoke': 'passed' };
      accepted(
        await askToPatch(
          target,
          { metadata: { annotations, labels: { 'postsync.dev/result': 'passed' } } },
          POSTSYNC,
        ),
      );
      const none = Object.fromEntries(Object.keys(annotations).map((key) => [key, null]));
      accepted(await askToPatch(target, { metadata: { annotations: none } }, POSTSYNC));
    });

    const refused: Readonly<Record<string, object>> = {
      "another's annotation": { metadata: { annotations: { a: 'c' } } },
      "another's annotation, by removing it": { metadata: { annotations: { a: null } } },
      'an annotation of Flux': { metadata: { annotations: { 'reconcile.fluxcd.io/forceAt': '1' } } },
      'a key that looks like its own': { metadata: { annotations: { 'evilpostsync.dev/a': '1' } } },
      "another's label": { metadata: { labels: { a: 'c' } } },
      'its spec': { spec: { suspend: false } },
      'its finalizers': { metadata: { finalizers: ['a.b/c'] } },
      'its owners': {
        metadata: { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'x', uid: 'y' }] },
      },
    };
    for (const [name, patch] of Object.entries(refused)) {
      test(`not ${name}`, async () => {
        assert.match(await askToPatch(target, patch, POSTSYNC), /postsync-helmreleases.*postsync may/s);
      });
    }

    test('anything, when it is somebody else', async () => {
      accepted(await askToPatch(target, { spec: { interval: '2h' } }));
    });
  });

  test('the kustomization of the README has the image that it names', async () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const [, text = ''] = /```yaml\n(resources: \[manifests\]\n.*?)```/s.exec(readme) ?? [];
    const { images } = parse(text) as { images: [{ newName: string; newTag: string }] };
    const { spec } = only(await build({ images }), 'Deployment');
    const { containers } = (spec as { template: { spec: { containers: [{ image: string }] } } }).template
      .spec;
    assert.equal(containers[0].image, `${images[0].newName}:${images[0].newTag}`);
  });

  describe('an overlay with another namespace', () => {
    const there = `system:serviceaccount:${namespace}:postsync`;
    const cause = { requestedBy: 'somebody', cause: 'upgrade' };
    let built: readonly Manifest[] = [];
    before(async () => {
      built = await build({ namespace });
      const binding = only(built, 'ClusterRoleBinding');
      const metadata = { ...binding.metadata, name: `postsync-${namespace}` };
      accepted(await askWith({ ...binding, metadata }, ['create']));
    });
    after(() => kubectl('delete', 'clusterrolebinding', `postsync-${namespace}`));

    test('leaves nothing in the one of the base', () => {
      assert.ok(built.length > 15);
      assert.doesNotMatch(JSON.stringify(built), new RegExp(SYSTEM_NAMESPACE));
    });

    test('has postsync limited to its own keys of a HelmRelease there too', async () => {
      const target = ['helmrelease', 'podinfo', '-n', namespace];
      const said = await askToPatch(target, { spec: { suspend: false } }, there);
      assert.match(said, /postsync-helmreleases.*postsync may not change the spec/s);
    });

    test('lets postsync create its runs', async () => {
      accepted(await askWith(run('asked', cause), dryRun, there));
    });

    test('lets nobody else do so by having an account of that name', async () => {
      const other = 'system:serviceaccount:default:postsync';
      const rights = ['--clusterrole=edit', `--user=${other}`];
      await kubectl('-n', namespace, 'create', 'rolebinding', 'namesake', ...rights);
      assert.match(await askWith(run('asked', cause), dryRun, other), /cause is manual or override/);
    });
  });

  describe('a SyncTest may be written', () => {
    const cases: readonly (readonly [string, string, object, RegExp])[] = [
      ['by an editor of the namespace', 'edit', job, /^$/],
      ['by an editor, to run beside releases here', 'edit', { ...job, runIn: 'release' }, /^$/],
      ['not by a viewer', 'view', job, /cannot create resource "synctests"/],
      [
        'not by somebody who may not create Jobs',
        'tests-only',
        job,
        /allowed to create Jobs in namespace e2e-/,
      ],
      ['by somebody who may not, when it starts none', 'tests-only', { github: { repository: 'a/b' } }, /^$/],
      [
        'not by an editor of one namespace, to run in all',
        'edit',
        { ...job, runIn: 'release', namespaceSelector: {} },
        /in all namespaces/,
      ],
      [
        'nor for the hooks of charts elsewhere',
        'edit',
        { helmTest: {}, namespaceSelector: {} },
        /in all namespaces/,
      ],
    ];
    for (const [name, user, spec, message] of cases) {
      test(name, async () => assert.match(await askWith(syncTest('smoke', spec), dryRun, user), message));
    }
  });

  describe('a run may be created', () => {
    const override = { cause: 'override', verdict: 'passed', digest: 'sha256:1' };
    const cases: readonly (readonly [string, string, object, RegExp])[] = [
      ['by an editor of the namespace', 'edit', { requestedBy: 'edit' }, /^$/],
      ['not by a viewer', 'view', {}, /cannot create resource "synctestruns"/],
      ["not in another's name", 'edit', { requestedBy: 'admin' }, /requestedBy is whoever creates/],
      ["not as one of postsync's own", 'edit', { cause: 'upgrade' }, /cause is manual or override/],
      ['as a decision not by an editor', 'edit', override, /you need the verb override/],
      ['as a decision by an admin', 'admin', override, /^$/],
      [
        'as a decision not without a verdict',
        'admin',
        { ...override, verdict: undefined },
        /verdict goes with/,
      ],
      ['as a decision not without a digest', 'admin', { ...override, digest: undefined }, /needs the digest/],
      ['by postsync for whomever it knows', POSTSYNC, { requestedBy: 'somebody', cause: 'upgrade' }, /^$/],
    ];
    for (const [name, user, spec, message] of cases) {
      test(name, async () => assert.match(await askWith(run('asked', spec), dryRun, user), message));
    }
  });

  describe('the Job of a run', () => {
    const labels = { [JOB_KEYS.managedBy]: 'postsync', [JOB_KEYS.run]: 'a', [JOB_KEYS.runUid]: 'b' };
    const annotations = { [JOB_KEYS.limits]: '{}' };
    const pod = { restartPolicy: 'Never', containers: [{ name: 'test', image: 'busybox:1' }] };
    const aJob = (name: string, keys: object) => ({
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name, namespace, ...keys },
      spec: { suspend: true, template: { spec: pod } },
    });
    const refusal = /postsync-jobs.*only postsync may make a Job that of a run/s;
    before(async () => {
      accepted(await askWith(aJob('of-a-run', { labels, annotations }), ['create'], POSTSYNC));
      accepted(await askWith(aJob('of-somebody', {}), ['create'], 'edit'));
    });

    test('is created by postsync alone', async () => {
      assert.match(await askWith(aJob('forged', { labels, annotations }), dryRun, 'edit'), refusal);
    });

    test('is none that was another before', async () => {
      assert.match(await askToPatch(jobNamed('of-somebody'), { metadata: { labels } }, 'edit'), refusal);
    });

    const refused: Readonly<Record<string, object>> = {
      'be given to another run': { labels: { [JOB_KEYS.run]: 'c' } },
      'be taken away': { labels: { [JOB_KEYS.runUid]: null } },
      'be given other limits': { annotations: { [JOB_KEYS.limits]: '{"timeoutMs":1}' } },
      'be given to another release': { annotations: { [JOB_KEYS.release]: 'apps/podinfo' } },
    };
    for (const [name, metadata] of Object.entries(refused)) {
      test(`cannot ${name}`, async () => {
        assert.match(await askToPatch(jobNamed('of-a-run'), { metadata }, 'edit'), refusal);
      });
    }

    test('can be changed otherwise, ended, and removed by whoever may', async () => {
      const change = { metadata: { labels: { team: 'web' } }, spec: { activeDeadlineSeconds: 1 } };
      accepted(await askToPatch(jobNamed('of-a-run'), change, 'edit'));
      accepted(await ask(['delete', ...jobNamed('of-a-run')], 'edit'));
    });
  });

  test('nobody but postsync can write the status of a run', async () => {
    for (const [user, answer] of [
      ['edit', 'no'],
      ['admin', 'no'],
      [POSTSYNC, 'yes'],
    ] as const) {
      const question = [
        'can-i',
        'patch',
        'synctestruns',
        '--subresource=status',
        '-n',
        namespace,
        `--as=${user}`,
      ];
      const said = await kubectl('auth', ...question).catch(
        (error: { stdout?: string }) => error.stdout ?? '',
      );
      assert.equal(said.trim(), answer, user);
    }
  });

  test('postsync can read no Secret, anywhere', async () => {
    assert.match(await ask(['get', 'secrets', '-A'], POSTSYNC), /cannot list resource "secrets"/);
  });
});
