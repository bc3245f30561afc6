import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { V1Container, V1Job } from '@kubernetes/client-node';
import * as fc from 'fast-check';
import type { Release, Run } from '../../src/decide/model.ts';
import { literal } from '../../src/run/job-env.ts';
import { type JobDefaults, jobFor } from '../../src/run/job-template.ts';
import { readJob } from '../../src/run/job-view.ts';
import { readSyncTest } from '../../src/synctest.ts';

const release = {
  ref: { namespace: 'apps', name: 'podinfo' },
  uid: 'release-1',
  annotations: {
    'event.toolkit.fluxcd.io/git-commit': '$(HOME) costs $5 $$',
    'params.postsync.dev/port': '8080',
  },
  revision: {
    digest: 'sha256:abc',
    version: 7,
    helmRelease: 'apps-podinfo',
    targetNamespace: 'web',
    chart: 'podinfo',
    chartVersion: '1.2.0',
    appVersion: '6.0.0',
  },
} as unknown as Release;

const run = {
  ref: { namespace: 'apps', name: 'podinfo-smoke-v7-3f9a2c4105be77d1' },
  uid: 'run-1',
  test: { namespace: 'apps', name: 'smoke' },
  attempt: 2,
  cause: 'retry',
} as unknown as Run;

function render(
  spec: object,
  { namespace = 'apps', jobDefaults = {}, image = 'example.com/postsync:1' }: Given = {},
): V1Job {
  const syncTest = readSyncTest({
    metadata: { name: 'smoke', namespace, generation: 1, creationTimestamp: '2026-11-21T10:00:00Z' },
    spec,
  });
  assert.equal(syncTest.test.invalid, undefined);
  const settings = { image, clusterName: 'staging-1', jobDefaults };
  return jobFor({ run, syncTest, release, settings });
}

interface Given {
  readonly namespace?: string;
  readonly jobDefaults?: JobDefaults;
  readonly image?: string;
}

const short = (more: object = {}) => ({ job: { image: 'ghcr.io/acme/e2e:1.4', ...more } });
const templated = (pod: object, { spec = {}, metadata = {} }: { spec?: object; metadata?: object } = {}) => ({
  job: { template: { spec: { ...spec, template: { metadata, spec: pod } } } },
});
const podOf = ({ spec }: V1Job) =>
  spec?.template.spec as NonNullable<NonNullable<V1Job['spec']>['template']['spec']>;
const containerOf = (job: V1Job) => podOf(job).containers[0] as V1Container;
const envOf = (job: V1Job) =>
  Object.fromEntries((containerOf(job).env ?? []).map(({ name, value }) => [name, value]));

const exits = (job: V1Job) => job.spec?.podFailurePolicy?.rules.map(({ onExitCodes }) => onExitCodes);
const pinned = (job: V1Job) =>
  JSON.parse(job.metadata?.annotations?.['postsync.dev/limits'] ?? '').containers;
const named = (name: string) => ({ annotations: { 'kubectl.kubernetes.io/default-container': name } });
const contextOf = (spec: object) => containerOf(render(spec)).securityContext;
const checksOf = (job: V1Job) => JSON.parse(expanded(envOf(job).POSTSYNC_CHECK ?? ''));

test('the Job of the short form is frozen', () => {
  const file = new URL('../fixtures/job.json', import.meta.url);
  const spec = {
    ...short({
      args: ['npm', 'test', '--', '$(PARAM_port)'],
      env: [{ name: 'URL', value: 'http://podinfo.$(POSTSYNC_TARGET_NAMESPACE)' }],
      secrets: [{ name: 'login', mountPath: '/secrets/login' }],
      configMaps: [{ name: 'cases', mountPath: '/cases' }],
      ttlSecondsAfterFinished: 86_400,
    }),
    params: { port: '9898', host: 'podinfo' },
    timeout: '2m',
  };
  assert.deepEqual(render(spec), JSON.parse(readFileSync(file, 'utf8')));
});

test('the same input makes the same Job', () => {
  assert.deepEqual(render(short()), render(short()));
});

test('what is pinned on a Job is read off it', () => {
  const job = render({
    ...short({ ttlSecondsAfterFinished: 0 }),
    inconclusiveExitCodes: [7],
    shareOutput: true,
  });
  const metadata = Object.assign(job.metadata ?? {}, {
    uid: 'job-1',
    creationTimestamp: '2026-11-21T10:00:00Z',
  });
  const view = readJob({ metadata, spec: job.spec });
  assert.deepEqual(view.limits, {
    timeoutMs: 600_000,
    startTimeoutMs: 300_000,
    inconclusiveExitCodes: [7],
    shareOutput: true,
    containers: ['test'],
    ttlSeconds: 0,
  });
  assert.deepEqual([view.runName, view.runUid, view.runNamespace], [run.ref.name, 'run-1', 'apps']);
  assert.deepEqual(view.release, release.ref);
  assert.deepEqual([view.sealed, view.retriesPods, view.finished], [false, false, false]);
});

describe('where it runs', () => {
  test('next to its test, owned by its run where that is in the same namespace', () => {
    assert.equal(render(short()).metadata?.namespace, 'apps');
    assert.equal(render(short()).metadata?.ownerReferences?.length, 1);
  });

  test('in the namespace of a shared test, without an owner', () => {
    const { metadata } = render(short(), { namespace: 'tests' });
    assert.deepEqual([metadata?.namespace, metadata?.ownerReferences], ['tests', undefined]);
  });

  test('next to the release, when the test says so', () => {
    const { metadata } = render({ ...short(), runIn: 'release' }, { namespace: 'tests' });
    assert.deepEqual([metadata?.namespace, metadata?.ownerReferences?.length], ['apps', 1]);
  });
});

describe('its end', () => {
  test('the first failure ends it, unless a backoffLimit asks for more', () => {
    assert.deepEqual(exits(render(short())), [undefined, { operator: 'NotIn', values: [0] }]);
    const spec = { ...short({ backoffLimit: 2 }), inconclusiveExitCodes: [99, 75, 99] };
    assert.deepEqual(exits(render(spec)), [undefined, { operator: 'In', values: [75, 99] }]);
    assert.deepEqual(exits(render({ ...spec, inconclusiveExitCodes: [] })), [undefined]);
  });

  test('its deadline leaves time to wait, to run, and for postsync to be first', () => {
    assert.equal(render({ ...short(), timeout: '2m', startTimeout: '1m' }).spec?.activeDeadlineSeconds, 240);
    assert.equal(render(short({ activeDeadlineSeconds: 30 })).spec?.activeDeadlineSeconds, 30);
    assert.equal(render(short({ activeDeadlineSeconds: 9999 })).spec?.activeDeadlineSeconds, 960);
  });

  test('it is not removed before its outcome is written', () => {
    assert.equal(render(short({ ttlSecondsAfterFinished: 60 })).spec?.ttlSecondsAfterFinished, undefined);
  });

  test('the container that the annotation names decides, else all that the test has', () => {
    const containers = [
      { name: 'db', image: 'a' },
      { name: 'e2e', image: 'b' },
    ];
    assert.deepEqual(pinned(render(templated({ containers }))), ['db', 'e2e']);
    assert.deepEqual(pinned(render(templated({ containers }, { metadata: named('e2e') }))), ['e2e']);
    assert.deepEqual(pinned(render(templated({ containers }, { metadata: named('x') }))), ['db', 'e2e']);
  });

  test('a Pod is never restarted in place', () => {
    const job = render(templated({ containers: [{ name: 'a', image: 'a' }], restartPolicy: 'OnFailure' }));
    assert.equal(podOf(job).restartPolicy, 'Never');
  });
});

describe('what it is told', () => {
  test('params, with the values of the release', () => {
    const env = envOf(render({ ...short(), params: { port: '9898', host: 'podinfo' } }));
    assert.deepEqual([env.PARAM_port, env.PARAM_host], ['8080', 'podinfo']);
  });

  test('a value of ours reaches the container as it is', () => {
    assert.equal(envOf(render(short())).POSTSYNC_META_GIT_COMMIT, '$$(HOME) costs $$5 $$$$');
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('$', '(', ')', 'A') }), (value) => {
        assert.equal(expanded(literal(value)), value);
      }),
    );
  });

  test('what is not known is left out', () => {
    assert.ok(!('POSTSYNC_OCI_DIGEST' in envOf(render(short()))));
  });

  test('every container is told, those that initialize too', () => {
    const job = render(
      templated({ initContainers: [{ name: 'i', image: 'a' }], containers: [{ name: 'a', image: 'a' }] }),
    );
    for (const { env = [] } of [...podOf(job).containers, ...(podOf(job).initContainers ?? [])]) {
      assert.ok(env.some(({ name, value }) => name === 'POSTSYNC_DIGEST' && value === 'sha256:abc'));
    }
  });
});

/** As Kubernetes does it where no variable is defined (third_party/forked/golang/expansion). */
function expanded(value: string): string {
  return value.replaceAll(/\$(\$|\([^)]*\))/g, (whole, next: string) => (next === '$' ? '$' : whole));
}

describe('what it may do', () => {
  test('it is restricted as Pod Security wants it', () => {
    assert.deepEqual(contextOf(short()), {
      runAsNonRoot: true,
      runAsUser: 65_532,
      seccompProfile: { type: 'RuntimeDefault' },
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
  });

  test('a test that wants to be root is, and nothing more', () => {
    const context = contextOf(short({ securityContext: { runAsUser: 0 } }));
    assert.deepEqual([context?.runAsUser, context?.runAsNonRoot], [0, undefined]);
    assert.equal(context?.allowPrivilegeEscalation, false);
  });

  test("a test that wants the image's own user has it", () => {
    const context = contextOf(short({ securityContext: { runAsNonRoot: false } }));
    assert.deepEqual([context?.runAsUser, context?.runAsNonRoot], [undefined, false]);
  });

  test('what the Pod of a template says is not overruled', () => {
    const securityContext = { runAsUser: 1000, seccompProfile: { type: 'Unconfined' } };
    const context = contextOf(templated({ securityContext, containers: [{ name: 'a', image: 'a' }] }));
    assert.deepEqual(
      [context?.runAsUser, context?.seccompProfile, context?.runAsNonRoot],
      [undefined, undefined, true],
    );
  });

  test('a privileged container is one that the API server takes', () => {
    assert.equal(
      contextOf(short({ securityContext: { privileged: true } }))?.allowPrivilegeEscalation,
      undefined,
    );
  });

  test('it has a token only with a service account of its own', () => {
    assert.equal(podOf(render(short())).automountServiceAccountToken, false);
    assert.equal(podOf(render(short({ serviceAccountName: 'e2e' }))).automountServiceAccountToken, undefined);
  });
});

describe('what the administrator gives every Job', () => {
  const jobDefaults: JobDefaults = {
    labels: { team: 'sre', 'postsync.dev/run': 'forged' },
    annotations: { note: 'a' },
    tolerations: [{ key: 'tests', operator: 'Exists' }],
    nodeSelector: { pool: 'tests' },
    resources: { limits: { memory: '1Gi' } },
    imagePullSecrets: [{ name: 'pull' }],
    registry: 'mirror.example.com/hub/',
    priorityClassName: 'low',
  };

  test('is added to what the test asks for', () => {
    const job = render(
      templated({
        tolerations: [{ key: 'gpu' }],
        nodeSelector: { pool: 'gpu' },
        containers: [
          { name: 'a', image: 'busybox:1', resources: { limits: { cpu: '1' } } },
          { name: 'b', image: 'ghcr.io/acme/e2e:1' },
        ],
      }),
      { jobDefaults },
    );
    const pod = podOf(job);
    assert.deepEqual(
      pod.tolerations?.map(({ key }) => key),
      ['tests', 'gpu'],
    );
    assert.deepEqual(pod.nodeSelector, { pool: 'gpu' });
    assert.deepEqual(pod.imagePullSecrets, [{ name: 'pull' }]);
    assert.equal(pod.priorityClassName, 'low');
    assert.deepEqual(
      pod.containers.map(({ image, resources }) => [image, resources?.limits]),
      [
        ['mirror.example.com/hub/busybox:1', { cpu: '1' }],
        ['ghcr.io/acme/e2e:1', { memory: '1Gi' }],
      ],
    );
  });

  test('leaves the own image as it was configured', () => {
    const job = render({ check: { http: [{ url: 'http://a' }] } }, { jobDefaults, image: 'postsync' });
    assert.equal(containerOf(job).image, 'postsync');
  });

  test('does not replace what postsync writes', () => {
    const { metadata, spec } = render(short(), { jobDefaults });
    assert.deepEqual([metadata?.labels?.team, metadata?.labels?.['postsync.dev/run']], ['sre', run.ref.name]);
    assert.equal(spec?.template.metadata?.labels?.['postsync.dev/run'], run.ref.name);
    assert.equal(spec?.template.metadata?.annotations?.note, 'a');
  });
});

describe('an HTTP check', () => {
  test('is a Job of the own image, told by a variable what to ask', () => {
    const job = render({
      check: { http: [{ url: 'http://podinfo:$(PARAM_port)/a' }] },
      params: { port: '9898' },
    });
    const { image, args, command } = containerOf(job);
    assert.deepEqual([image, args, command], ['example.com/postsync:1', ['check'], undefined]);
    assert.deepEqual(checksOf(job), [
      { method: 'GET', status: [200], intervalMs: 5000, url: 'http://podinfo.web:8080/a', timeoutMs: 60_000 },
    ]);
  });

  test('looks a host of one label up where the release deploys to, and no other', () => {
    const urls = [
      'http://podinfo/',
      'http://podinfo.apps/',
      'http://localhost/',
      'http://10.0.0.1/',
      'http://[::1]/',
    ];
    const job = render({ check: { http: urls.map((url) => ({ url })) } });
    assert.deepEqual(
      checksOf(job).map(({ url }: { url: string }) => url),
      ['http://podinfo.web/', ...urls.slice(1)],
    );
  });

  test('ends before the timeout of its test does', () => {
    const job = render({ check: { http: [{ url: 'http://a', timeout: '1h' }] }, timeout: '1m' });
    assert.equal(checksOf(job)[0].timeoutMs, 55_000);
  });

  test('puts params into headers and patterns, and leaves what it does not know', () => {
    const http = [{ url: 'http://a', headers: { 'x-port': '$(PARAM_port)' }, bodyMatch: '$(PARAM_none)' }];
    const [check] = checksOf(render({ check: { http }, params: { port: '1' } }));
    assert.deepEqual([check.headers, check.bodyMatch], [{ 'x-port': '8080' }, '$(PARAM_none)']);
  });
});
