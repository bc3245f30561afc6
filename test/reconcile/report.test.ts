import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommitReport, Run, Time } from '../../src/decide/model.ts';
import { PostsyncError } from '../../src/errors.ts';
import type { Reports } from '../../src/ports.ts';
import { after, anOutcome, aRun, aTest } from '../support/model.ts';
import { aWorld } from '../support/world.ts';

const SAID: CommitReport = { repository: 'acme/fleet', sha: '9f8d', state: 'success' };

/** Answers one after the other, the last one for ever, and keeps what it was asked to report. */
function answering(...answers: (CommitReport | Time | undefined)[]) {
  const asked: string[] = [];
  const reports: Reports = {
    report(run) {
      asked.push(`${run.attempt} ${run.outcome.verdict}`);
      return answers.length > 1 ? answers.shift() : answers[0];
    },
  };
  return { reports, asked };
}

/** A release with these runs of its one test, which have ended. */
function worldWith(reports: Reports, runs: readonly Run[], given = aTest()) {
  const world = aWorld({ reports, tests: [given] });
  for (const run of runs) world.putRun(run);
  return world;
}

const passed = aRun({ outcome: {} });

describe('a verdict is reported', () => {
  test('though that of another test cannot be written down', async () => {
    const asked: string[] = [];
    const reports: Reports = {
      report({ test }) {
        asked.push(test.name);
        return SAID;
      },
    };
    const world = aWorld({ reports, tests: [aTest('smoke'), aTest('e2e')] });
    for (const test of ['smoke', 'e2e']) world.putRun(aRun({ test, outcome: {} }));
    world.failures.set('note report', new PostsyncError('API_FORBIDDEN', 'quota of events'));
    await assert.rejects(world.look(), { code: 'API_FORBIDDEN' });
    assert.deepEqual(asked.toSorted(), ['e2e', 'smoke']);
  });

  test('once it is written, and what came of it is written down', async () => {
    const { reports, asked } = answering(undefined, SAID);
    const world = aWorld({ reports });
    await world.look();
    world.endJobs(anOutcome());
    await world.look();
    assert.deepEqual(asked, ['1 passed']);
    assert.ok(!world.writes.includes('note report'));

    await world.look();
    await world.look();
    assert.deepEqual(asked, ['1 passed', '1 passed']);
    assert.equal(world.writes.filter((write) => write === 'note report').length, 1);
    assert.deepEqual(world.runs()[0]?.commitStatus, SAID);
  });

  for (const when of ['before', 'after'] as const) {
    test(`also when the process dies ${when} that is written down`, async () => {
      const { reports } = answering(SAID);
      const world = worldWith(reports, [passed]);
      world.restart({ at: 2, when });
      await assert.rejects(world.look(), /died/);
      assert.deepEqual(world.writes.slice(1), when === 'after' ? ['note report'] : []);

      world.restart();
      await world.look();
      await world.look();
      assert.equal(world.writes.filter((write) => write === 'note report').length, 1);
    });
  }

  test('later, when it cannot be now', async () => {
    const { reports } = answering(after(90));
    assert.deepEqual(await worldWith(reports, [passed]).look(), after(90));
  });

  test('by the newest run that has ended', async () => {
    const { reports, asked } = answering(SAID);
    const failed = aRun({ outcome: { verdict: 'failed' } });
    const again = aRun({ attempt: 2, cause: 'manual', outcome: {} });
    await worldWith(reports, [failed, again]).look();
    assert.deepEqual(asked, ['2 passed']);
  });

  test('which stays what it is when the report fails', async () => {
    const { reports } = answering({ repository: 'acme/fleet', problem: 'no commit is known' });
    const world = worldWith(reports, [passed]);
    await world.look();
    assert.equal(world.result(), 'passed');
    assert.deepEqual(world.verdicts(), ['passed Passed']);
  });
});

describe('nothing is reported', () => {
  test('of a run that a newer one has overtaken, which was reported', async () => {
    const { reports, asked } = answering(SAID);
    const failed = aRun({ outcome: { verdict: 'failed' } });
    const again = aRun({ attempt: 2, cause: 'manual', outcome: {}, commitStatus: SAID });
    await worldWith(reports, [failed, again]).look();
    assert.deepEqual(asked, []);
  });

  const RUNS: readonly [string, Run, ReturnType<typeof aTest>?][] = [
    ['of a run that goes on', aRun({})],
    ['of a revision that is not deployed', aRun({ digest: 'sha256:old', outcome: {} })],
    ['while it will be tried again', aRun({ outcome: { verdict: 'inconclusive' } })],
    ['of what was reported', aRun({ outcome: {}, commitStatus: SAID })],
    ['of what ended long ago', aRun({ outcome: { finishedAt: after(60 - 3601) } })],
    [
      'of a release that the test does not select any more',
      passed,
      aTest('smoke', { releases: { names: [] } }),
    ],
  ];
  for (const [name, run, given] of RUNS) {
    test(name, async () => {
      const { reports, asked } = answering(SAID);
      await worldWith(reports, [run], given).look();
      assert.deepEqual(asked, []);
    });
  }
});
