import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { parseConfig } from '../src/config.ts';
import { createLog } from '../src/log.ts';
import { createMetrics } from '../src/metrics.ts';
import { wire } from '../src/wire.ts';
import { aKubernetes } from './support/kubernetes.ts';

/** The last state of a HelmRelease that was captured: it stands still. */
function aHelmRelease() {
  const lines = readFileSync(new URL('fixtures/helmrelease-watch.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const object = JSON.parse(lines.at(-1) as string) as { metadata: Metadata };
  const annotations = { 'postsync.dev/http': 'http://podinfo:9898/' };
  return { ...object, metadata: { ...object.metadata, annotations } };
}

interface Metadata {
  readonly name: string;
  readonly namespace: string;
}

test('what Flux tells of is read and tested, though no watch has said a word', {
  timeout: 10_000,
}, async ({ signal }) => {
  const release = aHelmRelease();
  const { namespace, name } = release.metadata;
  const { kubernetes, calls } = aKubernetes({ [`get ${namespace}/helmreleases/${name}`]: release });
  const parsed = parseConfig([], {});
  assert.ok(parsed.kind === 'config');
  const { queue, onHint } = wire({
    config: parsed.config,
    image: 'postsync',
    kubernetes,
    log: createLog('silent', { write: () => undefined }),
    metrics: createMetrics({ cluster: '', version: '0' }),
    heard: { since: () => undefined },
    isActive: () => true,
  });
  queue.start();

  onHint({ namespace, name });

  const isCreated = () =>
    calls.some(({ verb, path }) => `${verb} ${path}` === `create ${namespace}/synctestruns`);
  while (!isCreated()) await setImmediate(undefined, { signal });
  await queue.stop();
});
