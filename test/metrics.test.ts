import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createMetrics } from '../src/metrics.ts';

const PODINFO = { namespace: 'apps', name: 'podinfo' };

function aRegistry() {
  return createMetrics({ cluster: 'prod', version: '1.2.3' });
}

async function lines(metrics: ReturnType<typeof aRegistry>, name: string): Promise<string[]> {
  const text = await metrics.text();
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('the metrics', () => {
  test('count events by answer', async () => {
    const metrics = aRegistry();

    metrics.event('accepted');
    metrics.event('accepted');
    metrics.event('invalid');

    assert.deepEqual(await lines(metrics, 'postsync_events_total{'), [
      'postsync_events_total{answer="accepted"} 2',
      'postsync_events_total{answer="invalid"} 1',
    ]);
  });

  test('count what was told to Flux by what became of it', async () => {
    const metrics = aRegistry();

    metrics.told('delivered');

    assert.deepEqual(await lines(metrics, 'postsync_events_sent_total{'), [
      'postsync_events_sent_total{delivery="delivered"} 1',
    ]);
  });

  test('count runs and leave out the duration of one that never ran', async () => {
    const metrics = aRegistry();

    metrics.run({ kind: 'job', verdict: 'failed', reason: 'JobFailed', seconds: 12 });
    metrics.run({ kind: 'job', verdict: 'inconclusive', reason: 'Unschedulable' });

    assert.equal((await lines(metrics, 'postsync_runs_total{')).length, 2);
    assert.deepEqual(await lines(metrics, 'postsync_run_duration_seconds_sum'), [
      'postsync_run_duration_seconds_sum{kind="job",verdict="failed"} 12',
    ]);
  });

  test('show one result a release, and none once it is gone', async () => {
    const metrics = aRegistry();

    metrics.releaseResult(PODINFO, 'running');
    metrics.releaseResult(PODINFO, 'passed');

    const name = 'postsync_release_result';
    assert.deepEqual(await lines(metrics, `${name}{`), [
      `${name}{cluster="prod",namespace="apps",release="podinfo",result="passed"} 1`,
    ]);

    metrics.releaseResult(PODINFO, undefined);
    assert.deepEqual(await lines(metrics, `${name}{`), []);
  });

  test('ask for what is not counted when they are read', async () => {
    const metrics = aRegistry();
    let held = false;
    metrics.gauges({
      leaseHeld: () => held,
      github: () => [{ credential: 'apps/github', remaining: 4999, waiting: 2, isBlocked: held }],
      runs: () => ({ waiting: 3, running: 1 }),
      oldestUndecidedAt: () => undefined,
    });
    assert.deepEqual(await lines(metrics, 'postsync_lease_held'), ['postsync_lease_held 0']);

    held = true;

    assert.deepEqual(await lines(metrics, 'postsync_lease_held'), ['postsync_lease_held 1']);
    assert.deepEqual(await lines(metrics, 'postsync_runs{'), [
      'postsync_runs{state="waiting"} 3',
      'postsync_runs{state="running"} 1',
    ]);
    assert.deepEqual(await lines(metrics, 'postsync_oldest_undecided'), [
      'postsync_oldest_undecided_revision_age_seconds 0',
    ]);
    assert.deepEqual(await lines(metrics, 'postsync_github_'), [
      'postsync_github_rate_limit_remaining{credential="apps/github"} 4999',
      'postsync_github_waiting{credential="apps/github"} 2',
      'postsync_github_blocked{credential="apps/github"} 1',
    ]);
  });

  test('count calls to GitHub by operation and status', async () => {
    const metrics = aRegistry();

    metrics.githubCall('list_runs', 304, 0.1);

    assert.deepEqual(await lines(metrics, 'postsync_github_requests_total{'), [
      'postsync_github_requests_total{operation="list_runs",code="304"} 1',
    ]);
  });

  test('count calls to the API by verb, resource and status', async () => {
    const metrics = aRegistry();

    metrics.apiCall('create', 'jobs', 409, 0.004);

    assert.deepEqual(await lines(metrics, 'postsync_api_requests_total{'), [
      'postsync_api_requests_total{verb="create",resource="jobs",code="409"} 1',
    ]);
  });

  test('have names in the convention of Prometheus, and help', async () => {
    const metrics = aRegistry();
    metrics.apiCall('get', 'pods', 200, 0.1);
    const text = await metrics.text();

    for (const [, name = '', kind] of text.matchAll(/^# TYPE (postsync_\S+) (\S+)$/gm)) {
      assert.equal(name.endsWith('_total'), kind === 'counter', name);
      if (kind === 'histogram') assert.match(name, /_seconds$/);
      assert.match(text, new RegExp(`# HELP ${name} [A-Z].*\\.`), name);
    }
    assert.match(text, /postsync_build_info\{version="1\.2\.3",node="v\d/);
  });

  test('say of the process what Prometheus expects of each', async () => {
    const metrics = aRegistry();
    const valueOf = async (name: string) => Number((await lines(metrics, `${name} `))[0]?.split(' ')[1]);

    const cpu = await valueOf('process_cpu_seconds_total');
    const later = await valueOf('process_cpu_seconds_total');
    assert.ok(cpu > 0 && later >= cpu && later < 2 * cpu + 1, `${cpu} s, then ${later} s`);
    const start = (await valueOf('process_start_time_seconds')) * 1000;
    assert.ok(start > Date.now() - 3_600_000 && start <= Date.now(), `started at ${start}`);
    const memory = await valueOf('process_resident_memory_bytes');
    const heap = await valueOf('nodejs_heap_size_used_bytes');
    assert.ok(heap > 1_000_000 && heap < memory, `${heap} bytes of ${memory}`);
  });
});
