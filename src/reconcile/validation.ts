import { keyOf, type Policy, type Ref, type Test, type Time } from '../decide/model.ts';
import { asksFor } from '../decide/select.ts';
import type { Obstacle, SyncTests, TestFinding } from '../ports.ts';
import type { SyncTest } from '../synctest.ts';
import type { World } from './world.ts';

/** Where something keeps a test's Job out that may mend itself, such as a full quota. */
const ASK_AGAIN_MS = 60_000;

export interface Validation {
  /** @returns when to validate it again */
  readonly validate: (ref: Ref) => Promise<Time | undefined>;
  /** The server refused a Job of a test for now: the next validation says so. */
  readonly refused: (ref: Ref, words: string) => void;
  /** Another replica may have written since this one did: what it finds is compared again. */
  readonly forgetWritten: () => void;
}

/** Validates a SyncTest whenever it changed, and says in its conditions what its author should know. */
export function createValidation(world: World, syncTests: SyncTests, policy: Policy): Validation {
  /** The server's words about a test as it was written. It is asked once for each. */
  const answers = new Map<string, { readonly of: string; readonly refused: Obstacle | undefined }>();

  /** Of Jobs that were to be created, and not yet told. */
  const refusals = new Map<string, string>();

  /** What this process has written, so that a validation which finds nothing new costs no call. */
  const written = new Map<string, string>();

  async function askServer(key: string, syncTest: SyncTest): Promise<Obstacle | undefined> {
    const words = refusals.get(key);
    if (words !== undefined) {
      refusals.delete(key);
      answers.delete(key);
      return { words, isFinal: false };
    }
    const { generation, createdAt } = syncTest.test;
    const of = `${generation} of ${createdAt}`;
    const known = answers.get(key);
    if (known?.of === of) return known.refused;
    const refused = await syncTests.dryRun(syncTest);
    if (!refused || refused.isFinal) answers.set(key, { of, refused });
    return refused;
  }

  async function validate(ref: Ref): Promise<Time | undefined> {
    const key = keyOf(ref);
    const syncTest = world.tests.get(key);
    if (!syncTest) {
      for (const known of [answers, refusals, written]) known.delete(key);
      return undefined;
    }
    const { test } = syncTest;
    const problem = test.invalid === undefined ? await askServer(key, syncTest) : undefined;
    const finding = {
      generation: test.generation,
      matches: hasReleases(world, test, policy),
      ...(test.releases && test.existing === 'skip' && { skipsExisting: true }),
      ...ignored(test, policy),
      ...whatIsWrong(test, problem),
    };
    if (written.get(key) !== JSON.stringify(finding)) {
      await syncTests.writeFinding(ref, finding);
      written.set(key, JSON.stringify(finding));
    }
    return problem && !problem.isFinal ? Date.now() + ASK_AGAIN_MS : undefined;
  }

  return {
    validate,
    refused: (ref, words) => void refusals.set(keyOf(ref), words),
    forgetWritten: () => written.clear(),
  };
}

function whatIsWrong(
  { invalid }: Test,
  refused: Obstacle | undefined,
): Pick<TestFinding, 'invalid' | 'obstacle'> {
  if (invalid !== undefined) return { invalid: { reason: 'InvalidSpec', message: invalid } };
  if (!refused) return {};
  const { words, isFinal } = refused;
  return isFinal ? { invalid: { reason: 'Refused', message: words } } : { obstacle: words };
}

/** Said only of what is there: most tests have no `namespaceSelector`. */
function ignored(
  { ref, namespaces }: Test,
  { testsNamespace }: Policy,
): Pick<TestFinding, 'namespacesIgnored'> {
  if (!namespaces || ref.namespace === testsNamespace) return {};
  const where = testsNamespace === undefined ? 'none is configured' : `that is ${testsNamespace}`;
  return {
    namespacesIgnored: `namespaceSelector counts only in the tests namespace (POSTSYNC_TESTS_NAMESPACE; ${where}); in ${ref.namespace}, only releases of ${ref.namespace} can be selected`,
  };
}

function hasReleases({ releases, namespaces }: World, test: Test, policy: Policy): boolean {
  const isShared = test.namespaces !== undefined && test.ref.namespace === policy.testsNamespace;
  const candidates = isShared ? releases.values() : releases.in(test.ref.namespace);
  const labelsOf = (namespace: string) => namespaces.get(namespace)?.labels;
  for (const release of candidates) if (asksFor(release, test, labelsOf, policy)) return true;
  return false;
}
