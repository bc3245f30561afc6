import { createHmac } from 'node:crypto';
import { KEYS, LINES } from '../../src/decide/keys.ts';
import { REPOSITORY } from './github.ts';
import {
  dispatchTo,
  fluxEvent,
  type HelmRelease,
  helmRelease,
  namespace,
  SHOP,
  type SyncTestRun,
  smokeTest,
  upgradeTo,
} from './objects.ts';
import { chapter, detail, heading, keysOf, runTable, table } from './print.ts';
import { BROKEN } from './shop.ts';
import type { Stage } from './stage.ts';
import { type Follow, follower, isDecided } from './watch.ts';

const FIRST = '1.0.0';
const FIXED = '1.1.1';
const RELEASE = { resource: 'helmreleases', ...SHOP } as const;
const IN_NAMESPACE = { namespace: SHOP.namespace } as const;

interface Telling extends Stage {
  readonly follow: Follow;
  readonly stop: AbortSignal;
}

/**
 * Tells the story while it happens.
 *
 * @throws when it does not come out as told
 */
export async function tellStory(stage: Stage, stop: AbortSignal): Promise<void> {
  const telling = { ...stage, stop, follow: follower(stage.kubernetes, stop) };
  await install(telling);
  await breakIt(telling);
  await fixIt(telling);
  await runAgain(telling);
  await dispatch(telling);
}

async function install({ kubernetes, shopUrl, follow }: Telling): Promise<void> {
  chapter(
    `1. Flux installs the chart ${FIRST}`,
    'The HelmRelease "shop" asks for the check that is built in, by the annotation postsync.dev/http.',
    'A SyncTest, "smoke", selects it, too: a Job of your own, here a shell script that asks what tea costs.',
  );
  await kubernetes.create({ resource: 'namespaces' }, namespace);
  await kubernetes.create({ resource: 'synctests', ...IN_NAMESPACE }, smokeTest(shopUrl));
  await kubernetes.create({ resource: 'helmreleases', ...IN_NAMESPACE }, helmRelease(shopUrl, FIRST));
  const release = await follow((one) => isDecided(one, FIRST));
  await show(kubernetes, release);
  expect(release, { result: 'passed', http: 'passed in', smoke: 'passed in' });
}

async function breakIt({ kubernetes, follow }: Telling): Promise<void> {
  chapter(
    `2. An upgrade to ${BROKEN}, which is bad`,
    'Helm and Flux are content, and so is the health check. The smoke test is not.',
  );
  await kubernetes.patch(RELEASE, upgradeTo(BROKEN));
  const release = await follow((one) => isDecided(one, BROKEN));
  await show(kubernetes, release);
  expect(release, { result: 'failed', http: 'passed in', smoke: 'failed in' });
}

async function fixIt({ kubernetes, postsync, hmacKey, follow, stop }: Telling): Promise<void> {
  chapter(
    `3. The fix, ${FIXED}`,
    "Flux may tell of it, by a signed event. It is a hint and no more: postsync's own watch sees every change.",
  );
  await kubernetes.patch(RELEASE, upgradeTo(FIXED));
  const body = fluxEvent(FIXED);
  const signature = createHmac('sha256', hmacKey).update(body).digest('hex');
  const headers = { 'content-type': 'application/json', 'x-signature': `sha256=${signature}` };
  await post(`${postsync.url}/flux`, { body, headers, signal: stop });
  const release = await follow((one) => isDecided(one, FIXED));
  await show(kubernetes, release);
  expect(release, { result: 'passed', http: 'passed in', smoke: 'passed in' });
}

async function runAgain({ kubernetes, postsync, token, follow, stop }: Telling): Promise<void> {
  chapter(
    '4. A re-run by hand',
    'Ada may create SyncTestRuns in this namespace, so postsync does as she asks.',
    'What stands on the HelmRelease stays until the new runs have ended.',
  );
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const body = JSON.stringify({ reason: 'to be sure' });
  const path = `/api/v1/releases/${SHOP.namespace}/${SHOP.name}/runs`;
  await post(postsync.url + path, { body, headers, signal: stop });
  const release = await follow((one) => isDecided(one, FIXED) && keysOf(one).every(isAgain));
  await show(kubernetes, release);
  expect(release, { result: 'passed', http: 'passed (re-run)', smoke: 'passed (re-run)' });
}

async function dispatch({ kubernetes, github, follow }: Telling): Promise<void> {
  chapter(
    '5. A test on GitHub',
    `The annotation postsync.dev/github asks for a workflow in ${REPOSITORY}, on a stand-in for GitHub.`,
    'It is dispatched once, found again by its run-name, and followed to its end.',
  );
  await kubernetes.patch(RELEASE, dispatchTo(REPOSITORY));
  const release = await follow((one) => isDecided(one, FIXED) && new Map(keysOf(one)).has(`${LINES}github`));
  await show(kubernetes, release);
  const dispatched = github.runs(REPOSITORY);
  for (const { displayTitle, conclusion } of dispatched)
    detail(`${REPOSITORY}: ${displayTitle}: ${conclusion}`);
  if (dispatched.length !== 1) throw new Error(`there are ${dispatched.length} workflow runs, not 1`);
  expect(release, { result: 'passed', github: 'passed in' });
}

/** Posts, and shows the answer. Every post of the story is answered 202. */
async function post(url: string, request: Pick<RequestInit, 'body' | 'headers' | 'signal'>): Promise<void> {
  const response = await fetch(url, { method: 'POST', ...request });
  const answer = await response.text();
  detail(`POST ${new URL(url).pathname} → ${response.status} ${answer}`);
  if (response.status !== 202) throw new Error(`POST ${url} was answered ${response.status}, not 202`);
}

function isAgain([key, line]: readonly [string, string]): boolean {
  return !key.startsWith(LINES) || line.includes('(re-run)');
}

async function show(kubernetes: Stage['kubernetes'], release: HelmRelease): Promise<void> {
  const list = await kubernetes.list({ resource: 'synctestruns', ...IN_NAMESPACE });
  const { items } = list as { items: readonly SyncTestRun[] };
  heading('The runs (kubectl get synctestruns)');
  runTable(items.toSorted((a, b) => byTime(a).localeCompare(byTime(b))));
  heading('On the HelmRelease');
  table(keysOf(release));
}

function byTime({ metadata: { creationTimestamp, name } }: SyncTestRun): string {
  return creationTimestamp + name;
}

interface Expected {
  readonly result: string;
  /** How the lines of the tests begin. */
  readonly [test: string]: string;
}

/** @throws when a key does not begin with what is expected of it */
function expect(release: HelmRelease, { result, ...lines }: Expected): void {
  const keys = new Map(keysOf(release));
  const wanted = Object.entries(lines).map(([test, start]) => [LINES + test, start] as const);
  for (const [key, start] of [[KEYS.result, result] as const, ...wanted]) {
    const value = keys.get(key);
    if (!value?.startsWith(start)) throw new Error(`${key} says "${value}", not "${start}"`);
  }
}
