import { PROBLEM_LINE } from './decide/due.ts';
import { isCut } from './decide/identity.ts';
import { BUILT_IN, LINES } from './decide/keys.ts';
import { keyOf, type Ref, type Release, type Test } from './decide/model.ts';
import { isCode, PostsyncError } from './errors.ts';
import type { Kubernetes } from './kubernetes.ts';

type Named = Pick<Test, 'kind' | 'ref'>;

/**
 * The tests that `postsync run` is about.
 *
 * @param names of `--test`; none: all that a line on the release is about
 * @throws {PostsyncError} `TEST_NOT_FOUND`, `NOTHING_TO_TEST`
 */
export async function testsMeant(
  kubernetes: Pick<Kubernetes, 'get'>,
  release: Release,
  names: readonly string[],
): Promise<readonly Named[]> {
  if (names.length > 0) await refuseUnknown(kubernetes, release, names);
  return (names.length > 0 ? names : testsOn(release)).map((name) => testOf(name, release.ref));
}

/** The tests that postsync found that the release asks for, as their lines name them. */
function linesOn({ annotations }: Release): readonly string[] {
  const lines = Object.entries(annotations).filter(([key]) => key.startsWith(LINES));
  return lines.flatMap(([key, line]) => (line.startsWith(PROBLEM_LINE) ? [] : [key.slice(LINES.length)]));
}

function testsOn(release: Release): readonly string[] {
  const names = linesOn(release);
  const where = keyOf(release.ref);
  if (names.length === 0) {
    const what = `no test's line (${LINES}…) stands on ${where}`;
    throw new PostsyncError('NOTHING_TO_TEST', `${what}: does it ask for any test? --test names one`);
  }
  const cut = names.find(isCut);
  if (cut === undefined) return names;
  const what = `the name in the line ${LINES}${cut} on ${where} is cut, and does not say which test it is`;
  throw new PostsyncError('NOTHING_TO_TEST', `${what}: name each test with --test, as NAMESPACE.NAME`);
}

/** Refuses a test that is not there, as far as the caller may know: postsync would end its run as `TestGone`. */
async function refuseUnknown(
  kubernetes: Pick<Kubernetes, 'get'>,
  release: Release,
  tests: readonly string[],
): Promise<void> {
  const named = linesOn(release);
  for (const test of tests.filter((name) => !named.includes(name))) {
    if (await isThere(kubernetes, release, test)) continue;
    const what = `${keyOf(release.ref)} has no test ${test}`;
    throw new PostsyncError('TEST_NOT_FOUND', `${what}; its tests are: ${named.join(', ') || 'none'}`);
  }
}

async function isThere(
  kubernetes: Pick<Kubernetes, 'get'>,
  { ref, annotations }: Release,
  test: string,
): Promise<boolean> {
  const key = BUILT_IN.get(test);
  if (key !== undefined) return annotations[key] !== undefined;
  try {
    await kubernetes.get({ resource: 'synctests', ...testOf(test, ref).ref });
    return true;
  } catch (error) {
    if (isCode(error, 'API_NOT_FOUND')) return false;
    // Who may not look may ask all the same.
    if (isCode(error, 'API_FORBIDDEN')) return true;
    throw error;
  }
}

/** A test's name has no dot. */
function testOf(name: string, { namespace }: Ref): Named {
  const dot = name.indexOf('.');
  if (dot < 0) return { kind: 'SyncTest', ref: { namespace, name } };
  return { kind: 'SyncTest', ref: { namespace: name.slice(0, dot), name: name.slice(dot + 1) } };
}
