import { createHmac } from 'node:crypto';
import { KEYS, LINES } from '../../src/decide/keys.ts';
import {
  fluxEvent,
  type HelmRelease,
  helmRelease,
  namespace,
  SHOP,
  type SyncTestRun,
  smokeTest,
  upgradeTo,
} from './objects.ts';
import { chapter, command, detail, keysOf, runTable, say, table } from './print.ts';
import { BROKEN } from './shop.ts';
import type { Stage } from './stage.ts';
import { follow, isDecided } from './watch.ts';

const FIRST = '1.0.0';
const FIXED = '1.1.1';
const RELEASE = { resource: 'helmreleases', ...SHOP } as const;
const IN_NAMESPACE = { namespace: SHOP.namespace } as const;

/**
 * Tells the story while it happens.
 *
 * @throws when it does not come out as told
 */
export async function tellStory(stage: Stage, stop: AbortSignal): Promise<void> {
  await install(stage, stop);
  await breakIt(stage, stop);
  await fixIt(stage, stop);
  await runAgain(stage, stop);
}

async function install({ kubernetes, shopUrl }: Stage, stop: AbortSignal): Promise<void> {
  chapter(
    `1. Flux installs the chart ${FIRST}`,
    'The HelmRelease asks for the check that is built in, by the annotation postsync.dev/http;',
    'the SyncTest "smoke" selects it, too: a Job of your own, here a shell script that asks for the price of tea.',
    '',
  );
  await kubernetes.create({ resource: 'namespaces' }, namespace);
  await kubernetes.create({ resource: 'synctests', ...IN_NAMESPACE }, smokeTest(shopUrl));
  await kubernetes.create({ resource: 'helmreleases', ...IN_NAMESPACE }, helmRelease(shopUrl, FIRST));
  const release = await follow(kubernetes, (one) => isDecided(one, FIRST), stop);
  await show(kubernetes, release);
  expect(release, { [KEYS.result]: 'passed', [`${LINES}http`]: 'passed', [`${LINES}smoke`]: 'passed' });
}

async function breakIt({ kubernetes }: Stage, stop: AbortSignal): Promise<void> {
  chapter(
    `2. An upgrade to ${BROKEN}, which is bad`,
    'Helm and Flux are content, and so is the health check. The smoke test is not.',
    '',
  );
  await kubernetes.patch(RELEASE, upgradeTo(BROKEN));
  const release = await follow(kubernetes, (one) => isDecided(one, BROKEN), stop);
  await show(kubernetes, release);
  expect(release, { [KEYS.result]: 'failed', [`${LINES}http`]: 'passed', [`${LINES}smoke`]: 'failed' });
}

async function fixIt({ kubernetes, postsync, hmacKey }: Stage, stop: AbortSignal): Promise<void> {
  chapter(
    `3. The fix, ${FIXED}`,
    "Flux may also tell of it by a signed event. That is but a hint: postsync's own watch sees every change.",
    '',
  );
  await kubernetes.patch(RELEASE, upgradeTo(FIXED));
  const body = fluxEvent(FIXED);
  const signature = createHmac('sha256', hmacKey).update(body).digest('hex');
  const headers = { 'content-type': 'application/json', 'x-signature': `sha256=${signature}` };
  await post(`${postsync.url}/flux`, { body, headers, signal: stop });
  const release = await follow(kubernetes, (one) => isDecided(one, FIXED), stop);
  await show(kubernetes, release);
  expect(release, { [KEYS.result]: 'passed', [`${LINES}http`]: 'passed', [`${LINES}smoke`]: 'passed' });
}

async function runAgain({ kubernetes, postsync, token }: Stage, stop: AbortSignal): Promise<void> {
  chapter(
    '4. A re-run by hand',
    'Ada may create SyncTestRuns in this namespace, so postsync takes her token.',
    'The verdict stands until the new runs have ended.',
    '',
  );
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ reason: 'to be sure' });
  const path = `/api/v1/releases/${SHOP.namespace}/${SHOP.name}/runs`;
  await post(postsync.url + path, { body, headers, signal: stop });
  const isSecond = ([key, line]: readonly [string, string]) =>
    !key.startsWith(LINES) || line.includes('attempt 2 of 2');
  const isOver = (one: HelmRelease) => isDecided(one, FIXED) && keysOf(one).every(isSecond);
  const release = await follow(kubernetes, isOver, stop);
  await show(kubernetes, release);
  expect(release, { [KEYS.result]: 'passed', [`${LINES}http`]: 'passed', [`${LINES}smoke`]: 'passed' });
}

/** Posts, and shows the answer. Every post of the story is answered 202. */
async function post(url: string, request: Pick<RequestInit, 'body' | 'headers' | 'signal'>): Promise<void> {
  const response = await fetch(url, { method: 'POST', ...request });
  const answer = await response.text();
  detail(`POST ${new URL(url).pathname} → ${response.status} ${answer}`);
  if (response.status !== 202) throw new Error(`POST ${url} was answered ${response.status}`);
}

async function show(kubernetes: Stage['kubernetes'], release: HelmRelease): Promise<void> {
  const { items } = (await kubernetes.list({ resource: 'synctestruns', ...IN_NAMESPACE })) as {
    items: readonly SyncTestRun[];
  };
  const byTime = ({ metadata: { creationTimestamp, name } }: SyncTestRun) => creationTimestamp + name;
  command(`kubectl get synctestruns -n ${SHOP.namespace}`);
  runTable(items.toSorted((a, b) => byTime(a).localeCompare(byTime(b))));
  command(`kubectl get helmrelease -n ${SHOP.namespace} ${SHOP.name} -o yaml`);
  table(keysOf(release));
}

/** @throws when an annotation does not begin with the word that is expected of it */
function expect(
  { metadata: { annotations = {} } }: HelmRelease,
  words: Readonly<Record<string, string>>,
): void {
  for (const [key, word] of Object.entries(words)) {
    const value = annotations[key];
    if (!value?.startsWith(word)) throw new Error(`${key} is "${value}", and ${word} was expected`);
  }
}
