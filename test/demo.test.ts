import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { KubeConfig } from '@kubernetes/client-node';
import { startPostsync } from '../scripts/demo/postsync.ts';
import { connect } from '../src/kubernetes.ts';

const LIMIT = { timeout: 300_000 };

/** The demo as a process of its own, with a folder of its own for its files. */
class Demo {
  readonly folder = mkdtempSync(join(tmpdir(), 'postsync-demo-test-'));
  out = '';
  err = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<unknown[]>;

  constructor(t: TestContext, ...flags: string[]) {
    const env = { PATH: process.env['PATH'], TMPDIR: this.folder };
    const child = spawn(process.execPath, ['scripts/demo.ts', ...flags], { env, stdio: 'pipe' });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.err += text));
    this.#child = child;
    this.#closed = once(child, 'close');
    t.after(() => {
      child.kill('SIGTERM');
      return this.#closed.finally(() => rmSync(this.folder, { recursive: true }));
    });
  }

  /** Resolves when it has printed this. */
  async says(text: string): Promise<void> {
    while (!this.out.includes(text)) {
      const more = once(this.#child.stdout!, 'data').then(() => true);
      const isOver = !(await Promise.race([more, this.#closed.then(() => false)]));
      if (isOver && !this.out.includes(text)) throw new Error(`it ended: ${this.out}${this.err}`);
    }
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  async code(): Promise<unknown> {
    const [code] = await this.#closed;
    return code;
  }
}

test('the demo tells the whole story, ends by itself and leaves nothing behind', LIMIT, async (t) => {
  const demo = new Demo(t);
  assert.equal(await demo.code(), 0, demo.out + demo.err);
  assert.equal(demo.err, '');
  const [, install = '', bad = '', fix = '', again = '', github = ''] = demo.out.split(/^(?=\d\. )/m);

  assert.match(install, /^1\. Flux installs the chart 1\.0\.0\n/);
  assert.match(install, /postsync\.dev\/result +passed\n/);
  assert.match(install, /tests\.postsync\.dev\/http +passed in \d+s, v1 \(chart 1\.0\.0\)/);
  assert.match(install, /tests\.postsync\.dev\/smoke +passed in \d+s, v1 \(chart 1\.0\.0\)/);

  assert.match(bad, /^2\. An upgrade to 1\.1\.0, which is bad\n/);
  assert.match(bad, /shop +v2 \(chart 1\.1\.0\) +smoke +Failed +JobFailed +\d+s +upgrade\n/);
  assert.match(bad, /postsync\.dev\/result +failed\n/);
  assert.match(bad, /tests\.postsync\.dev\/smoke +failed in .*: tea costs NaN instead of 4\.20\n/);

  assert.match(fix, /^3\. The fix, 1\.1\.1\n/);
  assert.match(fix, /POST \/flux → 202 \{"accepted":true/);
  assert.match(fix, /postsync\.dev\/result +passed\n/);

  assert.match(again, /^4\. A re-run by hand\n/);
  assert.match(again, /POST \/api\/v1\/releases\/apps\/shop\/runs → 202 \{"runs":\["shop-http-v3-/);
  assert.equal(again.match(/^ +shop .* Passed .* manual$/gm)?.length, 2, again);
  assert.match(again, /tests\.postsync\.dev\/smoke +passed \(re-run\) in /);

  assert.match(github, /^5\. A test on GitHub\n/);
  assert.match(github, /postsync\.dev\/result: running\n/);
  assert.match(github, /tests\.postsync\.dev\/github +passed in \d+s, v3 \(chart 1\.1\.1\)/);
  assert.match(github, /acme\/e2e: e2e shop-github-v3-[0-9a-f]{16}: success\n/);

  assert.ok(!demo.out.includes('\u001b'), 'colours without a terminal');
  assert.deepEqual(readdirSync(demo.folder), []);
});

test('with --keep everything goes on as it is printed, until Ctrl-C', LIMIT, async (t) => {
  const demo = new Demo(t, '--keep');
  await demo.says('/metrics\n');
  const [, kubeconfig = ''] = /export KUBECONFIG=(.+)/.exec(demo.out) ?? [];
  const [, token = ''] = /Bearer \$\(cat (.+?)\)/.exec(demo.out) ?? [];
  const [, verdictUrl = ''] = /'(http.+?)\?wait=1m'/.exec(demo.out) ?? [];

  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const kubernetes = connect(config);
  t.after(() => kubernetes.close());
  const { items } = (await kubernetes.list({ resource: 'synctestruns', namespace: 'apps' })) as {
    items: readonly unknown[];
  };
  assert.equal(items.length, 9);

  const headers = { authorization: `Bearer ${readFileSync(token, 'utf8')}` };
  const verdict = await fetch(verdictUrl, { headers });
  assert.equal(verdict.status, 200, await verdict.text());

  demo.interrupt();
  assert.equal(await demo.code(), 0, demo.err);
  assert.deepEqual(readdirSync(demo.folder), []);
  await assert.rejects(fetch(verdictUrl));
});

test('Ctrl-C in the middle of the story ends it and leaves nothing behind', LIMIT, async (t) => {
  const demo = new Demo(t);
  await demo.says('result: running');
  demo.interrupt();
  assert.equal(await demo.code(), 130);
  assert.equal(demo.err, '');
  assert.doesNotMatch(demo.out, /^4\. /m);
  assert.deepEqual(readdirSync(demo.folder), []);
});

test('when postsync does not start, the end of its log says why', LIMIT, async () => {
  const starting = startPostsync({ POSTSYNC_MAX_RUNS: 'many' }, new AbortController().signal);
  await assert.rejects(starting, /POSTSYNC_MAX_RUNS/);
});
