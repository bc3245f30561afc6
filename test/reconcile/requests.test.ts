import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keyOf, type Run } from '../../src/decide/model.ts';
import type { NewRun } from '../../src/ports.ts';
import { createRequests } from '../../src/reconcile/requests.ts';
import { anOutcome, aRelease, aRun, NOON, POLICY } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

const RELEASE = aRelease();

/** Requests to a replica that has seen nothing of what others have created until it meets it. */
function theRequests() {
  const world = aWorld();
  const { records, jobs, dispatches, world: tables } = world.deps();
  const server = new Map<string, Run>();
  const seen = new Map<string, Run>();
  const createRun = async ({ name, test, attempt, cause, verdict }: NewRun): Promise<Run> => {
    const ref = { namespace: 'apps', name };
    const override = verdict && { verdict, reason: '' };
    const run = aRun({ ref, test: test.ref.name, attempt, cause, ...(override && { override }) });
    const had = server.get(name) ?? run;
    server.set(name, had);
    seen.set(name, had);
    return had;
  };
  const runs = { ...tables.runs, in: () => [...seen.values()] };
  const requests = createRequests({
    world: { ...tables, runs },
    jobs,
    dispatches,
    records: { ...records, createRun },
    policy: () => POLICY,
    now: () => NOON,
  });
  return { requests, server, forget: () => seen.clear() };
}

describe('a request for a run', () => {
  test('has a run of its own, whose name it is told', async () => {
    const { requests, server } = theRequests();
    const names = await requests.run(RELEASE.ref, { by: 'jane' });
    assert.deepEqual(names, [...server.keys()]);
    assert.equal(server.get(names[0] ?? '')?.cause, 'manual');
  });

  test('is not answered with a run that has ended, or that was not asked for', async () => {
    const { requests, server, forget } = theRequests();
    const [first = ''] = await requests.run(RELEASE.ref, { by: 'jane' });
    server.set(first, { ...(server.get(first) as Run), outcome: anOutcome() });
    forget();
    const [second = ''] = await requests.run(RELEASE.ref, { by: 'jane' });
    assert.notEqual(second, first);
    server.set(second, { ...(server.get(second) as Run), cause: 'retry' });
    forget();
    const [third = ''] = await requests.run(RELEASE.ref, { by: 'jane' });
    assert.deepEqual([...server.keys()], [first, second, third]);
    assert.equal(server.get(third)?.attempt, 3);
  });

  test('with a key has one run however often it comes, also when that has ended', async () => {
    const { requests, server, forget } = theRequests();
    const asked = { by: 'jane', key: 'build-7' };
    const [first = ''] = await requests.run(RELEASE.ref, asked);
    server.set(first, { ...(server.get(first) as Run), outcome: anOutcome() });
    forget();
    assert.deepEqual(await requests.run(RELEASE.ref, asked), [first]);
    assert.equal(server.size, 1);
  });

  test('with a key that stood for something else is refused', async () => {
    const { requests, server } = theRequests();
    const decided = { by: 'jane', reason: 'known', key: 'build-7' };
    await requests.run(RELEASE.ref, { by: 'jane', key: 'build-7' });
    await assert.rejects(requests.override(RELEASE.ref, { ...decided, verdict: 'passed' }), {
      code: 'API_CONFLICT',
    });
    assert.equal(server.size, 1);
    const other = { ...decided, key: 'build-8' };
    await requests.override(RELEASE.ref, { ...other, verdict: 'passed' });
    await assert.rejects(requests.override(RELEASE.ref, { ...other, verdict: 'failed' }), {
      code: 'API_CONFLICT',
    });
  });

  test('for what is not there says what there is', async () => {
    const { requests } = theRequests();
    const nobody = { namespace: 'apps', name: 'nobody' };
    await assert.rejects(requests.run(nobody, { by: 'jane' }), { code: 'RELEASE_NOT_FOUND' });
    await assert.rejects(requests.run(RELEASE.ref, { by: 'jane', tests: ['nope'] }), {
      code: 'TEST_NOT_FOUND',
      message: `${keyOf(RELEASE.ref)} has no test nope; its tests are: smoke`,
    });
    const digest = 'sha256:other';
    await assert.rejects(
      requests.override(RELEASE.ref, { by: 'jane', verdict: 'passed', reason: 'r', digest }),
      { code: 'NOTHING_TO_TEST' },
    );
  });
});
