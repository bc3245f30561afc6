import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  aDispatchingWorld,
  aHelmRelease,
  REPOSITORY,
  TOKEN,
  type WorldOptions,
} from '../support/dispatching/world.ts';
import type { TokenOptions } from '../support/github/credentials.ts';
import type { Fields, Workflow } from '../support/github/model.ts';

interface Mistake extends Omit<WorldOptions, 'tests'> {
  /** What the test asks for of GitHub, beside the repository and the Secret. */
  readonly asked?: Fields;
  /** What the token may do; everything, where this is absent. */
  readonly token?: TokenOptions;
}

const BY_NAME: Fields = { trigger: 'workflow_dispatch', workflow: 'e2e.yaml', ref: 'main' };

/** A workflow that is dispatched by name, as its author wrote it. */
function theirs(on: Workflow['workflowDispatch'], differs: Partial<Workflow> = {}): readonly Workflow[] {
  return [{ path: '.github/workflows/e2e.yaml', ...(on && { workflowDispatch: on }), ...differs }];
}

const SECONDS = 700;

function keys(count: number): Fields {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'value']));
}

/** The runs of a test that has this mistake, and the line of it on the release. */
async function tested({ asked = {}, token, ...options }: Mistake) {
  const github = { repository: REPOSITORY, secretRef: { name: 'github' }, ...asked };
  await using world = await aDispatchingWorld({ ...options, tests: { smoke: { github } } });
  if (token) world.github.addToken(TOKEN, { name: 'ci', ...token });
  world.processes(1);
  await world.pass(SECONDS);
  const line = world.release().annotations['tests.postsync.dev/smoke'] ?? '';
  assert.ok(!JSON.stringify([world.runs(), line]).includes(TOKEN), 'a secret is shown');
  return { runs: world.runs(), line };
}

const MISTAKES: readonly (readonly [name: string, mistake: Mistake, outcome: RegExp])[] = [
  [
    'a token that GitHub does not know',
    { secret: { token: 'ghp_wrong' } },
    /^CredentialsMissing: .*Bad credentials; renew Secret apps\/github/,
  ],
  [
    'no Secret',
    { secret: 'none' },
    /^CredentialsMissing: Secret apps\/github is not there: create it, with key token$/,
  ],
  [
    'a Secret without keys',
    { secret: { token: '' } },
    /^CredentialsMissing: Secret apps\/github: it has no key token, and none of githubAppID/,
  ],
  [
    'an App without its private key',
    { secret: { token: '', githubAppID: '1', githubAppInstallationID: '2' } },
    /^CredentialsMissing: Secret apps\/github: key githubAppPrivateKey is missing/,
  ],
  [
    'a private key that is none',
    {
      secret: { token: '', githubAppID: '1', githubAppInstallationID: '2', githubAppPrivateKey: 'x' },
    },
    /^CredentialsMissing: Secret apps\/github: key githubAppPrivateKey is not an RSA private key in PEM/,
  ],
  [
    'a repository that is not there',
    { asked: { repository: 'acme/shpo' } },
    /^DispatchRefused: .*acme\/shpo: HTTP 404.*; check the name of the repository/,
  ],
  [
    'a token that may not list',
    { token: { rights: { contents: 'write' } } },
    /^CredentialsMissing: cannot list .*; Secret apps\/github needs the right Contents: write and Actions: read/,
  ],
  [
    'a token that may not dispatch',
    { token: { rights: { contents: 'read', actions: 'read' } } },
    /^CredentialsMissing: cannot dispatch .*; Secret apps\/github needs the right Contents: write and Actions: read/,
  ],
  [
    'a token that may not dispatch by name',
    { token: { rights: { contents: 'write', actions: 'read' } }, asked: BY_NAME },
    /^CredentialsMissing: cannot dispatch .*; Secret apps\/github needs the right Actions: write/,
  ],
  [
    'a workflow without workflow_dispatch',
    { workflows: theirs(undefined), asked: BY_NAME },
    /^DispatchRefused: .*; add `workflow_dispatch` to its `on:`/,
  ],
  [
    'a workflow that is not there',
    { workflows: [], asked: BY_NAME },
    /^DispatchRefused: .*; spec\.github\.workflow must be a file in \.github\/workflows on the default branch/,
  ],
  [
    'a workflow that is disabled',
    { workflows: theirs({}, { disabled: true }), asked: BY_NAME },
    /^DispatchRefused: .*; enable it on GitHub/,
  ],
  [
    'a ref that is not there',
    { asked: { ...BY_NAME, ref: 'mian' } },
    /^DispatchRefused: .*No ref found for: mian; spec\.github\.ref must be a branch or a tag/,
  ],
  [
    'a workflow that does not declare the input of postsync',
    { workflows: theirs({}), asked: BY_NAME },
    /^DispatchRefused: .*; declare the input `postsync`/,
  ],
  [
    'an input that is not declared',
    { asked: { ...BY_NAME, inputs: { uri: 'https://shop.example.com' } } },
    /^DispatchRefused: .*"uri".*; declare them .*or leave them out of spec\.github\.inputs/,
  ],
  [
    'an input that is required and not given',
    { workflows: theirs({ inputs: { postsync: {}, url: { required: true } } }), asked: BY_NAME },
    /^DispatchRefused: .*'url' not provided; change spec\.github\.inputs/,
  ],
  [
    'a payload that is too large',
    { asked: { payload: { log: 'x'.repeat(70_000) } } },
    /^DispatchRefused: the payload is \d+ bytes long .*GitHub takes 65535: send less/,
  ],
  [
    'a payload of too many keys',
    { asked: { payload: keys(10) } },
    /^DispatchRefused: the payload has 11 top-level keys .*GitHub takes 10: put yours under one key/,
  ],
  [
    'too many inputs',
    { asked: { ...BY_NAME, inputs: keys(25) } },
    /^DispatchRefused: it has 26 inputs .*GitHub takes 25: give fewer/,
  ],
  [
    'a workflow whose author forgot run-name',
    { workflows: [{ path: '.github/workflows/a.yaml', repositoryDispatch: {} }] },
    /^RunNotFound: .*: the workflow needs `run-name: \$\{\{ github\.event\.client_payload\.postsync\.run \}\}`: 1 came/,
  ],
  [
    'a workflow whose author forgot run-name, on an old Enterprise Server',
    {
      github: { oldEnterprise: true },
      workflows: theirs({ inputs: { postsync: {} } }),
      asked: BY_NAME,
    },
    /^RunNotFound: .*: the workflow needs `run-name: \$\{\{ fromJSON\(inputs\.postsync\)\.run \}\}`: 1 came/,
  ],
  [
    'no workflow',
    { workflows: [] },
    /^RunNotFound: .*: is there a workflow for it on the default branch of acme\/shop\?/,
  ],
];

for (const [name, mistake, outcome] of MISTAKES) {
  test(`${name} ends a run with a sentence that says what to do`, async () => {
    const { runs, line } = await tested(mistake);
    assert.equal(runs.length, 1, 'it is not tried again');
    const { verdict, reason, message } = runs[0]?.outcome ?? {};
    assert.equal(verdict, 'inconclusive');
    assert.match(`${reason}: ${message}`, outcome);
    // People read it on the release, where only the begin of it is.
    assert.match(line.replace(/^inconclusive, .*?Z: /, ''), outcome);
  });
}

test('an annotation for a repository that the administrator did not allow says so, and nothing is sent', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'credential-'));
  try {
    await writeFile(join(directory, 'token'), TOKEN);
    await using world = await aDispatchingWorld({
      releases: [aHelmRelease('podinfo', { 'postsync.dev/github': 'acme/secrets' })],
      defaults: { directory, repository: REPOSITORY },
    });
    world.processes(1);
    await world.pass(SECONDS);
    assert.match(
      world.release().annotations['tests.postsync.dev/github'] ?? '',
      /^pending: .*the administrator has not allowed namespace apps to dispatch to acme\/secrets \(--github-allow\)/,
    );
    assert.equal(world.github.exchanges.length, 0);
  } finally {
    await rm(directory, { recursive: true });
  }
});
