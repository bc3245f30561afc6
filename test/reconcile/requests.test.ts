import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEYS } from '../../src/decide/keys.ts';
import { keyOf, type Outcome, type Revision, type Run } from '../../src/decide/model.ts';
import type { NewRun } from '../../src/ports.ts';
import { createRequests } from '../../src/reconcile/requests.ts';
import { aManualRun, anOutcome, aRelease, aRun, aTest, NOON, POLICY } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

const RELEASE = aRelease();
const REVISION = RELEASE.revision as Revision;

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
  return { requests, server, forget: () => seen.clear(), deploy: world.putRelease, putTest: world.putTest };
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

  test('with a key is not asked for once more when it comes again after the next deployment', async () => {
    const { requests, server, deploy } = theRequests();
    const asked = { by: 'jane', key: 'build-7' };
    const decided = { by: 'jane', reason: 'known', verdict: 'passed', key: 'build-8' } as const;
    const names = [await requests.run(RELEASE.ref, asked), await requests.override(RELEASE.ref, decided)];
    deploy({ revision: { ...REVISION, digest: 'sha256:eight', version: 8 } });

    assert.deepEqual(await requests.run(RELEASE.ref, asked), names[0]);
    assert.deepEqual(await requests.override(RELEASE.ref, decided), names[1]);
    for (const other of [
      { ...decided, digest: 'sha256:eight' },
      { ...decided, key: 'build-7' },
    ])
      await assert.rejects(requests.override(RELEASE.ref, other), { code: 'API_CONFLICT' });
    assert.equal(server.size, 2);
  });

  test('with a key and a digest is answered the same when that is deployed no more', async () => {
    const { requests, deploy } = theRequests();
    const { digest } = REVISION;
    const decided = { by: 'jane', reason: 'known', verdict: 'passed', key: 'build-8', digest } as const;
    const names = await requests.override(RELEASE.ref, decided);
    deploy({ revision: { ...REVISION, digest: 'sha256:eight', version: 8 } });
    assert.deepEqual(await requests.override(RELEASE.ref, decided), names);
    deploy({ revision: { ...REVISION, digest: 'sha256:nine', version: 9, status: 'failed' } });
    assert.deepEqual(await requests.override(RELEASE.ref, decided), names);
  });

  test('with a key creates nothing for tests that it missed, when something newer is deployed', async () => {
    const { requests, server, deploy, putTest } = theRequests();
    const decided = { by: 'jane', reason: 'known', verdict: 'passed', key: 'build-8' } as const;
    const names = await requests.override(RELEASE.ref, decided);
    putTest(aTest('e2e'));
    deploy({ revision: { ...REVISION, digest: 'sha256:eight', version: 8 } });
    assert.deepEqual(await requests.override(RELEASE.ref, decided), names);
    assert.equal(server.size, 1);
  });

  test('with a key creates what it missed, while the same is deployed', async () => {
    const { requests, server, putTest } = theRequests();
    const asked = { by: 'jane', key: 'build-7' };
    await requests.run(RELEASE.ref, asked);
    putTest(aTest('e2e'));
    assert.deepEqual(await requests.run(RELEASE.ref, asked), [...server.keys()]);
    assert.equal(server.size, 2);
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

/** A release whose test has ended, and a replica that is asked for the verdict. */
async function aTested(options: Parameters<typeof aWorld>[0] = {}, outcome: Partial<Outcome> = {}) {
  const world = aWorld(options);
  const end = async (outcome: Partial<Outcome> = {}) => {
    await world.look();
    world.endJobs(anOutcome(outcome));
    await world.look();
  };
  await end(outcome);
  const requests = createRequests(world.deps());
  const verdict = async () => {
    const { result, isCurrent = false, because = '' } = (await requests.verdict(RELEASE.ref)) ?? {};
    return { result, isCurrent, because };
  };
  return { world, requests, verdict, end };
}

describe('requestedAt', () => {
  test('may be longer than a run can hold: what it asks for is run, once, whoever else asks', async () => {
    const { world, requests, end } = await aTested();
    const { annotations } = (await world.deps().records.readRelease(RELEASE.ref)) ?? RELEASE;
    const because = `${'because '.repeat(40)}🦊`;
    world.putRelease({ annotations: { ...annotations, [KEYS.requestedAt]: because } });
    await end();
    await end();
    assert.equal(world.runs().length, 2);

    await requests.run(RELEASE.ref, { by: 'jane' });
    await end();

    assert.equal(world.runs().length, 3);
    const release = await world.deps().records.readRelease(RELEASE.ref);
    assert.equal(release?.annotations[KEYS.handled], because);
  });
});

describe('the verdict of a release', () => {
  test('is the one that stands there while nothing newer is to come', async () => {
    const { verdict } = await aTested();
    assert.deepEqual(await verdict(), { result: 'passed', isCurrent: true, because: '' });
  });

  test('is not the one from before to who asked for a new run, until that has ended', async () => {
    const { world, requests, verdict, end } = await aTested();
    const [name = ''] = await requests.run(RELEASE.ref, { by: 'jane' });

    const before = await verdict();
    assert.deepEqual([before.result, before.isCurrent], ['passed', false]);
    assert.match(before.because, new RegExp(`asked for: ${name}$`));
    await world.look();
    assert.equal((await verdict()).isCurrent, false);
    await end({ verdict: 'failed' });

    assert.deepEqual(await verdict(), { result: 'failed', isCurrent: true, because: '' });
  });

  test('is not the one from before while the newer one is not written yet', async () => {
    const { world, requests, verdict } = await aTested();
    const [name = ''] = await requests.run(RELEASE.ref, { by: 'jane' });
    const run = world.runs().find(({ ref }) => ref.name === name) as Run;
    world.putRun({ ...run, outcome: anOutcome({ verdict: 'failed' }) });

    assert.deepEqual(await verdict(), {
      result: 'passed',
      isCurrent: false,
      because: 'a newer verdict is about to be written',
    });
  });

  test('waits for a run that another replica has created, or a person, and nobody has seen here', async () => {
    const { world, verdict } = await aTested();
    const requests = createRequests(unaware(world));
    world.putRun(aManualRun());

    assert.equal((await verdict()).isCurrent, false);
    assert.equal((await requests.verdict(RELEASE.ref))?.isCurrent, false);
  });

  test('does not wait for a run of another deployment, or of a release that had its name before', async () => {
    const { world, verdict } = await aTested();
    world.putRun(aManualRun({ digest: 'sha256:six' }));
    assert.equal((await verdict()).isCurrent, true);
    world.putRun(aManualRun({ releaseUid: 'another' }));
    assert.equal((await verdict()).isCurrent, true);
  });

  test('waits for the runs that requestedAt asks for, also before they are there', async () => {
    const { world, verdict, end } = await aTested();
    const { annotations } = (await world.deps().records.readRelease(RELEASE.ref)) ?? RELEASE;
    world.putRelease({ annotations: { ...annotations, [KEYS.requestedAt]: 'now' } });

    assert.match((await verdict()).because, /requestedAt asks for a new run of smoke$/);
    await end({ verdict: 'failed' });

    assert.deepEqual(await verdict(), { result: 'failed', isCurrent: true, because: '' });
  });

  test('does not wait for what cannot begin: suspended, or for want of what it needs', async () => {
    const tests = [
      aTest('smoke'),
      aTest('load', { needs: ['smoke'] }),
      aTest('old', { suspended: true, required: false }),
    ];
    const { world, verdict, end } = await aTested({ tests }, { verdict: 'failed' });
    const { annotations } = (await world.deps().records.readRelease(RELEASE.ref)) ?? RELEASE;
    world.putRelease({ annotations: { ...annotations, [KEYS.requestedAt]: 'now' } });
    await end({ verdict: 'failed' });

    assert.deepEqual(await verdict(), { result: 'failed', isCurrent: true, because: '' });
  });
});

/** A replica whose watch of runs has told it nothing. */
function unaware(world: ReturnType<typeof aWorld>) {
  const deps = world.deps();
  const runs = { ...deps.world.runs, in: () => [] };
  return { ...deps, world: { ...deps.world, runs } };
}
