import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { shownAs } from './support/dispatched.ts';
import { environmentOf, Runner, stepOf } from './support/workflows.ts';

describe('the test by the helm CLI', () => {
  const { job, step } = stepOf('helm-test.yaml', 'helm-test', 'Test');
  const cleanUp = stepOf('helm-test.yaml', 'helm-test', 'Clean up').step;
  const given = shownAs('chart', 'workflow_dispatch');
  const HOOK = { name: 'web-podinfo-test', kind: 'Pod', manifest: 'kind: Pod', events: ['test'], weight: 1 };
  const OTHER = { name: 'migrate', kind: 'Job', manifest: 'kind: Job', events: ['pre-upgrade'] };
  const COPY = 'sh.helm.release.v1.web-podinfo.v7';
  const STATUS = {
    observedGeneration: 2,
    storageNamespace: 'flux-system',
    conditions: [{ type: 'Ready', status: 'True' }],
    history: [
      { digest: given.ours['digest'], status: 'deployed', namespace: 'web', name: 'web-podinfo', version: 7 },
    ],
  };

  interface World {
    readonly status?: object;
    readonly metadata?: object;
    readonly spec?: object;
    readonly hooks?: readonly object[];
    readonly helmExits?: number;
    readonly variables?: Record<string, string>;
  }

  /** The step with a kubectl and a helm that only write down what they are told. */
  async function helmTest({
    status = {},
    metadata = {},
    spec = {},
    hooks = [OTHER, HOOK],
    helmExits = 0,
    variables = {},
  }: World = {}) {
    using runner = new Runner(given.event);
    const { folder } = runner;
    const stored = {
      name: 'web-podinfo',
      namespace: 'web',
      version: 7,
      manifest: 'hunter2',
      config: { password: 'hunter2' },
      info: { status: 'deployed', notes: 'hunter2' },
      chart: { metadata: { name: 'podinfo' }, values: 'hunter2' },
      hooks,
    };
    mkdirSync(join(folder, 'bin'));
    writeFileSync(
      join(folder, 'helmrelease'),
      JSON.stringify({ metadata: { generation: 2, ...metadata }, spec, status: { ...STATUS, ...status } }),
    );
    writeFileSync(
      join(folder, 'secret'),
      Buffer.from(gzipSync(JSON.stringify(stored)).toString('base64')).toString('base64'),
    );
    const tools = {
      kubectl:
        'echo "$KUBECONFIG: $(cat "${KUBECONFIG:-kubeconfig}")" > used\ncase "$2" in helmreleases*) cat helmrelease ;; secret) cat secret ;; esac\n[ "$1" != create ] || cp copy.json created',
      helm: `echo "HELM_DRIVER=$HELM_DRIVER" >> calls\nexit ${helmExits}`,
    };
    for (const [name, script] of Object.entries(tools)) {
      const path = join(folder, 'bin', name);
      writeFileSync(path, `#!/bin/bash\necho "${name} $*" >> calls\n${script}\n`);
      chmodSync(path, 0o755);
    }
    const environment = environmentOf(job, step, {
      ...given.contexts,
      secrets: { POSTSYNC_KUBECONFIG: 'a kubeconfig' },
    });
    const all = {
      ...environment,
      PATIENCE_SECONDS: '0',
      PATH: `${folder}/bin:${process.env['PATH']}`,
      ...variables,
    };
    const read = (name: string) =>
      existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '';
    const ran = await runner.run(step, all);
    const [calls, used, created] = [read('calls').split('\n'), read('used'), read('created')];
    writeFileSync(join(folder, 'calls'), '');
    const cleaned = await runner.run(cleanUp, all);
    return { ...ran, calls, used, created, cleaned, cleaning: read('calls'), kubeconfig: read('kubeconfig') };
  }

  test('gives helm a copy of the test hooks, and nothing else of the release', async () => {
    const { code, log, calls, created, used } = await helmTest();

    assert.equal(code, 0, log);
    assert.deepEqual(calls.slice(-3), [
      'helm test web-podinfo --namespace web --timeout 5m --logs',
      'HELM_DRIVER=configmap',
      '',
    ]);
    assert.match(used, /kubeconfig: a kubeconfig\n$/);
    const { kind, metadata, data } = JSON.parse(created) as {
      kind: string;
      metadata: object;
      data: { release: string };
    };
    assert.equal(kind, 'ConfigMap');
    assert.deepEqual(metadata, {
      name: COPY,
      labels: { owner: 'helm', status: 'deployed', name: 'web-podinfo', version: '7' },
    });
    const copy = JSON.parse(gunzipSync(Buffer.from(data.release, 'base64')).toString()) as {
      hooks: object[];
    };
    assert.deepEqual(copy.hooks, [HOOK]);
    assert.ok(!JSON.stringify(copy).includes('hunter2'));
  });

  test('writes nothing but the copy, and removes it', async () => {
    const { calls, cleaning, kubeconfig } = await helmTest();
    assert.deepEqual(
      calls.filter((call) => call.startsWith('kubectl ') && !call.startsWith('kubectl get ')),
      [
        `kubectl delete configmap ${COPY} --namespace web --ignore-not-found`,
        'kubectl create --namespace web --filename copy.json',
      ],
    );
    assert.ok(
      calls.includes(`kubectl get secret ${COPY} --namespace flux-system --output jsonpath={.data.release}`),
    );
    assert.equal(
      cleaning,
      `kubectl --kubeconfig kubeconfig delete configmap ${COPY} --namespace web --ignore-not-found\n`,
    );
    assert.equal(kubeconfig, '');
  });

  test('fails when helm does, and removes the copy', async () => {
    const { code, cleaning } = await helmTest({ helmExits: 3 });
    assert.equal(code, 3);
    assert.match(cleaning, /delete configmap/);
  });

  const moving: Readonly<Record<string, World>> = {
    'is at another revision': { status: { history: [{ ...STATUS.history[0], digest: 'sha256:eight' }] } },
    'has failed': { status: { history: [{ ...STATUS.history[0], status: 'failed' }] } },
    'is being upgraded': {
      status: { conditions: [{ type: 'Reconciling', status: 'True' }, ...STATUS.conditions] },
    },
    'is not ready': { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } },
    'says nothing of itself': { status: { conditions: [] } },
    'has a newer spec': { metadata: { generation: 3 } },
    'is suspended': { spec: { suspend: true } },
    'is being deleted': { metadata: { deletionTimestamp: '2026-11-21T12:00:00Z' } },
    'has no test hooks': { hooks: [OTHER] },
    'has a Secret among them': { hooks: [HOOK, { ...HOOK, kind: 'Secret' }] },
  };
  for (const [what, world] of Object.entries(moving)) {
    test(`tests nothing when the release ${what}`, async () => {
      const { code, log, calls, cleaned, cleaning } = await helmTest(world);
      assert.equal(code, 1);
      assert.match(log, /^::error::/m);
      assert.ok(!calls.some((call) => call.startsWith('helm ')));
      assert.equal(cleaned.code, 0, cleaned.log);
      assert.equal(cleaning, '');
    });
  }

  test('gives kubectl no name that is an option', async () => {
    for (const name of ['--kubeconfig=/tmp/other', '', 'a b', 'a\n--b', '$(id)']) {
      const { code, calls } = await helmTest({ variables: { RELEASE: name } });
      assert.equal(code, 1, name);
      assert.deepEqual(calls, [''], name);
    }
  });
});
