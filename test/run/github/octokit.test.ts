import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { loopbackCertificate } from '../../../src/embedded/certificate.ts';
import { isCode, type PostsyncError } from '../../../src/errors.ts';
import { answering, type Reply } from '../../support/answering.ts';
import { aRunBody, connected, failureOf, SINCE, TOKEN } from './given.ts';

describe('a repository_dispatch', () => {
  test('is sent once, with the payload, the token and an API version', async () => {
    await using server = await answering(() => ({ status: 204 }));
    const github = connected(`${server.url}/api/v3/`);

    await github.dispatchRepository('acme/shop', 'postsync', { postsync: { run: 'r-1' } });

    assert.equal(server.seen.length, 1);
    const [{ method, url, headers, body } = assert.fail()] = server.seen;
    assert.equal(`${method} ${url}`, 'POST /api/v3/repos/acme/shop/dispatches');
    assert.deepEqual(body, { event_type: 'postsync', client_payload: { postsync: { run: 'r-1' } } });
    assert.equal(headers.authorization, `Bearer ${TOKEN}`);
    assert.equal(headers['x-github-api-version'], '2022-11-28');
    assert.match(String(headers['user-agent']), /^postsync\/\d/);
  });

  test('goes over a connection of its own, which nobody may be closing', async () => {
    await using server = await answering(({ method }) =>
      method === 'GET' ? { status: 200, body: aRunBody({}) } : { status: 204 },
    );
    const github = connected(server.url);

    await github.readRun('acme/shop', 7);
    await github.dispatchRepository('acme/shop', 'postsync', {});

    assert.deepEqual(
      server.seen.map(({ headers }) => headers.connection),
      ['keep-alive', 'close'],
    );
  });

  const REFUSALS: readonly [string, Reply, PostsyncError['code'], RegExp][] = [
    ['400', { status: 400, body: { message: 'Problems parsing JSON' } }, 'GITHUB_REJECTED', /parsing JSON/],
    ['401', { status: 401, body: { message: 'Bad credentials' } }, 'GITHUB_UNAUTHORIZED', /Bad credentials/],
    ['403', { status: 403, body: { message: 'not accessible' } }, 'GITHUB_FORBIDDEN', /not accessible/],
    ['404', { status: 404, body: { message: 'Not Found' } }, 'GITHUB_REJECTED', /has no right/],
    ['409', { status: 409, body: { message: 'Conflict' } }, 'GITHUB_FORBIDDEN', /Conflict/],
    ['410', { status: 410, body: { message: 'Gone' } }, 'GITHUB_REJECTED', /Gone/],
    [
      '422 with errors',
      {
        status: 422,
        body: {
          message: 'Validation Failed',
          errors: [
            'client_payload is too large',
            { resource: 'Dispatch', field: 'event_type', code: 'missing' },
          ],
        },
      },
      'GITHUB_REJECTED',
      /HTTP 422: Validation Failed \(client_payload is too large; Dispatch event_type missing\)/,
    ],
    ['429', { status: 429 }, 'GITHUB_LIMITED', /HTTP 429/],
    ['500', { status: 500 }, 'GITHUB_UNANSWERED', /HTTP 500/],
    ['502 with a page', html(502, '<h1>oh no</h1>'), 'GITHUB_UNANSWERED', /HTTP 502$/],
    ['503', { status: 503, body: { message: 'down' } }, 'GITHUB_UNANSWERED', /down/],
    ['408', { status: 408 }, 'GITHUB_UNANSWERED', /HTTP 408/],
  ];
  for (const [name, reply, code, message] of REFUSALS) {
    test(`that is answered ${name} fails with ${code} and GitHub's words, and is not sent again`, async () => {
      await using server = await answering(() => reply);

      const error = await failureOf(connected(server.url).dispatchRepository('acme/shop', 'postsync', {}));

      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.match(error.message, /^cannot dispatch to acme\/shop: /);
      assert.equal(server.seen.length, 1);
    });
  }

  const SILENCES: readonly [string, Reply][] = [
    ['the connection is cut after it was read', (response) => void response.socket?.destroy()],
    ['nothing is answered', () => undefined],
    ['only half of a header is answered', (response) => void response.socket?.write('HTTP/1.1 204')],
  ];
  for (const [name, reply] of SILENCES) {
    test(`may have arrived when ${name}; it is not sent again`, async () => {
      await using server = await answering(() => reply);

      const github = connected(server.url, { timeoutMs: 300 });
      const error = await failureOf(github.dispatchRepository('acme/shop', 'postsync', {}));

      assert.equal(error.code, 'GITHUB_UNANSWERED');
      assert.equal(server.seen.length, 1);
    });
  }

  test('may have arrived when the connection is cut before it was read', async () => {
    let connections = 0;
    const onConnection = (socket: { destroy(): void }) => {
      connections++;
      socket.destroy();
    };
    await using server = await answering(() => ({ status: 204 }), { onConnection });

    const error = await failureOf(connected(server.url).dispatchRepository('acme/shop', 'postsync', {}));

    assert.equal(error.code, 'GITHUB_UNANSWERED');
    assert.equal(connections, 1);
  });

  test('was never sent when nobody listens', async () => {
    const { url } = await closed();
    const error = await failureOf(connected(url).dispatchRepository('acme/shop', 'postsync', {}));
    assert.equal(error.code, 'GITHUB_UNREACHABLE');
    assert.match(error.message, /ECONNREFUSED/);
  });

  test('was never sent when the name is not known', async () => {
    const github = connected('https://github.invalid');
    const error = await failureOf(github.dispatchRepository('acme/shop', 'postsync', {}));
    assert.equal(error.code, 'GITHUB_UNREACHABLE');
    assert.match(error.message, /github\.invalid/);
  });

  test('was never sent when TLS is not spoken', async () => {
    await using server = await answering(() => ({ status: 204 }));
    const github = connected(server.url.replace('http:', 'https:'));
    const error = await failureOf(github.dispatchRepository('acme/shop', 'postsync', {}));
    assert.equal(error.code, 'GITHUB_UNREACHABLE');
    assert.equal(server.seen.length, 0);
  });

  for (const [name, onConnection] of [
    ['is cut', (socket: Socket) => socket.destroy()],
    ['does not end', () => undefined],
  ] as const) {
    test(`was never sent when the TLS handshake ${name}`, async () => {
      const server = createServer(onConnection).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;

      const github = connected(`https://127.0.0.1:${port}`, { timeoutMs: 4_000 });
      const error = await failureOf(github.dispatchRepository('acme/shop', 'postsync', {}));

      assert.equal(error.code, 'GITHUB_UNREACHABLE', error.message);
      server.close();
    });
  }

  test('was never sent to a server whose certificate is not trusted', async () => {
    const { cert, key } = certificate();
    await using server = await answering(() => ({ status: 204 }), { tls: { cert, key } });

    const error = await failureOf(connected(server.url).dispatchRepository('acme/shop', 'postsync', {}));
    assert.equal(error.code, 'GITHUB_UNREACHABLE');
    assert.match(error.message, /self.signed|certificate/i);

    const trusting = { credential: { kind: 'token', token: TOKEN, ca: cert } } as const;
    await connected(server.url, trusting).dispatchRepository('acme/shop', 'postsync', {});
    assert.equal(server.seen.length, 1);
  });

  for (const repository of ['shop', 'acme/shop/x', '../..', 'acme/..', 'acme/a?b', '/']) {
    test(`is not sent to ${repository}, which is no repository`, async () => {
      await using server = await answering(() => ({ status: 204 }));
      const error = await failureOf(connected(server.url).dispatchRepository(repository, 'postsync', {}));
      assert.equal(error.code, 'GITHUB_REJECTED');
      assert.equal(server.seen.length, 0);
    });
  }
});

describe('a repository that was renamed', () => {
  test('is dispatched to where GitHub says that it is now', async () => {
    await using server = await answering(({ url }) =>
      url.startsWith('/repositories')
        ? { status: 204 }
        : { status: 307, headers: { location: '/repositories/1/dispatches' } },
    );

    await connected(server.url).dispatchRepository('acme/old', 'postsync', { a: 1 });

    const [, { method, url, body } = assert.fail()] = server.seen;
    assert.equal(`${method} ${url}`, 'POST /repositories/1/dispatches');
    assert.deepEqual(body, { event_type: 'postsync', client_payload: { a: 1 } });
  });

  test('is not followed to another host, which would learn the token', async () => {
    await using elsewhere = await answering(() => ({ status: 204 }));
    await using server = await answering(() => ({
      status: 307,
      headers: { location: `${elsewhere.url}/repositories/1/dispatches` },
    }));

    const error = await failureOf(connected(server.url).dispatchRepository('acme/old', 'postsync', {}));

    assert.equal(error.code, 'GITHUB_REJECTED');
    assert.match(error.message, /redirects/);
    assert.equal(elsewhere.seen.length, 0);
  });
});

describe('a workflow_dispatch', () => {
  const given = { workflow: 'e2e.yml', ref: 'main', inputs: { postsync: '{}' } };

  test('tells which run it has started', async () => {
    const body = {
      workflow_run_id: 42,
      run_url: 'https://x/42',
      html_url: 'https://github.com/acme/shop/42',
    };
    await using server = await answering(() => ({ status: 200, body }));

    const accepted = await connected(server.url).dispatchWorkflow('acme/shop', given);

    assert.deepEqual(accepted, { id: 42, url: 'https://github.com/acme/shop/42' });
    assert.equal(server.seen[0]?.url, '/repos/acme/shop/actions/workflows/e2e.yml/dispatches');
    const inputs = { postsync: '{}' };
    assert.deepEqual(server.seen[0]?.body, { ref: 'main', inputs, return_run_details: true });
  });

  for (const [name, reply] of [
    ['says nothing', { status: 204 }],
    ['cannot be read', { status: 200, body: { workflow_run_id: 'x' } }],
  ] as const) {
    test(`is accepted also where the answer ${name}`, async () => {
      await using server = await answering(() => reply);
      assert.equal(await connected(server.url).dispatchWorkflow('acme/shop', given), undefined);
    });
  }

  for (const status of [400, 422]) {
    test(`is sent without the wish for details to a GitHub that answers ${status} to it, and from then on`, async () => {
      await using server = await answering(({ body }) =>
        'return_run_details' in (body as object)
          ? { status, body: { message: 'Invalid request.\n\n"return_run_details" is not a permitted key.' } }
          : { status: 204 },
      );
      const github = connected(server.url);

      assert.equal(await github.dispatchWorkflow('acme/shop', given), undefined);
      assert.equal(await github.dispatchWorkflow('acme/shop', given), undefined);

      assert.equal(server.seen.length, 3);
    });
  }

  test('that is refused for another reason is not sent again', async () => {
    const message = "Workflow does not have 'workflow_dispatch' trigger";
    await using server = await answering(() => ({ status: 422, body: { message } }));

    const error = await failureOf(connected(server.url).dispatchWorkflow('acme/shop', given));

    assert.equal(error.code, 'GITHUB_REJECTED');
    assert.match(error.message, /dispatch workflow e2e\.yml of acme\/shop: HTTP 422: Workflow does not have/);
    assert.equal(server.seen.length, 1);
  });
});

describe('a list of runs', () => {
  const query = { event: 'repository_dispatch', since: SINCE } as const;

  test('holds all pages, each run once', async () => {
    await using server = await answering(({ url }) => {
      const page = Number(new URL(url, 'http://x').searchParams.get('page'));
      const link =
        page < 3 ? { link: `<http://x?page=${page + 1}>; rel="next", <http://x>; rel="last"` } : {};
      const runs = [aRunBody({ id: page }), aRunBody({ id: page + 1 })];
      return { status: 200, headers: link, body: { total_count: 6, workflow_runs: runs } };
    });

    const runs = await connected(server.url).listRuns('acme/shop', query);

    assert.deepEqual(
      runs.map(({ id }) => id),
      [1, 2, 3, 4],
    );
    const { pathname, searchParams } = new URL(server.seen[0]?.url ?? '', 'http://x');
    assert.equal(pathname, '/repos/acme/shop/actions/runs');
    assert.deepEqual(Object.fromEntries(searchParams), {
      event: 'repository_dispatch',
      created: '>=2026-11-21T10:00:00Z',
      per_page: '100',
      page: '1',
    });
  });

  test('ends after ten pages, though there may be more', async () => {
    const headers = { link: '<http://x>; rel="next"' };
    await using server = await answering((_, id) => ({
      status: 200,
      headers,
      body: { workflow_runs: [aRunBody({ id: id + 1 })] },
    }));
    assert.equal((await connected(server.url).listRuns('acme/shop', query)).length, 10);
    assert.equal(server.seen.length, 10);
  });

  test('asks only for what has changed', async () => {
    let status = 'queued';
    const tag = () => `W/"${status}"`;
    await using server = await answering(({ headers }) =>
      headers['if-none-match'] === tag()
        ? { status: 304, headers: { etag: tag() } }
        : { status: 200, headers: { etag: tag() }, body: { workflow_runs: [aRunBody({ status })] } },
    );
    const answered: number[] = [];
    const github = connected(server.url, { onCall: (_, status) => void answered.push(status) });
    const read = async () => (await github.listRuns('acme/shop', query))[0]?.status;

    assert.equal(await read(), 'queued');
    assert.equal(await read(), 'queued');
    status = 'in_progress';
    assert.equal(await read(), 'in_progress');

    assert.deepEqual(answered, [200, 304, 200]);
  });

  test('fails when one of its runs cannot be read, as it may be the one that is looked for', async () => {
    const runs = [aRunBody({}), { ...aRunBody({}), created_at: 'yesterday' }];
    await using server = await answering(() => ({ status: 200, body: { workflow_runs: runs } }));
    const error = await failureOf(connected(server.url).listRuns('acme/shop', query));
    assert.equal(error.code, 'GITHUB_UNANSWERED');
    assert.match(error.message, /workflow_runs\.1\.created_at/);
  });

  test('fails when the answer ends too early', async () => {
    await using server = await answering(() => (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"workflow_runs":[]');
      setImmediate(() => response.socket?.destroy());
    });
    assert.ok(
      isCode(await failureOf(connected(server.url).listRuns('acme/shop', query)), 'GITHUB_UNANSWERED'),
    );
  });
});

describe('a single run', () => {
  test('is read, and read again for nothing while it stays the same', async () => {
    await using server = await answering(({ headers }) =>
      headers['if-none-match'] === '"1"'
        ? { status: 304 }
        : {
            status: 200,
            headers: { etag: '"1"' },
            body: aRunBody({ conclusion: 'success', status: 'completed' }),
          },
    );
    const github = connected(server.url);

    const first = await github.readRun('acme/shop', 7);
    const second = await github.readRun('acme/shop', 7);

    assert.deepEqual(first, {
      id: 7,
      title: 'postsync r-7',
      event: 'repository_dispatch',
      status: 'completed',
      conclusion: 'success',
      url: 'https://github.com/acme/shop/actions/runs/7',
      createdAt: Date.parse('2026-11-21T10:00:01Z'),
      startedAt: Date.parse('2026-11-21T10:00:02Z'),
      updatedAt: Date.parse('2026-11-21T10:00:03Z'),
    });
    assert.deepEqual(second, first);
    assert.equal(server.seen[1]?.headers['if-none-match'], '"1"');
  });

  test('may not be there', async () => {
    await using server = await answering(() => ({ status: 404, body: { message: 'Not Found' } }));
    assert.equal(await connected(server.url).readRun('acme/shop', 7), undefined);
  });

  for (const status of [202, 409]) {
    test(`is cancelled when GitHub answers ${status}`, async () => {
      await using server = await answering(() => ({ status, body: { message: 'Cannot cancel' } }));
      await connected(server.url).cancelRun('acme/shop', 7);
      assert.equal(server.seen[0]?.url, '/repos/acme/shop/actions/runs/7/cancel');
    });
  }
});

function html(status: number, page: string): Reply {
  return (response: ServerResponse) =>
    void response.writeHead(status, { 'content-type': 'text/html' }).end(page);
}

function certificate() {
  return loopbackCertificate(new Date());
}

/** An address where nobody listens any more. */
async function closed(): Promise<{ url: string }> {
  await using server = await answering(() => ({ status: 204 }));
  return { url: server.url };
}
