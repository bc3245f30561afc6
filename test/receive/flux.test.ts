import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { describe, test } from 'node:test';
import { aServer } from '../support/server.ts';

const KEY = 'flux-fixture-key';
const FIXTURES = new URL('../fixtures/', import.meta.url);
const SUCCESSES = new Set(['InstallSucceeded', 'UpgradeSucceeded', 'TestSucceeded']);

interface Fixture {
  readonly name: string;
  readonly body: Buffer;
  readonly signature: string;
}

function fixtures(): Fixture[] {
  const signatures = readFileSync(new URL('flux-events/SIGNATURES.txt', FIXTURES), 'utf8');
  const constructed = [...signatures.matchAll(/^(\S+\.json) X-Signature: (\S+)$/gm)].map(
    ([, name = '', signature = '']) => ({
      name,
      signature,
      body: readFileSync(new URL(`flux-events/${name}`, FIXTURES)),
    }),
  );
  const folder = new URL('flux-captured/', FIXTURES);
  const captured = readdirSync(folder)
    .filter((name) => name.endsWith('.json') && !name.includes('.headers.'))
    .map((name) => {
      const text = readFileSync(new URL(name.replace('.json', '.headers.json'), folder), 'utf8');
      const { headers } = JSON.parse(text) as { headers: Record<string, string> };
      return { name, signature: headers['x-signature'] ?? '', body: readFileSync(new URL(name, folder)) };
    });
  return [...constructed, ...captured];
}

const FIRST = readFileSync(new URL('flux-events/hr-install-succeeded.json', FIXTURES), 'utf8');

function signed(body: string | Buffer, key: string | Buffer = KEY, algorithm = 'sha256'): string {
  return `${algorithm}=${createHmac(algorithm, key).update(body).digest('hex')}`;
}

async function send(
  url: string,
  body: string | Buffer,
  headers: Record<string, string> = { 'x-signature': signed(body) },
) {
  const response = await fetch(`${url}/flux`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(body)),
    headers,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, ...(JSON.parse(text) as Answer) };
}

interface Answer {
  readonly accepted: boolean;
  readonly because: string;
}

function aFluxServer(given: Parameters<typeof aServer>[0] = {}) {
  return aServer({ hmacKeys: [Buffer.from(KEY)], ...given });
}

function changed(change: (event: Record<string, unknown>) => void): string {
  const event = JSON.parse(FIRST) as Record<string, unknown>;
  change(event);
  return JSON.stringify(event);
}

describe('an event that Flux sent', () => {
  test('is there in 22 kinds', () => assert.equal(fixtures().length, 22));

  for (const { name, body, signature } of fixtures()) {
    const { involvedObject, reason, severity } = JSON.parse(body.toString()) as {
      involvedObject: { kind: string; namespace: string; name: string };
      reason: string;
      severity: string;
    };
    const counts = involvedObject.kind === 'HelmRelease' && severity === 'info' && SUCCESSES.has(reason);

    test(`${name} is ${counts ? 'a hint to look at the release' : 'of no interest'}`, async () => {
      await using server = await aFluxServer();

      const { status, accepted, because } = await send(server.url, body, { 'x-signature': signature });

      assert.deepEqual({ status, accepted }, { status: 202, accepted: counts });
      assert.deepEqual(server.looks, counts ? [`${involvedObject.namespace}/${involvedObject.name}`] : []);
      if (counts) assert.equal(because, reason);
      else assert.match(because, /is not|its severity/);
    });

    test(`${name} is refused when one byte of it changed`, async () => {
      await using server = await aFluxServer();
      const other = Buffer.from(body);
      other[0] = 0x20;

      const { status, accepted } = await send(server.url, other, { 'x-signature': signature });

      assert.deepEqual(
        { status, accepted, looks: server.looks },
        { status: 401, accepted: false, looks: [] },
      );
    });
  }

  test('of another controller is of no interest, though it is about a HelmRelease', async () => {
    await using server = await aFluxServer();
    const body = changed((event) => (event['reportingController'] = 'postsync'));

    const { status, because } = await send(server.url, body);

    assert.deepEqual(
      { status, because },
      { status: 202, because: 'sent by postsync, not by helm-controller' },
    );
  });

  test('of severity error is of no interest, whatever its reason', async () => {
    await using server = await aFluxServer();
    const body = changed((event) => (event['severity'] = 'error'));

    const { status, because } = await send(server.url, body);

    assert.deepEqual({ status, because }, { status: 202, because: 'its severity is error' });
  });

  test('counts when its reason is a configured one', async () => {
    await using server = await aFluxServer({ reasons: ['RollbackSucceeded'] });

    assert.equal((await send(server.url, FIRST)).accepted, false);
    const rollback = changed((event) => (event['reason'] = 'RollbackSucceeded'));
    assert.equal((await send(server.url, rollback)).accepted, true);
  });
});

describe('who sends an event is known by', () => {
  for (const algorithm of ['sha224', 'sha256', 'sha384', 'sha512'])
    test(`the ${algorithm} HMAC of its bytes`, async () => {
      await using server = await aFluxServer();

      const { status } = await send(server.url, FIRST, { 'x-signature': signed(FIRST, KEY, algorithm) });

      assert.equal(status, 202);
    });

  test('either of two keys, while they are exchanged', async () => {
    await using server = await aServer({ hmacKeys: [Buffer.from('new'), Buffer.from('old')] });

    for (const key of ['new', 'old']) {
      const { status } = await send(server.url, FIRST, { 'x-signature': signed(FIRST, key) });
      assert.equal(status, 202, key);
    }
  });

  test('a key with a newline at its end, as it is and as older Flux trims it', async () => {
    await using server = await aServer({ hmacKeys: [Buffer.from('key\n')] });

    for (const key of ['key\n', 'key']) {
      const { status } = await send(server.url, FIRST, { 'x-signature': signed(FIRST, key) });
      assert.equal(status, 202, JSON.stringify(key));
    }
  });

  test('a key that is no text', async () => {
    const key = Buffer.from([0xff, 0x00, 0xfe, 0x80]);
    await using server = await aServer({ hmacKeys: [key] });

    const { status } = await send(server.url, FIRST, { 'x-signature': signed(FIRST, key) });

    assert.equal(status, 202);
  });

  test('a bearer token, where no key is configured', async () => {
    await using server = await aServer({ bearerTokens: ['one', 'two'] });

    assert.equal((await send(server.url, FIRST, { authorization: 'Bearer two' })).status, 202);
    assert.equal((await send(server.url, FIRST, { authorization: 'bearer one' })).status, 202);
  });
});

describe('an event is refused with 401', () => {
  const right = signed(FIRST).slice('sha256='.length);
  for (const [what, headers, because] of [
    ['no signature', {}, /neither X-Signature nor a bearer token/],
    ['a signature under another key', { 'x-signature': signed(FIRST, 'other') }, /does not match/],
    ['half a signature', { 'x-signature': `sha256=${right.slice(0, 32)}` }, /does not match/],
    ['an empty signature', { 'x-signature': 'sha256=' }, /does not match/],
    ['a signature without its algorithm', { 'x-signature': right }, /does not match/],
    ['an algorithm that is too weak', { 'x-signature': signed(FIRST, KEY, 'sha1') }, /does not match/],
    ['an algorithm that does not exist', { 'x-signature': `constructor=${right}` }, /does not match/],
    ['a bearer token that nobody configured', { authorization: 'Bearer nonsense' }, /not a configured one/],
  ] as [string, Record<string, string>, RegExp][])
    test(`for ${what}`, async () => {
      await using server = await aFluxServer();

      const answer = await send(server.url, FIRST, headers);

      assert.deepEqual([answer.status, answer.accepted, server.looks], [401, false, []]);
      assert.match(answer.because, because);
    });

  test('by a server that has neither key nor token, which says what to configure', async () => {
    await using server = await aServer();

    const { status, because } = await send(server.url, FIRST, { 'x-signature': signed(FIRST, '') });

    assert.equal(status, 401);
    assert.match(because, /POSTSYNC_FLUX_HMAC_KEY_FILES/);
  });

  test('before it is read at all', async () => {
    await using server = await aFluxServer();

    assert.equal((await send(server.url, 'not JSON', {})).status, 401);
  });
});

describe('a body that is no event is refused with 400', () => {
  for (const [what, body, because] of [
    ['not JSON', '{', /the body is not JSON/],
    ['empty', '', /the body is not JSON/],
    ['null', 'null', /the body: /],
    ['a list', '[]', /the body: /],
    ['without its object', changed((event) => delete event['involvedObject']), /^involvedObject: /],
    [
      'with a number as name',
      changed((event) => (event['involvedObject'] = { name: 7 })),
      /involvedObject\.name: .*string/,
    ],
    ['with a number as reason', changed((event) => (event['reason'] = 7)), /^reason: .*string/],
    ['with a list as severity', changed((event) => (event['severity'] = [])), /^severity: /],
    ['with a text as metadata', changed((event) => (event['metadata'] = 'x')), /^metadata: /],
    ['with a number in metadata', changed((event) => (event['metadata'] = { a: 1 })), /^metadata\.a: /],
    ['with a number as message', changed((event) => (event['message'] = 1)), /^message: /],
    ['with a time that is none', changed((event) => (event['timestamp'] = 'noon')), /^timestamp: /],
    [
      'with a name that is a path',
      changed((event) => (event['involvedObject'] = { kind: 'HelmRelease', namespace: 'a', name: '../b' })),
      /^involvedObject\.name: not the name/,
    ],
    [
      'with a namespace that is a path',
      changed((event) => (event['involvedObject'] = { kind: 'HelmRelease', namespace: 'a/b', name: 'c' })),
      /^involvedObject\.namespace: not the name/,
    ],
  ] as const)
    test(`when it is ${what}`, async () => {
      await using server = await aFluxServer();

      const answer = await send(server.url, body);

      assert.deepEqual([answer.status, answer.accepted, server.looks], [400, false, []]);
      assert.match(answer.because, because);
    });

  test('and what it says has an end, however many mistakes there are', async () => {
    await using server = await aFluxServer();
    const metadata = Object.fromEntries(
      Array.from({ length: 500 }, (_, index) => ['k'.repeat(500) + index, 1]),
    );

    const { because } = await send(
      server.url,
      changed((event) => (event['metadata'] = metadata)),
    );

    assert.ok(because.length <= 1000);
  });
});

describe('an event is taken', () => {
  test('with fields that Flux may add', async () => {
    await using server = await aFluxServer();
    const body = changed((event) =>
      Object.assign(event, {
        traceId: 1,
        involvedObject: { ...(event['involvedObject'] as object), extra: {} },
      }),
    );

    assert.equal((await send(server.url, body)).accepted, true);
  });

  test('without metadata, message, time and reporter', async () => {
    await using server = await aFluxServer();
    const body = changed((event) => {
      for (const key of ['metadata', 'message', 'timestamp', 'reportingInstance']) delete event[key];
    });

    assert.equal((await send(server.url, body)).accepted, true);
  });

  test('of the longest message there is, all of it escaped', async () => {
    await using server = await aFluxServer();
    const body = changed((event) => (event['message'] = '<'.repeat(39_000))).replaceAll('<', '\\u003c');
    assert.ok(body.length > 6 * 39_000);

    assert.equal((await send(server.url, body)).accepted, true);
  });

  test('of 256 KiB, and refused with 413 beyond', async () => {
    await using server = await aFluxServer();
    const padding = 256 * 1024 - FIRST.length;
    const largest = FIRST + ' '.repeat(padding);

    assert.equal((await send(server.url, largest)).status, 202);
    assert.equal((await send(server.url, `${largest} `)).status, 413);
  });
});

describe('the receiver', () => {
  test('holds 16 MiB of what is not known to be signed, and asks for the rest to be sent again', async () => {
    await using server = await aFluxServer();
    const body = FIRST + ' '.repeat(256 * 1024 - FIRST.length);
    const many = 70;
    const { promise: allButTheEnd, resolve } = Promise.withResolvers<void>();
    let received = 0;
    server.server.on('request', (req: IncomingMessage) => {
      req.on('data', (piece: Buffer) => {
        received += piece.length;
        if (received === many * (body.length - 1)) resolve();
      });
    });
    const headers = { 'x-signature': signed(body), 'content-length': body.length };
    const requests = Array.from({ length: many }, () => {
      const req = request(`${server.url}/flux`, { method: 'POST', headers });
      req.write(body.slice(0, -1));
      return req;
    });
    await allButTheEnd;

    const answers = await Promise.all(
      requests.map(async (req) => {
        const [res] = (await once(req.end(body.slice(-1)), 'response')) as [IncomingMessage];
        res.resume();
        return [res.statusCode, res.headers['retry-after']];
      }),
    );

    const refused = answers.filter(([status]) => status === 429);
    assert.ok(refused.length >= many - 64 && refused.length < 20);
    assert.ok(refused.every(([, retryAfter]) => retryAfter === '2'));
    assert.ok(answers.every(([status]) => status === 429 || status === 202));
    assert.equal((await send(server.url, body)).accepted, true);
  });

  test('asks to be tried again while it stops', async () => {
    await using server = await aFluxServer();
    server.stop();

    const { status, headers, accepted } = await send(server.url, FIRST);

    assert.deepEqual([status, headers.get('retry-after'), accepted, server.looks], [503, '2', false, []]);
  });

  test('logs one line an event, and nothing of what is secret or long', async () => {
    await using server = await aFluxServer();
    await send(server.url, FIRST);
    await send(server.url, FIRST, { 'x-signature': 'sha256=00', authorization: 'Bearer s3cret' });
    await send(server.url, '{');

    const [received = {}, ...refused] = server.lines;

    delete received['time'];
    assert.deepEqual(received, {
      level: 'info',
      app: 'postsync',
      kind: 'HelmRelease',
      release: 'apps/podinfo',
      eventReason: 'InstallSucceeded',
      accepted: true,
      msg: 'event received',
    });
    assert.deepEqual(
      refused.map(({ status, msg }) => [status, msg]),
      [
        [401, 'event refused'],
        [400, 'event refused'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(server.lines), /s3cret|flux-fixture-key/);
  });

  test('counts events by answer', async () => {
    await using server = await aFluxServer();
    await send(server.url, FIRST);
    await send(server.url, FIRST, {});
    await send(server.url, '{');
    server.stop();
    await send(server.url, FIRST);

    const text = await server.metrics.text();

    for (const answer of ['accepted', 'unauthorized', 'invalid', 'stopping'])
      assert.ok(text.includes(`postsync_events_total{answer="${answer}"} 1`), answer);
  });
});
