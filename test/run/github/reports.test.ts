import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { CommitReport, Outcome, Run, Time } from '../../../src/decide/model.ts';
import { PostsyncError } from '../../../src/errors.ts';
import type { Ended } from '../../../src/ports.ts';
import { createAccounts } from '../../../src/run/github/accounts.ts';
import { createCredentials } from '../../../src/run/github/credentials.ts';
import { connectGitHub } from '../../../src/run/github/octokit.ts';
import { createReports } from '../../../src/run/github/reports.ts';
import { readSyncTest } from '../../../src/synctest.ts';
import { openGitHub } from '../../support/github/github.ts';
import { aKubernetes } from '../../support/kubernetes.ts';
import { after, anOutcome, aRelease, aRun } from '../../support/model.ts';

const SHA = '9f8d1117c2a3b4c5d6e7f8091a2b3c4d5e6f7081';
const REPOSITORY = 'acme/fleet';
const TOKEN = 'ghp_0123456789abcdefSECRET';
const CONTEXT = 'postsync/prod/apps/podinfo/smoke';

const RELEASE = aRelease({ annotations: { 'event.toolkit.fluxcd.io/commit': SHA } });
const SYNC_TEST = readSyncTest({
  metadata: { name: 'smoke', namespace: 'apps', generation: 1, creationTimestamp: '2026-11-21T10:00:00Z' },
  spec: {
    check: { http: [{ url: 'http://podinfo' }] },
    commitStatus: { repository: REPOSITORY, secretRef: { name: 'fleet' } },
  },
});

function anEnded(outcome: Partial<Outcome> = {}, differs: Partial<Run> = {}): Ended {
  const run = aRun({ revision: 'v7 (chart 1.2.0)', startedAt: after(48), url: 'https://logs/1' });
  return { ...run, ...differs, outcome: anOutcome(outcome) };
}

interface WorldOptions {
  readonly token?: string;
  readonly secret?: object | PostsyncError;
}

/** GitHub with one repository, and what reports on it; `ask` is a look, and `restart` a new process. */
async function aWorld({ token = TOKEN, secret }: WorldOptions = {}) {
  const github = await openGitHub();
  github.addRepository(REPOSITORY, { commits: [SHA] });
  github.addToken(TOKEN);
  const data = { token: base64(token), 'ca.crt': base64(github.ca) };
  const { kubernetes } = aKubernetes({ 'get apps/secrets/fleet': secret ?? { data } });
  const logged: unknown[] = [];
  let at = after(61);
  const now = () => at;
  let woken = Promise.withResolvers<void>();
  const wake = () => woken.resolve();
  const keepLine = (...line: unknown[]) => void logged.push(line);
  const begin = () => {
    const accounts = createAccounts({
      credentials: createCredentials(kubernetes),
      connect: async (apiUrl, credential) => connectGitHub({ apiUrl, credential, now }),
      wake,
      now,
    });
    const log = { info: keepLine, warn: keepLine } as never;
    return createReports({ accounts, kubernetes, apiUrl: github.url, clusterName: 'prod', wake, log, now });
  };
  let reports = begin();
  return {
    github,
    logged,
    now,
    pass: (ms: number) => void (at += ms),
    restart: () => void (reports = begin()),
    look: (run: Ended = anEnded(), release = RELEASE) => reports.report(run, SYNC_TEST, release),
    /** What a look starts, and the next one finds. */
    async found(run: Ended = anEnded(), release = RELEASE) {
      woken = Promise.withResolvers();
      assert.equal(reports.report(run, SYNC_TEST, release), undefined);
      await woken.promise;
      return reports.report(run, SYNC_TEST, release);
    },
    statuses: () => github.statuses(REPOSITORY, SHA).map(({ state, context }) => `${state} ${context}`),
    async [Symbol.asyncDispose]() {
      await github.close();
      github.assertConforms();
      assert.ok(!JSON.stringify(logged).includes(token), 'a secret is in the log');
    },
  };
}

describe('a verdict is reported on the commit', () => {
  const STATES = { passed: 'success', failed: 'failure', inconclusive: 'error' } as const;
  for (const verdict of ['passed', 'failed', 'inconclusive'] as const) {
    test(`as ${STATES[verdict]} when it is ${verdict}`, async () => {
      await using world = await aWorld();
      const state = STATES[verdict];
      assert.deepEqual(await world.found(anEnded({ verdict })), { repository: REPOSITORY, sha: SHA, state });
      assert.deepEqual(world.statuses(), [`${state} ${CONTEXT}`]);
    });
  }

  test('in words that quote no container, with a link to the run', async () => {
    await using world = await aWorld();
    await world.found(anEnded({ verdict: 'failed', message: 'password hunter2 is wrong' }));
    const [status] = world.github.statuses(REPOSITORY, SHA);
    assert.equal(status?.description, 'failed in 12s, v7 (chart 1.2.0), 2026-11-21T12:01:00Z: JobFailed');
    assert.equal(status?.targetUrl, 'https://logs/1');
  });

  test('under a name that GitHub takes and that stays apart, however long', async () => {
    await using world = await aWorld();
    const name = 'x'.repeat(253);
    for (const last of ['a', 'b']) {
      await world.found(anEnded({}, { uid: last }), {
        ...RELEASE,
        ref: { namespace: 'apps', name: `${name}${last}` },
      });
      world.pass(2000);
    }
    const contexts = world.github.statuses(REPOSITORY, SHA).map(({ context }) => context);
    assert.equal(new Set(contexts).size, 2);
    assert.deepEqual(
      contexts.map(({ length }) => length),
      [255, 255],
    );
  });

  test('once, though it was not written down that it was', async () => {
    await using world = await aWorld();
    await world.found();
    world.pass(2000);
    world.restart();
    assert.deepEqual(await world.found(), { repository: REPOSITORY, sha: SHA, state: 'success' });
    assert.deepEqual(world.statuses(), [`success ${CONTEXT}`]);
  });

  test('once, though it is looked at again while that is under way', async () => {
    await using world = await aWorld();
    const found = world.found();
    assert.equal(world.look(), undefined);
    assert.equal(world.look(), undefined);
    await found;
    assert.deepEqual(
      world.github.exchanges.map(({ method }) => method),
      ['GET', 'POST'],
    );
  });

  test('again, when another run says the same', async () => {
    await using world = await aWorld();
    await world.found();
    world.pass(2000);
    await world.found(anEnded({ finishedAt: after(62) }, { uid: 'another' }));
    assert.equal(world.statuses().length, 2);
  });

  test('at its turn, a second after what was written before', async () => {
    await using world = await aWorld();
    await world.found();
    const other = anEnded({ verdict: 'failed' }, { uid: 'another' });
    const turn = await world.found(other);
    assert.ok(typeof turn === 'number' && turn > world.now());
    world.pass(turn - world.now());
    await world.found(other);
    assert.equal(world.statuses().length, 2);
  });
});

describe('a report that fails', () => {
  test('is tried again later and later, and made in the end, once', async () => {
    await using world = await aWorld();
    world.github.fault = ({ operation }) =>
      operation === 'repos/create-commit-status' ? { status: 502, when: 'after' } : undefined;
    const delays: number[] = [];
    for (let time = 0; time < 3; time++) {
      const until = await world.found();
      assert.ok(typeof until === 'number');
      assert.equal(world.look(), until);
      delays.push(until - world.now());
      world.pass(delays.at(-1) ?? 0);
      // It arrived the first time, though nobody was told so: afterwards there is nothing to send.
      world.github.fault = ({ operation }) =>
        operation === 'repos/list-commit-statuses-for-ref' ? { status: 503, when: 'before' } : undefined;
    }
    assert.deepEqual(delays, [15_000, 30_000, 60_000]);
    world.github.fault = undefined;
    assert.deepEqual(await world.found(), { repository: REPOSITORY, sha: SHA, state: 'success' });
    assert.equal(world.statuses().length, 1);
  });

  const MISTAKES: readonly [string, WorldOptions, RegExp][] = [
    ['for a wrong token', { token: 'ghp_wrong' }, /HTTP 401/],
    [
      'for want of a Secret',
      { secret: new PostsyncError('API_NOT_FOUND', 'x') },
      /Secret apps\/fleet is not there/,
    ],
  ];
  for (const [name, options, words] of MISTAKES) {
    test(`${name} is given up at once, in words`, async () => {
      await using world = await aWorld(options);
      const found = await world.found();
      assert.match(problemOf(found), words);
      assert.equal(world.logged.length, 1);
    });
  }

  test('because the commit is of another repository is given up, in words that do not name it', async () => {
    await using world = await aWorld();
    const other = SHA.replace('9', '8');
    const found = await world.found(
      anEnded(),
      aRelease({ annotations: { 'event.toolkit.fluxcd.io/commit': other } }),
    );
    assert.match(problemOf(found), /acme\/fleet: HTTP 422: No commit found/);
  });

  test('because no commit is known is given up, and GitHub is not asked', async () => {
    await using world = await aWorld();
    const found = await world.found(anEnded(), aRelease());
    assert.match(problemOf(found), /no commit is known/);
    assert.equal(world.github.exchanges.length, 0);
  });
});

function problemOf(found: CommitReport | Time | undefined): string {
  return typeof found === 'object' ? (found.problem ?? '') : '';
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
