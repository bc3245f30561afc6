import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { help, parseConfig, settings } from '../src/config.ts';
import type { Config, Outside } from '../src/settings.ts';
import { VERSION } from '../src/version.ts';

const FILES: Readonly<Record<string, string>> = {
  '/keys/new': ' key with a newline\n',
  '/keys/old': 'old',
  '/keys/empty': '\n',
  '/keys/token': 'a-token\n',
  '/jobs.yaml': 'labels: {team: web}\ntolerations: []\n',
  '/flagger.yaml': 'apps: 0123456789abcdef\n',
  '/short.yaml': 'apps: hunter2\nA_b: 0123456789abcdef\n',
  '/list.yaml': '- a\n',
  '/broken.yaml': 'a: [',
};

function outside(files = FILES): Outside {
  return {
    hostname: () => 'pod-1',
    read(path) {
      const content = files[path];
      if (content === undefined) throw new Error('ENOENT');
      return Buffer.from(content);
    },
  };
}

function config(argv: readonly string[], env: Record<string, string> = {}, files = FILES): Config {
  const parsed = parseConfig(argv, env, outside(files));
  assert.equal(parsed.kind, 'config');
  return (parsed as { config: Config }).config;
}

function refused(argv: readonly string[], env: Record<string, string> = {}): string {
  try {
    parseConfig(argv, env, outside());
  } catch (error) {
    assert.equal((error as { code?: string }).code, 'CONFIG_INVALID');
    return (error as Error).message;
  }
  return assert.fail('it was taken');
}

describe('the configuration', () => {
  test('has a default for everything', () => {
    const { port, identity, namespace, fluxReasons, resyncIntervalMs, leaderElection } = config([]);

    assert.deepEqual(
      { port, identity, namespace, resyncIntervalMs, leaderElection },
      {
        port: 8080,
        identity: 'pod-1',
        namespace: 'postsync-system',
        resyncIntervalMs: 600_000,
        leaderElection: true,
      },
    );
    assert.deepEqual(fluxReasons, [
      'InstallSucceeded',
      'UpgradeSucceeded',
      'TestSucceeded',
      'ReconciliationSucceeded',
    ]);
  });

  test('is taken from the environment, and from flags, which win', () => {
    const env = { POSTSYNC_PORT: '9000', POSTSYNC_MAX_RUNS: '3' };

    const { port, maxRuns } = config(['--port=9001'], env);

    assert.deepEqual({ port, maxRuns }, { port: 9001, maxRuns: 3 });
  });

  test('takes an empty text for not given', () => {
    assert.equal(config([], { POSTSYNC_PORT: '', POSTSYNC_TESTS_NAMESPACE: '' }).testsNamespace, undefined);
    assert.equal(config(['--port='], { POSTSYNC_PORT: '9000' }).port, 8080);
  });

  test('is in the namespace of its service account', () => {
    const file = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

    assert.equal(config([], {}, { [file]: 'flux-tests\n' }).namespace, 'flux-tests');
  });

  test('is not misled by the variables that Kubernetes makes for a Service called postsync', () => {
    assert.equal(config([], { POSTSYNC_PORT: 'tcp://10.96.0.7:80' }).port, 8080);
  });

  test('tells of variables that are no settings, but for those that Kubernetes makes for Services', () => {
    const links = [
      'POSTSYNC_SERVICE_HOST',
      'POSTSYNC_SERVICE_PORT',
      'POSTSYNC_SERVICE_PORT_HTTP',
      'POSTSYNC_PORT_80_TCP',
      'POSTSYNC_PORT_80_TCP_PROTO',
      'POSTSYNC_PORT_80_TCP_PORT',
      'POSTSYNC_PORT_80_TCP_ADDR',
      'POSTSYNC_METRICS_SERVICE_HOST',
      'POSTSYNC_METRICS_PORT',
    ];
    const env = Object.fromEntries([...links, 'POSTSYNC_PROT', 'PATH'].map((name) => [name, '80']));

    const parsed = parseConfig([], { ...env, POSTSYNC_PORT: 'tcp://10.96.0.7:80' }, outside());

    assert.deepEqual(parsed.kind === 'config' && parsed.ignored, [
      'POSTSYNC_PROT is not a setting of postsync, and does nothing; did you mean POSTSYNC_PORT?',
    ]);
  });

  for (const [text, ms] of [
    ['0', 0],
    ['0s', 0],
    ['250ms', 250],
    ['1h30m', 5_400_000],
  ] as const)
    test(`reads ${text} as ${ms} milliseconds`, () => {
      assert.equal(config(['--resync-interval', text]).resyncIntervalMs, ms);
    });

  test('takes an address to call back without the slash at its end, and two keys', () => {
    const key = 'k'.repeat(32);
    const argv = ['--callback-url=https://a.example/b/', '--callback-key-files=/keys/new,/keys/old'];

    const { callbackUrl, callbackKeys } = config(argv, {}, { '/keys/new': key, '/keys/old': `${key}\n` });

    assert.equal(callbackUrl, 'https://a.example/b');
    assert.deepEqual(callbackKeys, [Buffer.from(key), Buffer.from(`${key}\n`)]);
  });

  test('takes no callbacks unless it is told where', () => {
    const { callbackUrl, callbackKeys } = config([]);

    assert.deepEqual({ callbackUrl, callbackKeys }, { callbackUrl: undefined, callbackKeys: [] });
  });

  for (const url of [
    'a.example',
    'ftp://a.example',
    'https://',
    'https://a.example?b',
    'https://a:b@a.example',
  ])
    test(`does not let workflows call back to ${url}`, () => {
      assert.match(refused([`--callback-url=${url}`]), /begin with http.*\n.*--callback-url/);
    });

  test('tells Flux nothing unless it is told where', () => {
    const address = 'http://notification-controller.flux-system.svc.cluster.local.';

    assert.equal(config([]).eventAddress, undefined);
    assert.equal(config([`--event-address=${address}/`]).eventAddress, address);
    assert.match(refused(['--event-address=a.example']), /begin with http.*\n.*--event-address/);
  });

  test('takes no short key for callbacks', () => {
    assert.match(refused(['--callback-key-files=/keys/new']), /32 bytes\n.*--callback-key-files/);
  });

  test('reads keys as the bytes of their files and tokens without the white space around them', () => {
    const { fluxHmacKeys, fluxBearerTokens } = config([
      '--flux-hmac-key-files=/keys/new, /keys/old',
      '--flux-bearer-token-files=/keys/token',
    ]);

    assert.deepEqual(fluxHmacKeys.map(String), [' key with a newline\n', 'old']);
    assert.deepEqual(fluxBearerTokens, ['a-token']);
  });

  test('reads the tokens for Flagger by namespace, and takes none that is short', () => {
    assert.equal(config([]).flaggerTokens, undefined);
    assert.deepEqual(config(['--flagger-tokens-file=/flagger.yaml']).flaggerTokens, {
      apps: '0123456789abcdef',
    });
    const problems = refused(['--flagger-tokens-file=/short.yaml']);
    assert.match(problems, /16 characters\n.*--flagger-tokens-file, apps\n/);
    assert.doesNotMatch(problems, /hunter2|0123456789abcdef/);
  });

  test('reads the defaults of Jobs from a file', () => {
    assert.deepEqual(config(['--job-defaults-file=/jobs.yaml']).jobDefaults, {
      labels: { team: 'web' },
      tolerations: [],
    });
  });
});

describe('a mistake in the configuration', () => {
  test('is seen in the file with the defaults of Jobs, too', () => {
    const wrong = { read: () => Buffer.from('tolerations: {}\nlables: {team: web}'), hostname: () => 'here' };
    assert.throws(() => parseConfig(['--job-defaults-file=/jobs.yaml'], {}, wrong), {
      code: 'CONFIG_INVALID',
      message: /expected array.*\n {2}→ at --job-defaults-file, tolerations\n[^]*lables/,
    });
  });

  test('is said together with all the others, where it was made', () => {
    const said = refused(['--prot', '--max-runs=many', 'extra', '--identity'], {
      POSTSYNC_PORT: '70000',
      POSTSYNC_TESTS_NAMESPACE: 'postsync-system',
      POSTSYNC_LEADER_ELECTION: 'yes',
    });

    assert.match(said, /no such flag; did you mean --port\?\n {2}→ at --prot/);
    assert.match(said, /use a whole number\n {2}→ at --max-runs/);
    assert.match(said, /unexpected argument\n {2}→ at extra/);
    assert.match(said, /needs a value\n {2}→ at --identity/);
    assert.match(said, /65535\n {2}→ at POSTSYNC_PORT/);
    assert.match(
      said,
      /must not be the namespace that postsync itself runs in\n {2}→ at POSTSYNC_TESTS_NAMESPACE/,
    );
    assert.match(said, /→ at POSTSYNC_LEADER_ELECTION/);
  });

  test('is a command that there is not', () => {
    assert.equal(
      refused(['rn', 'apps/podinfo']),
      'there is no command rn: postsync run NAMESPACE/NAME runs tests, and flags alone start the service\nsee: postsync --help',
    );
  });

  for (const [flag, because] of [
    ['--flux-hmac-key-files=/keys/none', /cannot read \/keys\/none/],
    ['--flux-hmac-key-files=/keys/empty', /\/keys\/empty is empty/],
    ['--flux-hmac-key-files=/keys/old,/keys/old,/keys/old', /at most two files/],
    ['--job-defaults-file=/list.yaml', /not a YAML mapping/],
    ['--job-defaults-file=/broken.yaml', /neither YAML nor JSON/],
    ['--resync-interval=10', /use whole numbers with units/],
    ['--resync-interval=10 m', /use whole numbers with units/],
    ['--resync-interval=1000h', /at most 596h/],
    ['--api-server-timeout=0s', /longer than 0s/],
    ['--log-url-template=logs/{job}', /must begin with http/],
    ['--log-url-template=https://logs/{jobs}', /\{jobs\} is none of \{cluster\}, \{namespace\}, \{job\}/],
    ['--tests-namespace=Post Sync', /lower-case letters/],
  ] as const)
    test(`is said of ${flag}`, () => {
      assert.match(refused([flag]), because);
    });

  test('never shows what is in a secret file', () => {
    const said = refused(['--flux-hmac-key-files=/keys/new', '--port=x']);

    assert.doesNotMatch(said, /key with/);
  });
});

describe('the help', () => {
  test('names every setting with its flag, variable and default', () => {
    const text = help();

    for (const { flag, variable, shown } of settings()) {
      assert.ok(text.includes(`${flag}, ${variable}`), flag);
      assert.ok(text.includes(shown), shown);
    }
  });

  test('describes every setting', () => {
    for (const { flag, description } of settings()) assert.ok(description.length > 10, flag);
  });

  test('does not depend on the machine', () => {
    const shown = settings().map((setting) => setting.shown);

    assert.ok(shown.includes("the host's name"));
    assert.ok(shown.includes("the service account's, else postsync-system"));
  });

  for (const argv of [['--port=x', '--help'], ['-h'], ['help'], ['help', 'run']])
    test(`is given for ${argv.join(' ')}, whatever else is wrong`, () => {
      assert.deepEqual(parseConfig(argv, {}, outside()), { kind: 'text', text: help() });
    });

  test('has the version beside it', () => {
    assert.deepEqual(parseConfig(['--version'], {}, outside()), { kind: 'text', text: `${VERSION}\n` });
  });
});
