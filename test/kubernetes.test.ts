import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { isServerError } from '../src/errors.ts';
import { connect } from '../src/kubernetes.ts';

/** What is asked by a create, and what comes of it where the API server answers so; 0: it hangs up. */
async function failureOf(t: TestContext, status: number): Promise<{ error: unknown; asked: string }> {
  let asked = '';
  const server = createServer((req, res) => {
    asked = req.url ?? '';
    if (status === 0) req.socket.destroy();
    else res.writeHead(status).end(JSON.stringify({ kind: 'Status', message: 'failed calling webhook' }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser(
    { name: 'here', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: 'nobody' },
  );
  const kubernetes = connect(config, { timeoutMs: 5000 });
  t.after(() => kubernetes.close());
  const creating = kubernetes.create({ resource: 'jobs', namespace: 'apps' }, {});
  const error: unknown = await creating.catch((thrown: unknown) => thrown);
  return { error, asked };
}

describe('what the API server could not do', () => {
  for (const [what, status, isAnswer] of [
    ['is known where it says so', 500, true],
    ['is not known where it does not answer', 0, false],
    ['is not where it refuses', 403, false],
  ] as const) {
    test(what, async (t) => {
      assert.equal(isServerError((await failureOf(t, status)).error), isAnswer);
    });
  }

  test('is to be said before the answer is not waited for any more', async (t) => {
    assert.match((await failureOf(t, 500)).asked, /[?&]timeout=4000ms(&|$)/);
  });
});
