import { keyOf, type Policy, type Ref, type Test } from '../decide/model.ts';
import { asksFor } from '../decide/select.ts';
import type { TestChecks, TestFinding } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import type { World } from './world.ts';

/** Checks a SyncTest whenever it changed, and says in its conditions what its author should know. */
export function createTestCheck(world: World, checks: TestChecks, policy: Policy) {
  /** The server's words about a test as it was written. It is asked once for each. */
  const answers = new Map<string, { readonly of: string; readonly words: string | undefined }>();

  /** What this process has written, so that a check which finds nothing new costs no call. */
  const written = new Map<string, string>();

  async function askServer(key: string, syncTest: SyncTest): Promise<string | undefined> {
    const { generation, createdAt } = syncTest.test;
    const of = `${generation} of ${createdAt.toISOString()}`;
    const known = answers.get(key);
    if (known?.of === of) return known.words;
    const words = await checks.dryRun(syncTest);
    answers.set(key, { of, words });
    return words;
  }

  return async function checkTest(ref: Ref): Promise<undefined> {
    const key = keyOf(ref);
    const syncTest = world.tests.get(key);
    if (!syncTest) {
      answers.delete(key);
      written.delete(key);
      return;
    }
    const { test } = syncTest;
    const invalid = await problemOf(syncTest, () => askServer(key, syncTest));
    const finding = {
      generation: test.generation,
      matches: hasReleases(world, test, policy),
      ...(invalid && { invalid }),
    };
    if (written.get(key) === JSON.stringify(finding)) return;
    await checks.writeFinding(ref, finding);
    written.set(key, JSON.stringify(finding));
  };
}

function hasReleases({ releases, namespaces }: World, test: Test, policy: Policy): boolean {
  const isShared = test.namespaces !== undefined && test.ref.namespace === policy.testsNamespace;
  const candidates = isShared ? releases.values() : releases.in(test.ref.namespace);
  const labelsOf = (namespace: string) => namespaces.get(namespace)?.labels;
  for (const release of candidates) if (asksFor(release, test, labelsOf, policy)) return true;
  return false;
}

async function problemOf(
  { test }: SyncTest,
  ask: () => Promise<string | undefined>,
): Promise<TestFinding['invalid'] | undefined> {
  if (test.invalid !== undefined) return { reason: 'InvalidSpec', message: test.invalid };
  const words = await ask();
  return words === undefined ? undefined : { reason: 'JobRefused', message: words };
}
