import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { type Credential, readCredential } from '../../src/run/github/credentials.ts';
import { connectGitHub } from '../../src/run/github/octokit.ts';
import { payloadOf } from '../../src/run/github/payload.ts';
import { sample } from '../../src/run/sample.ts';
import { type Github, readSyncTest } from '../../src/synctest.ts';
import { type Prism, startPrism } from '../support/github/prism.ts';

/*
 * Prism is a stranger's reading of GitHub's description of its API. It sees what postsync sends, byte for byte.
 */

const SHOP = 'acme/shop';

interface Complaint {
  readonly location: readonly string[];
  readonly message: string;
}

let prism: Prism;
/** What was sent, and what Prism found wrong with it. */
const sent: string[] = [];
const complaints: string[] = [];

/** Between postsync and Prism, to see what is sent and what Prism says of it. */
const between = createServer((req, res) => {
  void (async () => {
    const url = new URL(req.url ?? '', prism.url);
    sent.push(`${req.method} ${url.pathname}`);
    const { host: _host, connection: _connection, ...given } = req.headers as Record<string, string>;
    // Octokit asks for a media type of GitHub's, which the description does not name.
    const headers = { ...given, accept: 'application/json' };
    const body = await text(req);
    const ask = () => fetch(url, { method: req.method ?? '', headers, ...(body !== '' && { body }) });
    let answer = await ask();
    const found = await complaintsIn(answer.clone());
    complaints.push(...found);
    if (found.length === 1 && found[0] === CREATED) {
      url.searchParams.delete('created');
      answer = await ask();
      complaints.push(...(await complaintsIn(answer.clone())));
    }
    res.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'text/plain' });
    res.end(await answer.text());
  })();
});

/** The description says `date-time`; GitHub takes search syntax: https://docs.github.com/rest/actions/workflow-runs */
const CREATED = 'request.query.created: Request query parameter created must match format "date-time"';

async function complaintsIn(answer: Response): Promise<readonly string[]> {
  const inHeader = JSON.parse(answer.headers.get('sl-violations') ?? '[]') as readonly Complaint[];
  const problem = answer.headers.get('content-type')?.includes('problem+json') ? await answer.json() : {};
  const { validation = [] } = problem as { readonly validation?: readonly Complaint[] };
  return [
    ...inHeader.filter(({ location }) => location[0] === 'request'),
    ...validation.map((one) => ({ ...one, location: ['request', ...one.location] })),
  ].map(({ location, message }) => `${location.join('.')}: ${message}`);
}

before(async () => {
  prism = await startPrism();
  between.listen(0, '127.0.0.1');
  await once(between, 'listening');
});

after(async () => {
  between.closeAllConnections();
  between.close();
  await prism[Symbol.asyncDispose]();
});

beforeEach(() => {
  sent.length = 0;
  complaints.length = 0;
});

function connected(credential: Credential = { kind: 'token', token: 'secret' }) {
  const { port } = between.address() as AddressInfo;
  return connectGitHub({ apiUrl: `http://127.0.0.1:${port}`, credential });
}

/** What postsync sends for a test with this `github` block. */
function payload(github: object) {
  const syncTest = readSyncTest({
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTest',
    metadata: {
      namespace: 'apps',
      name: 'smoke',
      uid: '1',
      generation: 1,
      creationTimestamp: '2026-11-21T09:00:00Z',
    },
    spec: { github: { repository: SHOP, ...github } },
  });
  const { run, release } = sample(syncTest.test.ref);
  assert.equal(syncTest.body.kind, 'github');
  return payloadOf(
    { run, release, syncTest, clusterName: 'here' },
    (syncTest.body as { github: Github }).github,
  );
}

test('Prism takes the repository_dispatch', async () => {
  const given = payload({ trigger: 'repository_dispatch', payload: { environment: 'staging' } });
  assert.equal(given.trigger, 'repository_dispatch');
  if (given.trigger !== 'repository_dispatch') return;
  await connected().dispatchRepository(SHOP, given.eventType, given.payload);
  assert.deepEqual(sent, ['POST /repos/acme/shop/dispatches']);
  assert.deepEqual(complaints, []);
});

test('Prism refuses a repository_dispatch that GitHub would refuse', async () => {
  const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, at) => [`key${at}`, at]));
  await assert.rejects(connected().dispatchRepository(SHOP, 'x'.repeat(101), eleven), {
    code: 'GITHUB_REJECTED',
  });
  assert.deepEqual(complaints, [
    'request.body.event_type: Request body property event_type must NOT have more than 100 characters',
    'request.body.client_payload: Request body property client_payload must NOT have more than 10 properties',
  ]);
});

test('Prism takes the workflow_dispatch, and says which run it started', async () => {
  const given = payload({
    trigger: 'workflow_dispatch',
    workflow: 'e2e.yaml',
    ref: 'main',
    inputs: { level: 'full' },
  });
  assert.equal(given.trigger, 'workflow_dispatch');
  if (given.trigger !== 'workflow_dispatch') return;
  const accepted = await connected().dispatchWorkflow(SHOP, given);
  assert.deepEqual(accepted, { id: 1, url: 'https://github.com/octo-org/octo-repo/actions/runs/1' });
  assert.deepEqual(sent, ['POST /repos/acme/shop/actions/workflows/e2e.yaml/dispatches']);
  assert.deepEqual(complaints, []);
});

test('Prism takes the list of runs but for `created`, and its example of GitHub is understood', async () => {
  const runs = await connected().listRuns(SHOP, { event: 'repository_dispatch', since: Date.now() });
  assert.deepEqual(
    runs.map(({ id, title, status }) => ({ id, title, status })),
    [{ id: 30_433_642, title: 'Update README.md', status: 'queued' }],
  );
  assert.deepEqual(sent, ['GET /repos/acme/shop/actions/runs']);
  assert.deepEqual(complaints, [CREATED]);
});

test('Prism takes a look at a run, and its example of GitHub is understood', async () => {
  const run = await connected().readRun(SHOP, 30_433_642);
  assert.equal(run?.url, 'https://github.com/octo-org/octo-repo/actions/runs/30433642');
  assert.deepEqual(sent, ['GET /repos/acme/shop/actions/runs/30433642']);
  assert.deepEqual(complaints, []);
});

test('Prism takes the end of a run', async () => {
  await connected().cancelRun(SHOP, 30_433_642);
  assert.deepEqual(sent, ['POST /repos/acme/shop/actions/runs/30433642/cancel']);
  assert.deepEqual(complaints, []);
});

test("Prism takes an App's request for a token, and the token that it gives is used", async () => {
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const credential = readCredential({
    githubAppID: '7',
    githubAppInstallationID: '70',
    githubAppPrivateKey: privateKey,
  });
  await connected(credential).readRun(SHOP, 1);
  assert.deepEqual(sent, ['POST /app/installations/70/access_tokens', 'GET /repos/acme/shop/actions/runs/1']);
  assert.deepEqual(complaints, []);
});
