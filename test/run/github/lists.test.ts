import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keyOf } from '../../../src/decide/model.ts';
import { iso } from '../../../src/decide/time.ts';
import { type ErrorCode, PostsyncError } from '../../../src/errors.ts';
import type { GitHub, RunsQuery, WorkflowRun } from '../../../src/run/github/github.ts';
import { createLimits } from '../../../src/run/github/limits.ts';
import { createRunLists, type Found, holds, type RunQuestion } from '../../../src/run/github/lists.ts';

const START = Date.parse('2026-11-21T12:00:00Z');
const NAME = 'shop-smoke-v7-3f9a2c4105be77d1';

/** Lists over an account that answers with what stands in `runs`, when it is let. */
function aWorld() {
  let now = START;
  const asked: string[] = [];
  const queries: RunsQuery[] = [];
  const woken: string[] = [];
  const held: (() => void)[] = [];
  const world = {
    runs: [] as WorkflowRun[],
    fails: undefined as ErrorCode | undefined,
    holds: false,
    most: 0,
  };
  let atOnce = 0;

  async function answer<T>(what: string, act: () => T): Promise<T> {
    asked.push(what);
    world.most = Math.max(world.most, ++atOnce);
    await new Promise<void>((resolve) => (world.holds ? held.push(resolve) : setImmediate(resolve)));
    atOnce--;
    if (world.fails) throw new PostsyncError(world.fails, 'as told');
    return act();
  }

  const account: GitHub = {
    dispatchRepository: () => assert.fail('nothing is dispatched'),
    dispatchWorkflow: () => assert.fail('nothing is dispatched'),
    cancelRun: () => assert.fail('nothing is cancelled'),
    listStatuses: () => assert.fail('nothing is reported'),
    createStatus: () => assert.fail('nothing is reported'),
    listRuns: (repository, query) => {
      queries.push(query);
      return answer(`list ${repository}`, () => [...world.runs]);
    },
    readRun: (_, id) => answer(`read ${id}`, () => world.runs.find((run) => run.id === id)),
    limits: createLimits({ now: () => now }),
  };
  const lists = createRunLists({ now: () => now, wake: (by) => void woken.push(keyOf(by)) });

  const find = (given: Partial<RunQuestion> = {}): Found =>
    lists.find({
      account,
      accountKey: 'k',
      repository: 'acme/shop',
      event: 'repository_dispatch',
      since: START,
      title: NAME,
      youngest: START,
      by: { namespace: 'apps', name: 'shop' },
      ...given,
    });
  /** Asks, lets everything be answered, and asks again. */
  async function news(given: Partial<RunQuestion> = {}): Promise<Found> {
    find(given);
    await settle();
    return find(given);
  }
  return Object.assign(world, {
    asked,
    queries,
    woken,
    lists,
    account,
    find,
    seconds: (found: Found) => (found.nextAt - now) / 1000,
    pass: (ms: number) => void (now += ms),
    release: () => {
      for (const end of held.splice(0)) end();
    },
    news,
  });
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function aRun(given: Partial<WorkflowRun> = {}): WorkflowRun {
  const { id = 1 } = given;
  return {
    id,
    title: `postsync ${NAME}`,
    event: 'repository_dispatch',
    status: 'queued',
    url: `https://github.com/acme/shop/actions/runs/${id}`,
    createdAt: START,
    updatedAt: START,
    ...given,
  };
}

function withRuns(...runs: readonly WorkflowRun[]) {
  return Object.assign(aWorld(), { runs: [...runs] });
}

describe('whoever asks for a run', () => {
  test('is told at once that nothing is known, and is woken when something is', async () => {
    const { find, woken, seconds } = withRuns(aRun());

    const first = find();
    assert.deepEqual([first.run, first.listedAt, first.others, seconds(first)], [undefined, undefined, 0, 5]);
    assert.deepEqual(woken, []);
    await settle();

    assert.deepEqual(woken, ['apps/shop']);
    const second = find();
    assert.equal(second.run?.id, 1);
    assert.deepEqual(second.listedAt, START);
  });

  test('learns that it is not there, as of when it was asked for', async () => {
    const { news, pass, find, release } = Object.assign(aWorld(), { holds: true });
    find();
    pass(3_000);
    release();
    const found = await news();
    assert.deepEqual([found.run, found.listedAt], [undefined, START]);
  });

  test('finds it by its name as a whole word, and counts those that hold no name', async () => {
    const { news } = withRuns(
      aRun({ id: 5, title: `x-${NAME}` }),
      aRun({ id: 4, title: `${NAME}0` }),
      aRun({ id: 3, title: `e2e: ${NAME} (v7)` }),
      aRun({ id: 6, title: 'e2e' }),
      aRun({ id: 1, title: `older ${NAME}`, createdAt: START - 121_000 }),
      aRun({ id: 2, title: 'nightly', createdAt: START - 121_000 }),
    );
    const { run, others } = await news();
    assert.deepEqual([run?.id, others], [3, 2]);
  });

  test('gets the oldest, when several workflows answer', async () => {
    const later = START + 1_000;
    const { news } = withRuns(aRun({ id: 9, createdAt: later }), aRun({ id: 8 }), aRun({ id: 7 }));
    assert.equal((await news()).run?.id, 7);
  });

  test('gets the one whose id it knows, whatever the titles say', async () => {
    const { news, find, asked } = withRuns(aRun({ id: 8 }), aRun({ id: 9, title: 'another' }));
    find({ title: 'someone-else' });
    assert.equal((await news({ id: 9 })).run?.id, 9);
    assert.deepEqual(asked, ['list acme/shop']);
  });

  test('whose id it knows, and who is alone, has that one read and no list', async () => {
    const { news, asked, pass } = withRuns(aRun({ id: 9 }));
    pass(5_000);
    const { run, listedAt } = await news({ id: 9 });
    assert.deepEqual([run?.id, listedAt, asked], [9, START + 5_000, ['read 9']]);
  });

  test('whose id GitHub has just named, waits a while before it is asked for', async () => {
    const { news, seconds, asked } = withRuns(aRun({ id: 9 }));
    assert.equal(seconds(await news({ id: 9 })), 5);
    await news({ title: 'someone-else' });
    assert.deepEqual(asked, ['list acme/shop']);
  });

  test('has a known one read by itself when the list does not hold it', async () => {
    const { news, find, asked, account, pass } = withRuns(aRun({ id: 9 }));
    account.listRuns = () => Promise.resolve([]);
    pass(5_000);
    find({ title: 'someone-else' });
    await settle();
    assert.equal((await news({ id: 9 })).run?.id, 9);
    assert.deepEqual(asked, ['read 9']);
  });

  test('is told the newest of what was listed and what was read', async () => {
    const { find, news, pass, ...world } = withRuns(aRun({ id: 9 }));
    find();
    await settle();
    pass(125_001);
    find({ title: 'someone-else', id: 9 });
    await settle();
    pass(15_000);
    const { runs } = world;
    runs[0] = aRun({ id: 9, status: 'completed' });
    assert.equal((await news({ title: 'someone-else', id: 9 })).run?.status, 'completed');
  });

  test('learns that a known one is gone', async () => {
    const { news, pass } = aWorld();
    pass(5_000);
    const { run, listedAt } = await news({ id: 9 });
    assert.deepEqual([run, listedAt], [undefined, START + 5_000]);
  });
});

describe('one list', () => {
  test('serves all open runs of a repository', async () => {
    const { find, asked, woken } = aWorld();
    const names = Array.from({ length: 100 }, (_, index) => `run-${index}`);

    for (const title of names) find({ title, by: { namespace: 'apps', name: title } });
    await settle();
    for (const title of names) assert.deepEqual(find({ title }).listedAt, START);
    await settle();

    assert.deepEqual(asked, ['list acme/shop']);
    assert.equal(woken.length, 100);
  });

  test('is of one account, repository and event', async () => {
    const { find, asked } = aWorld();
    find();
    find({ accountKey: 'other' });
    find({ repository: 'acme/other' });
    find({ event: 'workflow_dispatch' });
    await settle();
    assert.equal(asked.length, 4);
  });

  test('reaches back to the oldest open claim and two minutes, in steps, so that its ETag stays good', async () => {
    const { find, news, pass, queries } = aWorld();
    find();
    find({ title: 'older', since: Date.parse('2026-11-21T11:31:00Z') });
    await settle();
    pass(5_000);
    await news({ title: 'older', since: Date.parse('2026-11-21T11:31:00Z') });
    await news();

    assert.deepEqual(
      queries.map(({ event, since }) => [event, iso(since)]),
      [
        ['repository_dispatch', '2026-11-21T11:55:00.000Z'],
        ['repository_dispatch', '2026-11-21T11:25:00.000Z'],
      ],
    );
  });

  test('is asked for anew, at once, for a run that it does not reach back to', async () => {
    const { news, find, asked } = aWorld();
    await news();
    const { listedAt } = find({ title: 'older', since: Date.parse('2026-11-21T11:31:00Z') });
    assert.deepEqual([listedAt, asked.length], [undefined, 2]);
  });

  test('that GitHub has cut off does not say that an older run is not there, and is not asked for in a hurry', async () => {
    const { news, asked } = withRuns(
      ...Array.from({ length: 1000 }, (_, id) => aRun({ id: id + 1, title: 'busy', createdAt: START })),
    );
    const { listedAt, run } = await news();
    assert.deepEqual([listedAt, run], [undefined, undefined]);
    await news();
    assert.deepEqual(asked, ['list acme/shop']);
  });

  test('is one of eight at a time', async () => {
    const world = Object.assign(aWorld(), { holds: true });
    for (let index = 0; index < 20; index++) world.find({ repository: `acme/${index}` });
    await settle();
    assert.equal(world.asked.length, 8);
    world.holds = false;
    world.release();
    await settle();
    assert.deepEqual([world.asked.length, world.most], [20, 8]);
  });

  test('is forgotten when nobody has asked for ten minutes', async () => {
    const { news, find, pass } = withRuns(aRun());
    await news();
    pass(600_001);
    assert.equal(find({ repository: 'acme/other' }).run, undefined);
    assert.equal(find().listedAt, undefined);
  });

  test('does not reach back for a run that nobody asks for any more', async () => {
    const { news, pass, queries } = aWorld();
    await news({ title: 'older', since: Date.parse('2026-11-21T11:00:00Z') });
    pass(130_000);
    await news();
    assert.equal(queries.at(-1)?.since, Date.parse('2026-11-21T11:55:00Z'));
  });
});

describe('the time until the next question', () => {
  for (const [age, every] of [
    [0, 5],
    [50, 5],
    [61, 15],
    [580, 15],
    [601, 30],
    [86_400, 30],
  ] as const) {
    test(`is ${every} s when the youngest dispatch is ${age} s old`, async () => {
      const { news, find, seconds, pass, asked } = aWorld();
      const youngest = START - age * 1000;
      const since = youngest;
      assert.equal(seconds(await news({ youngest, since })), every);
      pass(every * 1000 - 1);
      find({ youngest, since });
      assert.equal(asked.length, 1);
      pass(1);
      find({ youngest, since });
      await settle();
      assert.equal(asked.length, 2);
    });
  }

  test('grows while GitHub does not answer, and what was known stays', async () => {
    const world = withRuns(aRun());
    const { listedAt } = await world.news();
    world.fails = 'GITHUB_UNANSWERED';
    const waits: number[] = [];
    for (let failure = 0; failure < 8; failure++) {
      world.pass(300_000 * 1.2);
      const found = await world.news({ youngest: START - 3_600_000 });
      assert.deepEqual(
        [found.error?.code, found.run?.id, found.listedAt],
        ['GITHUB_UNANSWERED', 1, listedAt],
      );
      waits.push(world.seconds(found));
    }
    assert.ok(waits.every((wait) => wait >= 48 && wait <= 360));
    assert.ok((waits[7] ?? 0) >= 240, waits.join());

    world.fails = undefined;
    world.pass(300_000 * 1.2);
    assert.equal((await world.news()).error, undefined);

    world.fails = 'GITHUB_UNANSWERED';
    world.pass(30_000);
    assert.ok(world.seconds(await world.news({ youngest: START - 3_600_000 })) <= 72);
  });

  test('does not grow with limits, which know their own end', async () => {
    const { news, seconds } = Object.assign(aWorld(), { fails: 'GITHUB_LIMITED' as const });
    assert.equal(seconds(await news()), 5);
  });

  test('is that of the limit, when GitHub has set one', async () => {
    const { find, account, seconds, asked, pass } = aWorld();
    account.limits.heard({ headers: { 'retry-after': '90' }, limited: true });
    const found = find();
    await settle();
    assert.deepEqual([seconds(found), asked], [90, []]);
    pass(90_000);
    find();
    assert.equal(asked.length, 1);
  });
});

describe('a title', () => {
  for (const [title, isIt] of [
    [NAME, true],
    [`postsync ${NAME}`, true],
    [`[${NAME}]: smoke.`, true],
    [`${NAME}. And more`, true],
    [`run ${NAME}.`, true],
    [`a.${NAME}`, false],
    [`a-${NAME}`, false],
    [`${NAME}-b`, false],
    [`${NAME}.b`, false],
    [`${NAME}2`, false],
    [`a-${NAME} ${NAME}`, true],
    [NAME.replace('v7', 'v.'), false],
    ['', false],
  ] as const) {
    test(`"${title}" ${isIt ? 'holds' : 'does not hold'} the name`, () =>
      assert.equal(holds(title, NAME), isIt));
  }

  test('is not a pattern', () => {
    assert.equal(holds('shopXsmoke', 'shop.smoke'), false);
    assert.equal(holds('the shop.smoke', 'shop.smoke'), true);
  });
});
