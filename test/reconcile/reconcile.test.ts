import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KEYS } from '../../src/decide/keys.ts';
import { PostsyncError } from '../../src/errors.ts';
import { reconcile } from '../../src/reconcile/reconcile.ts';
import { aManualRun, anOutcome, aRelease, aRevision, aTest, LIMITS, moving } from '../support/model.ts';
import { aWorld, type Death } from '../support/world.ts';

/** Looks, and looks again after every death, until a look ends; then lets the test pass. @returns how often it died */
async function untilTheEnd(world: ReturnType<typeof aWorld>, deaths: readonly Death[]): Promise<number> {
  let died = 0;
  for (const death of deaths) {
    world.restart(death);
    await world.look().catch((error: Error) => {
      assert.match(error.message, /died/);
      died += 1;
    });
  }
  world.restart();
  await world.look();
  world.endJobs(anOutcome());
  await world.look();
  return died;
}

describe('a release that was upgraded', () => {
  test('has a run, then a Job, then its result, and its verdict when the Job has ended', async () => {
    const world = aWorld();
    await world.look();
    assert.deepEqual(world.writes, ['create run', 'create job', 'start run', 'write result']);
    assert.equal(world.result(), 'running');

    world.endJobs(anOutcome());
    await world.look();
    assert.deepEqual(world.writes.slice(4), ['end run', 'write result', 'tell verdict', 'seal job']);
    assert.equal(world.result(), 'passed');
    assert.deepEqual(world.verdicts(), ['passed Passed']);
  });

  test('has the name of its run in every line of the log about it', async () => {
    const world = aWorld();
    await world.look();
    world.endJobs(anOutcome());
    await world.look();
    const name = world.created[0];
    assert.deepEqual(
      world.logged.flatMap(({ actions, run }) => actions ?? run ?? []),
      [`create ${name}`, `start ${name}`, `finish ${name}`, name],
    );
  });

  test('is left alone when nothing is due', async () => {
    const world = aWorld();
    await untilTheEnd(world, []);
    const before = world.writes.length;
    await world.look();
    await world.look();
    assert.equal(world.writes.length, before);
  });

  test('is left alone where no test is asked for', async () => {
    const world = aWorld({ tests: [] });
    await world.look();
    assert.deepEqual(world.writes, []);
  });

  test('tells when to look again', async () => {
    const world = aWorld();
    const wakeAt = await world.look();
    assert.equal(wakeAt, Date.parse('2026-11-21T12:11:00.000Z'));
  });
});

describe('whatever moment the process dies, there is exactly one Job, and a verdict at the end', () => {
  for (const when of ['before', 'after'] as const) {
    for (const at of [1, 2, 3, 4]) {
      test(`when it dies right ${when} write ${at} of the start`, async () => {
        const world = aWorld();
        assert.equal(await untilTheEnd(world, [{ at, when }]), 1);
        assert.equal(world.created.length, 1);
        assert.deepEqual(world.verdicts(), ['passed Passed']);
        assert.equal(world.result(), 'passed');
        assert.ok(world.jobs().every(({ isSealed }) => isSealed));
      });

      test(`when it dies right ${when} write ${at} of the end`, async () => {
        const world = aWorld();
        await world.look();
        world.endJobs(anOutcome());
        assert.equal(await untilTheEnd(world, [{ at, when }]), 1);
        assert.equal(world.created.length, 1);
        assert.deepEqual(world.verdicts(), ['passed Passed']);
        assert.equal(world.result(), 'passed');
        assert.ok(world.writes.includes('tell verdict'));
        assert.ok(world.jobs().every(({ isSealed }) => isSealed));
      });
    }

    test(`when it dies again and again right ${when} a write, with two tests`, async () => {
      const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')] });
      const deaths = [1, 1, 2, 2, 1, 3, 1, 2].map((at) => ({ at, when }));
      assert.ok((await untilTheEnd(world, deaths)) > 4);
      assert.equal(new Set(world.created).size, 2);
      assert.equal(world.created.length, 2);
      assert.deepEqual(world.verdicts(), ['passed Passed', 'passed Passed']);
    });
  }

  for (const when of ['before', 'after'] as const) {
    for (const at of [1, 2, 3, 4]) {
      test(`a verdict without a Job is told, when it dies right ${when} write ${at}`, async () => {
        const world = aWorld();
        world.failures.set('create job', new PostsyncError('API_REJECTED', 'no such field'));
        world.restart({ at, when });
        await world.look().catch(() => undefined);
        world.restart();
        await world.look();
        assert.deepEqual(world.verdicts(), ['inconclusive JobRefused']);
        assert.ok(world.writes.includes('tell verdict'));
      });
    }
  }

  test('a Job that was created and not written down is not created again when it is gone', async () => {
    const world = aWorld({ tests: [aTest('smoke', { retries: 0 })] });
    world.restart({ at: 2, when: 'after' });
    await assert.rejects(world.look(), /died/);
    world.restart();
    await world.look();
    world.loseJobs();
    await world.look();
    assert.equal(world.created.length, 1);
    assert.deepEqual(world.verdicts(), ['inconclusive JobLost']);
  });
});

describe('a newer revision', () => {
  test('ends the run, stops its Job, and is tested, in one look', async () => {
    const world = aWorld();
    await world.look();
    world.putRelease({ revision: aRevision({ digest: 'sha256:eight', version: 8 }) });
    await world.look();
    assert.deepEqual(world.verdicts(), ['inconclusive Superseded', undefined]);
    assert.deepEqual(
      world.jobs().map(({ isStopping }) => isStopping),
      [true, false],
    );
  });

  test('that was not seen yet is read live before anything is created', async () => {
    const world = aWorld();
    world.putRelease({ conditions: moving().conditions }, { isUnseen: true });
    await world.look();
    assert.deepEqual(world.writes, []);
  });

  test('that was not seen yet is read live before a verdict counts', async () => {
    const world = aWorld();
    await world.look();
    world.endJobs(anOutcome());
    world.putRelease({ revision: aRevision({ digest: 'sha256:eight' }) }, { isUnseen: true });
    await world.look();
    assert.equal(world.verdicts()[0], 'inconclusive Superseded');
  });

  test('that came after the release was read, while another test was started, holds a verdict up', async () => {
    const world = aWorld();
    await world.look();
    world.putTest(aTest('e2e'));
    world.happenings.set('start run', () => {
      world.endJobs(anOutcome());
      world.putRelease({ conditions: moving().conditions }, { isUnseen: true });
    });
    await world.look();
    assert.equal(world.created.length, 2);
    assert.deepEqual(world.verdicts(), [undefined, undefined]);
  });

  test('that is on its way holds a verdict up, and supersedes it', async () => {
    const world = aWorld();
    await world.look();
    world.endJobs(anOutcome());
    const { conditions } = moving();
    world.putRelease({ conditions });
    await world.look();
    assert.deepEqual(world.verdicts(), [undefined]);
    world.putRelease({ conditions: aRelease().conditions, revision: aRevision({ digest: 'sha256:eight' }) });
    await world.look();
    assert.equal(world.verdicts()[0], 'inconclusive Superseded');
  });
});

describe('a failure', () => {
  test('to tell the verdict of a run without a Job does not keep it from being written', async () => {
    const world = aWorld();
    world.failures.set('create job', new PostsyncError('API_REJECTED', 'no such field'));
    world.failures.set('tell verdict', new PostsyncError('API_FORBIDDEN', 'quota of events'));
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    assert.deepEqual(world.verdicts(), ['inconclusive JobRefused']);
    assert.equal(world.result(), 'inconclusive');
  });

  test('of one action does not keep the others, the result or the Jobs from being written', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')] });
    await world.look();
    world.endJobs(anOutcome());
    world.failures.set('tell verdict', new PostsyncError('API_UNAVAILABLE', 'down'));
    await assert.rejects(world.look(), { code: 'API_UNAVAILABLE' });
    assert.deepEqual(world.verdicts(), ['passed Passed', 'passed Passed']);
    assert.equal(world.result(), 'passed');
  });

  test('to write the result does not keep the Jobs of ended runs from being stopped', async () => {
    const world = aWorld();
    await world.look();
    world.failures.set('write result', new PostsyncError('API_FORBIDDEN', 'policy'));
    world.putRelease({ revision: aRevision({ digest: 'sha256:eight', version: 8 }) });
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    assert.equal(world.jobs()[0]?.isStopping, true);
  });

  test('to tidy up after one Job does not keep the others from being stopped', async () => {
    const world = aWorld({ tests: [aTest('smoke'), aTest('e2e')] });
    await world.look();
    world.failures.set('tell verdict', new PostsyncError('API_FORBIDDEN', 'quota of events'));
    world.putRelease({ revision: aRevision({ digest: 'sha256:eight', version: 8 }) });
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    assert.deepEqual(
      world.jobs().map(({ isStopping }) => isStopping),
      [true, true, false, false],
    );
  });

  test('to tell of one run does not keep the timeout of another from being seen in time', async () => {
    const world = aWorld();
    await world.look();
    world.endJobs(anOutcome());
    world.failures.set('tell verdict', new PostsyncError('API_FORBIDDEN', 'quota of events'));
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    world.putRelease({ revision: aRevision({ digest: 'sha256:eight', version: 8 }) });
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    const looked = await reconcile(world.deps(), aRelease().ref);
    world.failures.clear();
    assert.ok(looked.failure);
    assert.ok(looked.wakeAt);
    assert.equal(looked.wakeAt, await world.look());
  });

  test('of one action does not keep the timeout of another run from being seen in time', async () => {
    const world = aWorld();
    await world.look();
    const due = await world.look();
    world.putTest(aTest('e2e'));
    world.failures.set('create run', new PostsyncError('API_FORBIDDEN', 'quota of runs'));
    const { failure, wakeAt } = await reconcile(world.deps(), aRelease().ref);
    assert.ok(failure);
    assert.ok(due);
    assert.equal(wakeAt, due);
  });

  test('to tell what a release cannot get is mended by the next look', async () => {
    const world = aWorld({ release: aRelease({ annotations: { [KEYS.tests]: 'gone' } }), tests: [] });
    world.failures.set('tell problem', new PostsyncError('API_UNAVAILABLE', 'down'));
    await assert.rejects(world.look(), { code: 'API_UNAVAILABLE' });
    world.failures.clear();
    await world.look();
    await world.look();
    assert.deepEqual(world.writes, ['tell problem', 'write result']);
    assert.equal(world.result(), 'pending');
  });

  test('to tell it for good does not keep the result from being written', async () => {
    const world = aWorld({ release: aRelease({ annotations: { [KEYS.tests]: 'gone' } }), tests: [] });
    world.failures.set('tell problem', new PostsyncError('API_FORBIDDEN', 'quota of events'));
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    assert.equal(world.result(), 'pending');
  });

  test('to tell it because of a webhook that fails does not keep the result of before in its place', async () => {
    const world = aWorld();
    await world.look();
    world.endJobs(anOutcome());
    await world.look();
    assert.equal(world.result(), 'passed');
    world.putRelease({
      annotations: { ...world.deps().world.releases.get('apps/podinfo')?.annotations, [KEYS.tests]: 'gone' },
    });
    const broken = new PostsyncError('API_UNAVAILABLE', 'failed calling webhook', { isAnswer: true });
    world.failures.set('tell problem', broken);
    await assert.rejects(world.look(), broken);
    assert.equal(world.result(), 'pending');
  });

  test('by a conflict is passed on, for another look', async () => {
    const world = aWorld();
    world.failures.set('write result', new PostsyncError('API_CONFLICT', 'changed'));
    await assert.rejects(world.look(), { code: 'API_CONFLICT' });
    world.failures.clear();
    await world.look();
    assert.equal(world.result(), 'running');
    assert.equal(world.created.length, 1);
  });
});

describe('a Job that is not known', () => {
  test('is lost only when it is not there either', async () => {
    const world = aWorld();
    await world.look();
    world.showJobsAs(undefined);
    await world.look();
    assert.deepEqual(world.verdicts(), [undefined]);
    world.loseJobs();
    await world.look();
    assert.deepEqual(world.verdicts(), ['inconclusive JobLost']);
  });
});

describe('a Job that was seen waiting', () => {
  test('does not end its run when it runs in truth', async () => {
    const world = aWorld();
    await world.look();
    const since = 0;
    world.showJobsAs({
      phase: 'waiting',
      since,
      reason: 'Unschedulable',
      message: 'no',
      fatal: false,
      limits: LIMITS,
    });
    await world.look();
    assert.deepEqual(world.verdicts(), [undefined]);
  });
});

describe('a Job whose run was deleted', () => {
  test('is stopped and sealed, and nothing is told of it', async () => {
    const world = aWorld();
    await world.look();
    const { job: _, ...again } = world.runs()[0]!;
    world.putRelease({ annotations: { 'postsync.dev/suspend': 'true' } });
    world.putRun({ ...again, uid: 'another-of-its-name' });
    await world.look();
    assert.deepEqual(world.writes.slice(-2), ['stop job', 'seal job']);
    assert.equal(world.jobs()[0]?.isStopping, true);
    await world.look();
    assert.deepEqual(world.writes.slice(-2), ['stop job', 'seal job']);
  });
});

describe('a release that went while nobody looked', () => {
  test('and left its runs behind (--cascade=orphan) has them ended, and their Jobs stopped', async () => {
    const world = aWorld();
    await world.look();
    world.removeRelease();
    world.restart();
    await world.look();
    assert.deepEqual(world.verdicts(), ['inconclusive ReleaseGone']);
    assert.equal(world.jobs()[0]?.isStopping, true);
  });

  test('and takes its runs along leaves nothing to do', async () => {
    const world = aWorld();
    await world.look();
    world.removeRelease();
    world.restart();
    world.failures.set('end run', new PostsyncError('API_NOT_FOUND', 'gone'));
    world.happenings.set('end run', () => world.removeRuns());
    await world.look();
    assert.equal(world.jobs()[0]?.isStopping, true);
  });
});

describe('a run by hand', () => {
  test('is pinned, started and followed', async () => {
    const world = aWorld({ tests: [aTest('smoke', { after: ['rollback'] })] });
    world.putRun(aManualRun());
    await world.look();
    assert.deepEqual(world.writes.slice(0, 3), ['pin run', 'create job', 'start run']);
    world.endJobs(anOutcome());
    await world.look();
    assert.deepEqual(world.verdicts(), ['passed Passed']);
  });

  test('of a release that is not there is ended', async () => {
    const world = aWorld();
    world.removeRelease();
    world.putRun(aManualRun());
    await world.look();
    assert.deepEqual(world.verdicts(), ['inconclusive ReleaseGone']);
  });

  test('is ended, and its Job stopped, when its release goes while nobody looks', async () => {
    const world = aWorld({ tests: [aTest('smoke', { after: ['rollback'] })] });
    world.putRun(aManualRun());
    await world.look();
    world.removeRelease();
    world.restart();
    await world.look();
    assert.deepEqual(world.verdicts(), ['inconclusive ReleaseGone']);
    assert.equal(world.jobs()[0]?.isStopping, true);
  });
});
