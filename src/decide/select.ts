import { ASKED, KEYS, LINES, PARAMS } from './keys.ts';
import { type LabelSelector, type Policy, type Ref, type Release, type Test } from './model.ts';
import { suggestion } from './nearest.ts';

/** Something that a release asks for and cannot get. It holds the release's result at `pending`. */
export interface Problem {
  /** What the line on the release is named after. */
  readonly name: string;
  readonly reason: 'UnknownKey' | 'InvalidValue' | 'TestNotFound' | 'InvalidTest';
  readonly message: string;
}

/** A test that a release asks for. `named`: by the release itself, so that `existing: skip` does not hold. */
export interface Wanted {
  readonly test: Test;
  readonly named: boolean;
}

export interface Selection {
  readonly wanted: readonly Wanted[];
  readonly problems: readonly Problem[];
}

/** What the selection needs to know of the cluster. */
export interface Offer {
  readonly testsIn: (namespace: string) => readonly Test[];
  readonly labelsOf: (namespace: string) => Readonly<Record<string, string>> | undefined;
  /** Built-in tests that the release's annotations ask for. */
  readonly builtIn: readonly Test[];
}

const OWN = 'postsync.dev/';

/** So many problems of a kind are told: each is a line on the release, and all annotations together have 256 KiB. */
const MOST_TOLD = 20;

const KNOWN: ReadonlySet<string> = new Set(Object.values(KEYS));

/** Which tests a release asks for, by its annotations and by the SyncTests that select it. */
export function select(release: Release, offer: Offer, policy: Policy): Selection {
  const { namespace } = release.ref;
  const local = offer.testsIn(namespace);
  const names = namesIn(release.annotations[KEYS.tests]);
  const named = [...offer.builtIn, ...local.filter((test) => names.includes(test.ref.name))];

  const shared =
    policy.testsNamespace === undefined || policy.testsNamespace === namespace
      ? []
      : offer.testsIn(policy.testsNamespace).filter((test) => reaches(test, offer.labelsOf(namespace)));
  const selecting = [...local, ...shared].filter((test) => !named.includes(test) && selects(test, release));

  const all = [
    ...named.map((test) => ({ test, named: true })),
    ...selecting.map((test) => ({ test, named: false })),
  ];
  const found = new Set(local.map(({ ref }) => ref.name));
  const lacking = names.filter((name) => !found.has(name)).slice(0, MOST_TOLD);
  return {
    wanted: all.filter(({ test }) => test.invalid === undefined),
    problems: [
      ...unknownKeys(release),
      ...invalidValues(release),
      ...lacking.map((name) => missing(name, release.ref)),
      ...all.flatMap(({ test }) => (test.invalid === undefined ? [] : [broken(test, test.invalid)])),
    ],
  };
}

/** Whether a release asks for this one SyncTest, by its name or because it is selected. */
export function asksFor(release: Release, test: Test, labelsOf: Offer['labelsOf'], policy: Policy): boolean {
  const { namespace } = release.ref;
  if (namespace === test.ref.namespace) {
    return namesIn(release.annotations[KEYS.tests]).includes(test.ref.name) || selects(test, release);
  }
  return (
    test.ref.namespace === policy.testsNamespace &&
    reaches(test, labelsOf(namespace)) &&
    selects(test, release)
  );
}

/** Tells whether a test's own selector asks for a release of its reach. */
export function selects(test: Test, release: Release): boolean {
  const { releases } = test;
  if (releases === undefined) return false;
  if (releases.names && !releases.names.includes(release.ref.name)) return false;
  return matches(releases.labels, release.labels);
}

/** A test of the tests namespace reaches another one only by `namespaceSelector`. */
function reaches(test: Test, labels: Readonly<Record<string, string>> | undefined): boolean {
  return test.namespaces !== undefined && labels !== undefined && matches(test.namespaces, labels);
}

/** Kubernetes' label selector: every part must hold; an absent or empty one holds for all. */
export function matches(
  selector: LabelSelector | undefined,
  labels: Readonly<Record<string, string>>,
): boolean {
  const wanted = Object.entries(selector?.matchLabels ?? {});
  if (wanted.some(([key, value]) => labels[key] !== value)) return false;
  return (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    if (operator === 'Exists') return value !== undefined;
    if (operator === 'DoesNotExist') return value === undefined;
    const listed = value !== undefined && values.includes(value);
    return operator === 'In' ? listed : !listed;
  });
}

function namesIn(annotation = ''): readonly string[] {
  const names = annotation.split(',').map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ''))];
}

function unknownKeys({ annotations }: Release): Problem[] {
  return Object.keys(annotations)
    .filter(isUnknown)
    .slice(0, MOST_TOLD)
    .map((key) => ({
      name: key.replace(OWN, ''),
      reason: 'UnknownKey',
      message: `the annotation ${key} is not one that this version of postsync knows${meantKey(key)}`,
    }));
}

/** Whatever is of our domain is ours, also `param.postsync.dev/port`. */
function isUnknown(key: string): boolean {
  if (key.startsWith(OWN)) return !KNOWN.has(key);
  return key.includes(`.${OWN}`) && !key.startsWith(LINES) && !key.startsWith(PARAMS);
}

function meantKey(key: string): string {
  const name = key.slice(key.indexOf('/') + 1);
  // The name of a key of ours below another domain is far from it by letters.
  return suggestion(KNOWN.has(OWN + name) ? OWN + name : key, [...ASKED, PARAMS + name]);
}

function invalidValues({ annotations }: Release): Problem[] {
  const { [KEYS.suspend]: suspend = 'false' } = annotations;
  if (suspend === 'true' || suspend === 'false') return [];
  const message = `the annotation ${KEYS.suspend} is neither "true" nor "false": nothing is started until it is`;
  return [{ name: KEYS.suspend.replace(OWN, ''), reason: 'InvalidValue', message }];
}

function missing(name: string, { namespace }: Ref): Problem {
  return { name, reason: 'TestNotFound', message: `there is no SyncTest ${name} in namespace ${namespace}` };
}

/** What is wrong with an annotation is a sentence of its own. */
function broken({ kind, ref }: Test, why: string): Problem {
  const message = kind === 'BuiltIn' ? why : `the SyncTest ${ref.name} cannot work: ${why}`;
  return { name: ref.name, reason: 'InvalidTest', message };
}
