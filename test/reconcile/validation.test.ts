import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Obstacle, TestFinding } from '../../src/ports.ts';
import { createValidation } from '../../src/reconcile/validation.ts';
import { readSyncTest, type SyncTest } from '../../src/synctest.ts';
import { createTable } from '../../src/table.ts';

const REF = { namespace: 'apps', name: 'smoke' };
const QUIET = { onChange: () => undefined, onUnreadable: () => undefined };

/** One SyncTest, a server that says what it is told to say of its Job, and what is written about it. */
function aValidation(testsNamespace?: string) {
  const tests = createTable<SyncTest>({
    ...QUIET,
    read: readSyncTest,
    groupOf: ({ test }) => test.ref.namespace,
  });
  const none = () => createTable<never>({ ...QUIET, read: () => undefined as never, groupOf: () => '' });
  const world = { tests, releases: none(), runs: none(), namespaces: none(), builtIn: () => [] };
  const said: { refused: Obstacle | undefined; asked: number } = { refused: undefined, asked: 0 };
  const written: TestFinding[] = [];
  const syncTests = {
    dryRun: async () => {
      said.asked += 1;
      return said.refused;
    },
    writeFinding: async (_: object, finding: TestFinding) => void written.push(finding),
  };
  const policy = { retryBackoffMs: 1000, ...(testsNamespace !== undefined && { testsNamespace }) };
  let version = 0;
  const is = (
    generation: number,
    spec: object = { job: { image: 'busybox:1' } },
    created = '2026-11-21T10:00:00Z',
  ) => {
    version += 1;
    const metadata = { ...REF, generation, creationTimestamp: created, resourceVersion: String(version) };
    tests.upsert({ metadata, spec });
  };
  return { ...createValidation(world, syncTests, policy), said, written, is };
}

describe('a SyncTest', () => {
  test('is checked once as it was written, and again when it was changed or made anew', async () => {
    const { validate, said, written, is } = aValidation();
    is(1);
    await validate(REF);
    await validate(REF);
    assert.deepEqual([said.asked, written.length], [1, 1]);

    is(2);
    await validate(REF);
    is(2, undefined, '2026-11-21T11:00:00Z');
    await validate(REF);
    assert.equal(said.asked, 3);
  });

  test('is written about again where another replica may have written meanwhile', async () => {
    const { validate, forgetWritten, said, written, is } = aValidation();
    is(1);
    await validate(REF);
    forgetWritten();
    await validate(REF);
    assert.deepEqual([said.asked, written.length], [1, 2]);
  });

  test('that the server will never take is said to be refused, in its words', async () => {
    const { validate, said, written, is } = aValidation();
    said.refused = { words: 'unknown field "spec.foo"', isFinal: true };
    is(1);
    assert.equal(await validate(REF), undefined);
    assert.deepEqual(written.at(-1)?.invalid, { reason: 'Refused', message: 'unknown field "spec.foo"' });
  });

  test('that something keeps out for now is not called wrong, and is asked for again', async () => {
    const { validate, said, written, is } = aValidation();
    said.refused = { words: 'exceeded quota: few', isFinal: false };
    is(1);
    assert.ok(typeof (await validate(REF)) === 'number');
    const { invalid, obstacle } = written.at(-1) ?? {};
    assert.deepEqual([invalid, obstacle], [undefined, 'exceeded quota: few']);

    said.refused = undefined;
    assert.equal(await validate(REF), undefined);
    assert.equal(written.at(-1)?.obstacle, undefined);
  });

  test('whose Job was refused when it was to be created says so, until the server would take it', async () => {
    const { validate, refused, said, written, is } = aValidation();
    is(1);
    await validate(REF);
    refused(REF, 'exceeded quota: few');
    assert.ok(typeof (await validate(REF)) === 'number');
    assert.deepEqual([said.asked, written.at(-1)?.obstacle], [1, 'exceeded quota: few']);

    assert.equal(await validate(REF), undefined);
    assert.deepEqual([said.asked, written.at(-1)?.obstacle], [2, undefined]);
  });

  test('says whether what was deployed before it is left alone, where it selects', async () => {
    const job = { image: 'busybox:1' };
    for (const [spec, skipsExisting] of [
      [{ job, releases: {} }, true],
      [{ job, releases: {}, existing: 'test' }, undefined],
      [{ job }, undefined],
    ] as const) {
      const { validate, written, is } = aValidation();
      is(1, spec);
      await validate(REF);
      assert.equal(written[0]?.skipsExisting, skipsExisting);
    }
  });

  test('says that its namespaceSelector does not count, unless it is in the tests namespace', async () => {
    const spec = { job: { image: 'busybox:1' }, releases: {}, namespaceSelector: {} };
    for (const [testsNamespace, words] of [
      [undefined, /none is configured\); in apps, only releases of apps/],
      ['tests', /that is tests\)/],
      ['apps', undefined],
    ] as const) {
      const { validate, written, is } = aValidation(testsNamespace);
      is(1, spec);
      await validate(REF);
      const said = written[0]?.namespacesIgnored;
      if (words) assert.match(said ?? '', words);
      else assert.equal(said, undefined);
    }
  });

  test('with a mistake of its own is not shown to the server', async () => {
    const { validate, said, written, is } = aValidation();
    is(1, {});
    await validate(REF);
    assert.equal(said.asked, 0);
    assert.equal(written.at(-1)?.invalid?.reason, 'InvalidSpec');
  });
});
