import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { runCheck, vetted } from '../../src/run/check.ts';

const routes: Readonly<Record<string, RequestListener>> = {
  '/ok': (_, response) => response.end('all is well'),
  '/broken': (_, response) => response.writeHead(503).end('hunter2'),
  '/moved': (_, response) => response.writeHead(302, { location: '/ok' }).end(),
  '/astray': (_, response) => response.writeHead(302, { location: 'http://169.254.169.254/token' }).end(),
  '/echo': (request, response) => response.end(`${request.method} ${String(request.headers['x-tenant'])}`),
  '/silent': () => undefined,
  '/endless': (_, response) => {
    const write = () => {
      while (!response.destroyed && response.write('x'.repeat(64 * 1024)));
    };
    response.on('drain', write);
    write();
  },
};

async function run(...checks: object[]) {
  const lines: string[] = [];
  const defaults = { method: 'GET', status: [200], intervalMs: 10, timeoutMs: 200 };
  const text = JSON.stringify(checks.map((check) => ({ ...defaults, ...check })));
  return { code: await runCheck(text, (line) => lines.push(line)), lines };
}

describe('an HTTP check', () => {
  let server: Server;
  let root: string;
  let asked = 0;

  before(async () => {
    server = createServer((request, response) => {
      const [path = ''] = (request.url ?? '').split('?');
      if (path === '/slow-start') {
        asked += 1;
        response.writeHead(asked < 3 ? 503 : 200).end();
      } else routes[path]?.(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  test('passes when the status is the wanted one', async () => {
    assert.deepEqual(await run({ url: `${root}/ok` }), { code: 0, lines: [`GET ${root}/ok: as expected`] });
    assert.equal((await run({ url: `${root}/broken`, status: [200, 503] })).code, 0);
  });

  test('that names a param which its test does not have says so, and asks for nothing', async () => {
    const checks = [
      { url: `${root}/$(PARAM_path)` },
      { url: 'http://podinfo:$(PARAM_path)/' },
      { url: `${root}/ok`, bodyMatch: '^$(PARAM_path)$' },
      { url: `${root}/ok`, headers: { 'x-tenant': '$(PARAM_path)' } },
    ];
    for (const check of checks) {
      const lines = ['it names $(PARAM_path), but its test has no param path'];
      assert.deepEqual(await run(check), { code: 75, lines });
    }
  });

  test('asks again until it passes, a line each time', async () => {
    const { code, lines } = await run({ url: `${root}/slow-start`, timeoutMs: 10_000 });
    assert.equal(code, 0);
    assert.deepEqual(
      lines.map((line) => line.replace(/^.*: /, '')),
      ['status 503 instead of 200', 'status 503 instead of 200', 'as expected'],
    );
  });

  test('fails when its time is up, and says at last what was wrong', async () => {
    const { code, lines } = await run({ url: `${root}/broken` });
    assert.equal(code, 1);
    assert.match(lines.at(-1) ?? '', /failed \d+ times within 0\.2 s, at last: status 503 instead of 200$/);
  });

  test('says at last which of several failed, though others pass later', async () => {
    const late = { url: `${root}/slow-start`, intervalMs: 200, timeoutMs: 10_000 };
    asked = 0;
    const { code, lines } = await run({ url: `${root}/broken` }, late, { url: `${root}/ok` });
    assert.equal(code, 1);
    assert.match(lines.at(-1) ?? '', /broken failed \d+ times within 0\.2 s/);
    const both = await run({ url: `${root}/astray` }, { url: `${root}/broken` });
    assert.equal(both.code, 75);
    assert.match(both.lines.at(-1) ?? '', /astray: leads to a link-local address$/);
  });

  test('fails when nobody answers, or not in time', async () => {
    const { lines, code } = await run({ url: 'http://127.0.0.1:1/' });
    assert.equal(code, 1);
    assert.match(lines.at(-1) ?? '', /no answer \(ECONNREFUSED\)$/);
    assert.match((await run({ url: `${root}/silent` })).lines.at(-1) ?? '', /no answer in time$/);
  });

  test('looks for its pattern in the body', async () => {
    assert.equal((await run({ url: `${root}/ok`, bodyMatch: '^all .* well$' })).code, 0);
    assert.equal((await run({ url: `${root}/ok`, bodyMatch: 'ill' })).code, 1);
  });

  test('sends its method and headers', async () => {
    const check = {
      url: `${root}/echo`,
      method: 'POST',
      headers: { 'x-tenant': 'a' },
      bodyMatch: '^POST a$',
    };
    assert.equal((await run(check)).code, 0);
  });

  test('reads no more than a mebibyte of a body', async () => {
    assert.equal((await run({ url: `${root}/endless`, bodyMatch: '^x', timeoutMs: 10_000 })).code, 0);
  });

  test('follows a redirect, unless it is what is wanted', async () => {
    assert.equal((await run({ url: `${root}/moved`, bodyMatch: 'well' })).code, 0);
    assert.equal((await run({ url: `${root}/moved`, status: [302] })).code, 0);
  });

  test('follows none to a link-local address', async () => {
    const { code, lines } = await run({ url: `${root}/astray` });
    assert.equal(code, 75);
    assert.match(lines.at(-1) ?? '', /leads to a link-local address$/);
  });

  test('is inconclusive when it cannot work at all', async () => {
    assert.equal((await run({ url: 'http://[::ffff:a9fe:a9fe]/' })).code, 75);
    assert.equal((await run({ url: `${root}/ok`, bodyMatch: '(' })).code, 75);
    assert.equal((await run({ url: `${root}/ok`, headers: { 'no good': 'x' } })).code, 75);
    assert.equal((await run()).code, 75);
    assert.equal(await runCheck(undefined, () => undefined), 75);
    assert.equal(await runCheck('{', () => undefined), 75);
  });

  test('fails when one of several fails', async () => {
    assert.equal((await run({ url: `${root}/ok` }, { url: `${root}/broken` })).code, 1);
  });

  test('prints neither body nor query nor header', async () => {
    const headers = { authorization: 'hunter2' };
    const { lines } = await run({ url: `${root}/broken?token=hunter2`, headers });
    assert.doesNotMatch(lines.join('\n'), /hunter2/);
  });
});

function codeOfLookup(addresses: readonly string[]): string | undefined {
  let code: string | undefined;
  const list = addresses.map((address) => ({ address, family: 4 }));
  const lookup = vetted((_name, _options, callback) => callback(null, list));
  lookup('a', { all: true }, (error) => (code = error?.code));
  return code;
}

test('a name is refused when any of its addresses is link-local', () => {
  assert.equal(codeOfLookup(['10.0.0.1', '10.0.0.2']), undefined);
  assert.equal(codeOfLookup(['10.0.0.1', '169.254.169.254']), 'ERR_LINK_LOCAL');
});
