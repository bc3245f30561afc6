import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { settings } from '../src/config.ts';
import { KEYS } from '../src/decide/keys.ts';
import { createMetrics } from '../src/metrics.ts';
import { JOB_KEYS } from '../src/run/labels.ts';
import { type Schema, schemaOf } from './support/manifests.ts';

const text = readFileSync(new URL('../docs/spec.md', import.meta.url), 'utf8');
const model = readFileSync(new URL('../src/decide/model.ts', import.meta.url), 'utf8');

/** Everything that stands in backticks, with what is quoted in the examples. */
const said = new Set(
  [...text.matchAll(/`([^`\n]+)`/g)].flatMap(([, code = '']) => [code, ...code.split(/[ ,]+/)]),
);

describe('docs/spec.md says', () => {
  for (const plural of ['synctests', 'synctestruns']) {
    test(`each field of ${plural}`, () => {
      const names = namesIn(schemaOf(plural)).filter((name) => !BY_KUBERNETES.has(name));
      assert.ok(names.length > 20);
      assert.deepEqual(
        names.filter((name) => !said.has(name)),
        [],
      );
    });
  }

  test('each reason', () => {
    const union = /export type Reason =(.*?);/s.exec(model)?.[1] ?? '';
    const reasons = [...union.matchAll(/'(\w+)'/g)].map(([, reason = '']) => reason);
    assert.ok(reasons.length > 20);
    assert.deepEqual(
      reasons.filter((reason) => !said.has(reason)),
      [],
    );
  });

  test('each key on a HelmRelease and on a Job', () => {
    const keys = [...Object.values(KEYS), ...Object.values(JOB_KEYS)];
    assert.deepEqual(
      keys.filter((key) => !said.has(key)),
      [],
    );
  });

  test('each metric, and none that is not there', async () => {
    const ours = [...labelsIn(await everyMetric()).keys()];
    const told = [...said].filter((name) => /^postsync_\w+$/.test(name));
    assert.ok(ours.length > 8);
    assert.deepEqual(told.toSorted(), ours.toSorted());
  });

  test('the labels of each metric', async () => {
    const has = labelsIn(await everyMetric());
    const rows = [...text.matchAll(/^\| (`postsync_[^|]*) \| ([^|]*?) ?\|/gm)];
    const told = rows.flatMap(([, names = '', labels = '']) =>
      (names.match(/postsync_\w+/g) ?? []).map((name) => [
        name,
        labels.split(', ').filter(Boolean).toSorted(),
      ]),
    );
    assert.ok(has.size > 8);
    assert.deepEqual(Object.fromEntries(told), Object.fromEntries(has));
  });

  test('no setting that is not there', () => {
    const known = settings().map(({ variable }) => variable);
    const told = [...said].filter((name) => /^POSTSYNC_[A-Z_]+$/.test(name));
    const forJobs = [...text.matchAll(/^\| (`POSTSYNC_.*?) \|/gm)].flatMap(
      ([, cell = '']) => cell.match(/\w+/g) ?? [],
    );
    assert.ok(forJobs.length > 10);
    assert.deepEqual(
      told.filter((name) => !known.includes(name) && !forJobs.includes(name)),
      [],
    );
  });
});

/** Of the parts that are Kubernetes' own. */
const BY_KUBERNETES: ReadonlySet<string> = new Set([
  'apiVersion',
  'kind',
  'metadata',
  'spec',
  'status',
  'key',
  'operator',
  'values',
  'type',
  'lastTransitionTime',
]);

/** The text of the metrics when each has a value. */
async function everyMetric(): Promise<string> {
  const metrics = createMetrics({ cluster: 'a', version: 'b' });
  metrics.gauges({
    leaseHeld: () => true,
    runs: () => ({ waiting: 1, running: 1 }),
    github: () => [{ credential: 'a', remaining: 1, waiting: 1, isBlocked: true }],
    oldestUndecidedAt: () => 1,
  });
  metrics.event('accepted');
  metrics.look('ok', 1);
  metrics.run({ kind: 'a', verdict: 'b', reason: 'c', seconds: 1 });
  metrics.told('delivered');
  metrics.releaseResult({ namespace: 'a', name: 'b' }, 'passed');
  metrics.apiCall('a', 'b', 1, 1);
  metrics.githubCall('a', 1, 1);
  return metrics.text();
}

/** By the name of each metric; what a histogram has of its own is left out. */
function labelsIn(metrics: string): ReadonlyMap<string, readonly string[]> {
  const names = [...metrics.matchAll(/^# TYPE (postsync_\w+)/gm)].map(([, name = '']) => name);
  return new Map(
    names.map((name) => {
      const [, labels = ''] = new RegExp(`^${name}(?:_sum)?(?:{(.*)})? `, 'm').exec(metrics) ?? [];
      return [name, [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label).toSorted()];
    }),
  );
}

function namesIn({ properties = {}, items, additionalProperties }: Schema): string[] {
  const below = [items, additionalProperties].filter((one) => typeof one === 'object');
  return [
    ...Object.keys(properties),
    ...[...Object.values(properties), ...below].flatMap((one) => namesIn(one)),
  ];
}
