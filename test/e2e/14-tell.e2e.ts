import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { after, before, describe } from 'node:test';
import { promisify } from 'node:util';
import { need, TEST_IMAGE } from './support/env.ts';
import { install, kubectl, SYSTEM_NAMESPACE } from './support/install.ts';
import { conditionOf } from './support/objects.ts';
import { type Scene, shell, sleeping } from './support/scene.ts';
import { deployedLog } from './support/state.ts';
import { aWorld, scenario } from './support/world.ts';

const IMAGE = process.env['E2E_IMAGE'];
const HOOK = 'hook';

/** What notification-controller posts, as far as it is looked at. */
interface Event {
  readonly involvedObject: Readonly<Record<string, string>>;
  readonly severity: string;
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly reportingController: string;
}

describe('postsync tells', { concurrency: 1 }, () => {
  const world = aWorld({ name: 'tell', started: false });

  before(async () => {
    if (!IMAGE) return;
    const metadata = { name: 'postsync-flux', namespace: SYSTEM_NAMESPACE };
    const stringData = { token: randomBytes(16).toString('hex') };
    await world.api.apply({ kind: 'Secret', metadata, stringData });
    await install(IMAGE, { replicas: 1, components: ['flux-alert', 'flux-events'] });
  });
  after(async () => {
    await install(IMAGE, { replicas: 0 });
    const told = ['alert/postsync', 'provider/postsync', 'secret/postsync-flux'];
    await kubectl('delete', '--namespace', SYSTEM_NAMESPACE, '--ignore-not-found', ...told);
  });

  scenario(world, 'Flux of each verdict once, and its Alerts pass it on', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    const { namespace } = scene;
    await isAvailable(scene);
    await anAlert(scene);
    await scene.syncTest('good', { releases: {}, job: shell('exit 0') });
    await scene.syncTest('bad', { releases: {}, shareOutput: true, job: shell('echo tea is cold; exit 3') });
    await scene.syncTest('shy', { releases: {}, job: shell('echo a secret; exit 3') });
    const annotations = { 'event.toolkit.fluxcd.io/commit': 'c0ffee' };
    await scene.release('app', { annotations });
    await scene.verdict('app');

    const events = await scene.until('three verdicts have arrived', async () => {
      const ours = (await received(scene)).filter((one) => one.reportingController === 'postsync');
      return ours.length >= 3 && ours;
    });

    const byTest = new Map(events.map((event) => [event.metadata['test'] ?? '', event]));
    const told = (test: string) => byTest.get(test) ?? assert.fail(`nothing of ${test}`);
    for (const test of ['good', 'bad', 'shy']) {
      const { involvedObject, metadata } = told(test);
      assert.equal(
        `${involvedObject['kind']} ${involvedObject['namespace']}/${involvedObject['name']}`,
        `HelmRelease ${namespace}/app`,
      );
      assert.equal(metadata['revision'], '1.0.0');
      assert.equal(metadata['commit'], 'c0ffee');
      assert.equal(metadata['run'], scene.runs('app', test)[0]?.metadata.name);
      assert.equal(metadata['token'], undefined);
    }
    const { good, bad, shy } = { good: told('good'), bad: told('bad'), shy: told('shy') };
    assert.deepEqual([good.severity, good.reason], ['info', 'TestPassed']);
    assert.deepEqual([bad.severity, bad.reason], ['error', 'TestFailed']);
    assert.match(
      bad.message,
      /^test bad failed, v1 \(chart 1\.0\.0\): JobFailed: .* code 3: tea is cold \(run /,
    );
    assert.match(shy.message, /^test shy failed, v1 \(chart 1\.0\.0\): JobFailed \(run [^ ]+\)$/);

    // A second run says the same of the same revision: it is told all the same.
    await scene.annotate('app', { 'postsync.dev/requestedAt': 'now' });
    await scene.until('the verdicts of the re-run have arrived', async () => {
      const ours = (await received(scene)).filter((one) => one.reportingController === 'postsync');
      return ours.length >= 6;
    });
    const all = (await received(scene)).filter((one) => one.reportingController === 'postsync');
    assert.equal(new Set(all.map(({ metadata }) => metadata['run'])).size, 6);
    assert.equal(all.length, 6);
  });

  scenario(world, 'nothing that makes itself look again', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    const { api, namespace } = scene;
    await isAvailable(scene);
    const eventSources = [{ kind: 'HelmRelease', name: '*', namespace }];
    await api.patch('Alert', [SYSTEM_NAMESPACE, 'postsync'], { spec: { eventSources, inclusionList: null } });
    await scene.syncTest('t', { releases: {}, job: shell('exit 0') });
    await scene.release('app');
    await scene.verdict('app');

    const line = await scene.until("postsync's own event came back", async () => {
      const lines = await deployedLog(api, namespace);
      return lines.find((one) => one.includes('"TestPassed"'));
    });
    const { accepted, because } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual(
      { accepted, because },
      { accepted: false, because: 'sent by postsync, not by helm-controller' },
    );
  });

  scenario(world, 'whoever runs `postsync run` of the verdict, by an exit code', async (scene, t) => {
    if (!need(t, 'E2E_IMAGE')) return;
    await isAvailable(scene);
    await scene.syncTest('good', { releases: {}, job: shell(sleeping(1)) });
    await scene.release('app');
    await scene.verdict('app');
    const good = await run(`${scene.namespace}/app`, '--reason', 'the database is back', '--wait', '1m');
    assert.equal(good.code, 0, good.said);
    const [, name] = /^(app-good-v1-[0-9a-f]{16})\n\1: passed in \d+s\n$/.exec(good.said) ?? [];
    const created = scene.runs('app').find(({ metadata }) => metadata.name === name);
    assert.equal(created?.spec.reason, 'the database is back');
    assert.equal(created.spec.cause, 'manual');
    assert.ok(created.spec.requestedBy);

    await scene.syncTest('bad', { releases: {}, job: shell('exit 3') });
    const bad = await run(`${scene.namespace}/app`, '--test', 'bad', '--wait', '1m');
    assert.equal(bad.code, 1, bad.said);
    assert.match(bad.said, /: failed in \d+s: JobFailed: container test exited with code 3/);

    const none = await run(`${scene.namespace}/none`);
    assert.equal(none.code, 4);
    assert.match(none.said, /there is no HelmRelease/);
  });
});

/** Runs the command as the administrator that KUBECONFIG names. */
async function run(...argv: string[]): Promise<{ readonly code: number; readonly said: string }> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['src/main.ts', 'run', ...argv]);
    return { code: 0, said: stdout };
  } catch (error) {
    const {
      code = -1,
      stdout = '',
      stderr = '',
    } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, said: stdout + stderr };
  }
}

/** A web server that logs what is posted to it, and an Alert and a Provider of the scenario's namespace that post to it. */
async function anAlert(scene: Scene): Promise<void> {
  const { api, namespace } = scene;
  const metadata = { name: HOOK, namespace };
  const labels = { app: HOOK };
  const answer = String.raw`Status: 202 Accepted\r\nContent-Type: text/plain\r\n\r\n`;
  const script = String.raw`
mkdir -p /tmp/www/cgi-bin && cd /tmp/www && touch /tmp/events
cat >cgi-bin/hook <<'END'
#!/bin/sh
printf '%s\n' "$(head -c "$CONTENT_LENGTH")" >>/tmp/events
printf '${answer}'
END
chmod +x cgi-bin/hook && httpd -p 8080 -h /tmp/www && exec tail -f /tmp/events`;
  const container = {
    name: HOOK,
    image: TEST_IMAGE,
    imagePullPolicy: 'IfNotPresent',
    command: ['sh', '-c', script],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  };
  const spec = { terminationGracePeriodSeconds: 0, containers: [container] };
  await api.apply({ kind: 'Service', metadata, spec: { selector: labels, ports: [{ port: 8080 }] } });
  const template = { metadata: { labels }, spec };
  await api.apply({ kind: 'Deployment', metadata, spec: { selector: { matchLabels: labels }, template } });
  const address = `http://${HOOK}.${namespace}.svc.cluster.local.:8080/cgi-bin/hook`;
  await api.apply({ kind: 'Provider', metadata, spec: { type: 'generic', address, timeout: '60s' } });
  const eventSources = [{ kind: 'HelmRelease', name: '*' }];
  await api.apply({ kind: 'Alert', metadata, spec: { providerRef: { name: HOOK }, eventSources } });
  await scene.until('the web server is available', async () => {
    return conditionOf(await api.get('Deployment', namespace, HOOK), 'Available')?.status === 'True';
  });
}

/** What has been posted until now, by whomever. */
async function received({ api, view, namespace }: Scene): Promise<readonly Event[]> {
  const pods = view.pods(namespace).filter(({ metadata }) => metadata.labels?.['app'] === HOOK);
  const logs = await Promise.all(
    pods.map(({ metadata: { name } }) => api.text(`/api/v1/namespaces/${namespace}/pods/${name}/log`)),
  );
  const lines = logs.flatMap((log) => log.split('\n')).filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Event);
}

function isAvailable(scene: Scene): Promise<true> {
  return scene.until('the Deployment is available', async () => {
    const deployment = await scene.api.get('Deployment', SYSTEM_NAMESPACE, 'postsync');
    return conditionOf(deployment, 'Available')?.status === 'True';
  });
}
