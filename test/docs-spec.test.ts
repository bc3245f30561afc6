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
    const metrics = createMetrics({ cluster: '', version: '' });
    metrics.gauges({
      leaseHeld: () => true,
      github: () => [],
      runs: () => ({ waiting: 0, running: 0 }),
      oldestUndecidedAt: () => undefined,
    });
    const ours = [...(await metrics.text()).matchAll(/^# TYPE (postsync_\w+)/gm)].map(
      ([, name = '']) => name,
    );
    const told = [...said].filter((name) => /^postsync_\w+$/.test(name));
    assert.ok(ours.length > 8);
    assert.deepEqual(told.toSorted(), ours.toSorted());
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

function namesIn({ properties = {}, items, additionalProperties }: Schema): string[] {
  const below = [items, additionalProperties].filter((one) => typeof one === 'object');
  return [
    ...Object.keys(properties),
    ...[...Object.values(properties), ...below].flatMap((one) => namesIn(one)),
  ];
}
