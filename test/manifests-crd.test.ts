import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import type { Kubernetes } from '../src/kubernetes.ts';
import { readRun } from '../src/record/run-object.ts';
import { createRun, endRun, noteReport, pinRun, startRun } from '../src/record/runs.ts';
import { readSyncTest } from '../src/synctest.ts';
import { BODIES, Settings } from '../src/synctest-schema.ts';
import { type Schema, schemaOf, validatorOf } from './support/manifests.ts';

const spec = partOf(schemaOf('synctests'), 'spec');

describe('the SyncTest of the CRD is the one that is read', () => {
  test('in its settings', () => {
    const bodies = ['job', 'check', 'helmTest', 'github'];
    const properties = Object.fromEntries(
      Object.entries(spec.properties ?? {}).filter(([name]) => !bodies.includes(name)),
    );
    compare({ ...spec, properties }, inputOf(Settings), 'spec');
  });

  test('in the short form of a Job', () => {
    const { template, ...properties } = partOf(spec, 'job').properties ?? {};
    assert.equal(template?.['x-kubernetes-preserve-unknown-fields'], true);
    const { required = [], ...job } = inputOf(BODIES.job);
    assert.deepEqual(required, ['image']);
    compare({ type: 'object', properties }, job, 'spec.job');
  });

  for (const body of ['check', 'helmTest', 'github'] as const) {
    test(`in ${body}`, () => compare(partOf(spec, body), inputOf(BODIES[body]), `spec.${body}`));
  }

  test('in what it is with all defaults', () => {
    const given = { job: { image: 'busybox:1' } };
    const defaults = Object.entries(spec.properties ?? {}).filter(([, { default: it }]) => it !== undefined);
    assert.ok(defaults.length > 10);
    assert.deepEqual(
      aSyncTest({ ...Object.fromEntries(defaults.map(([n, s]) => [n, s.default])), ...given }),
      aSyncTest(given),
    );
  });

  test('in what is a duration', () => {
    const { pattern = '' } = partOf(spec, 'settle');
    const texts = [
      '10m',
      '1h30m',
      '500ms',
      '0s',
      '596h',
      '1.5h',
      '',
      '10',
      'm',
      '-1s',
      '1d',
      '10m ',
      '1m,2s',
    ];
    for (const text of texts) {
      const isRead = Settings.safeParse({ settle: text }).success;
      assert.equal(new RegExp(pattern).test(text), isRead, JSON.stringify(text));
    }
  });

  test('in the names that are reserved', () => {
    const rules = schemaOf('synctests')['x-kubernetes-validations'] ?? [];
    const reserved = rules.flatMap(({ rule }) => /name in \[(.*)\]/.exec(rule)?.[1]?.split(', ') ?? []);
    assert.equal(reserved.length, 3);
    for (const name of reserved) {
      assert.match(aSyncTest({}, name.replaceAll("'", '')).test.invalid ?? '', /is reserved/);
    }
    assert.ok(rules.some(({ rule }) => rule.includes('self.metadata.name.size() <= 40')));
    assert.match(aSyncTest({}, 'x'.repeat(41)).test.invalid ?? '', /longer than 40/);
    assert.doesNotMatch(aSyncTest({}, 'x'.repeat(40)).test.invalid ?? '', /longer than 40/);
  });
});

describe('the API server keeps every field of a SyncTestRun that is written', () => {
  const isValid = validatorOf('synctestruns');
  const { run: anyRun, release, revision, syncTest } = someObjects();

  test('when it is created', async () => {
    const { kubernetes, written } = recorder();
    const test = syncTest;
    const asked = { request: 'r', requestedBy: 'somebody', reason: 'because', verdict: 'passed' } as const;
    const run = { name: 'x', release, test, revision, attempt: 1, cause: 'override' } as const;
    await createRun(kubernetes, run);
    await createRun(kubernetes, { ...run, ...asked });
    allValid(written);
  });

  test('when its status is written', async () => {
    const { kubernetes, written } = recorder();
    const job = { namespace: 'apps', name: 'x', uid: 'u' };
    await pinRun(kubernetes, anyRun, { release, revision });
    await startRun(kubernetes, anyRun, { release, revision, test: syncTest, job, url: 'https://logs' });
    const outcome = { verdict: 'failed', reason: 'JobFailed', message: 'm', finishedAt: Date.now() } as const;
    await endRun(kubernetes, anyRun, outcome, { startedAt: Date.now() });
    await endRun(kubernetes, anyRun, { ...outcome, verdict: 'passed' });
    const sha = '9f8d1117c2a3b4c5d6e7f8091a2b3c4d5e6f7081';
    await noteReport(kubernetes, anyRun, { repository: 'acme/fleet', sha, state: 'failure' });
    await noteReport(kubernetes, anyRun, { repository: 'acme/fleet', problem: 'no commit is known' });
    allValid(written.map((body) => ({ ...anyRunObject(), ...body })));
  });

  test('and every cause and phase that it may have can be read', () => {
    const { spec, status } = schemaOf('synctestruns').properties ?? {};
    const causes = spec?.properties?.cause?.enum ?? [];
    const phases = status?.properties?.phase?.enum ?? [];
    assert.equal(causes.length, 7);
    assert.equal(phases.length, 5);
    for (const cause of causes) assert.equal(readRun(anyRunObject({ cause })).cause, cause);
    for (const phase of phases) readRun({ ...anyRunObject(), status: { phase } });
  });

  function allValid(bodies: readonly object[]): void {
    assert.ok(bodies.length > 0);
    for (const body of bodies) {
      // What is undefined is not sent.
      assert.ok(isValid(JSON.parse(JSON.stringify(body))), JSON.stringify(isValid.errors));
    }
  }
});

interface JsonSchema extends Omit<Schema, 'additionalProperties'> {
  readonly anyOf?: readonly JsonSchema[];
  readonly additionalProperties?: JsonSchema | boolean;
}

function inputOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
}

/** Names, types, enums, defaults and what is required; the CRD may be stricter in numbers and lengths. */
function compare(crd: Schema, zod: JsonSchema, path: string): void {
  if (crd['x-kubernetes-preserve-unknown-fields']) return;
  const read = zod.anyOf?.find(({ type }) => type === crd.type) ?? zod;
  assert.equal(crd.type, read.type, `${path}: type`);
  assert.deepEqual(sorted(crd.enum), sorted(read.enum), `${path}: enum`);
  assert.deepEqual(sorted(crd.required), sorted(read.required), `${path}: required`);
  assert.deepEqual(defaultOf(crd), defaultOf({ ...zod, type: read.type }), `${path}: default`);
  assert.deepEqual(namesOf(crd), namesOf(read), `${path}: properties`);
  for (const [name, property] of Object.entries(crd.properties ?? {})) {
    compare(property, partOf(read, name), `${path}.${name}`);
  }
  if (crd.items) compare(crd.items, read.items ?? {}, `${path}[]`);
  const { additionalProperties: values } = crd;
  if (typeof values === 'object') compare(values, read.additionalProperties as JsonSchema, `${path}{}`);
}

function partOf(schema: Schema | JsonSchema, name: string): Schema {
  const part = schema.properties?.[name];
  assert.ok(part, `there is no ${name}`);
  return part;
}

function namesOf(schema: Schema | JsonSchema): readonly string[] {
  return Object.keys(schema.properties ?? {}).toSorted();
}

function sorted(values: readonly string[] = []): readonly string[] {
  return values.toSorted();
}

/** Empty lists and maps are as good as none; one value is as good as a list of it, where a list is meant. */
function defaultOf({ default: value, type }: { default?: unknown; type?: string | undefined }): unknown {
  if (type === 'array') return [value ?? []].flat();
  if (type === 'object') return value ?? {};
  return value;
}

function aSyncTest(spec: object, name = 'smoke') {
  const creationTimestamp = '2026-11-21T10:00:00Z';
  return readSyncTest({ metadata: { name, namespace: 'apps', generation: 1, creationTimestamp }, spec });
}

function anyRunObject(spec: object = {}) {
  return {
    apiVersion: 'postsync.dev/v1alpha1',
    kind: 'SyncTestRun',
    metadata: {
      namespace: 'apps',
      name: 'x',
      uid: 'u',
      resourceVersion: '1',
      creationTimestamp: '2026-11-21T10:00:00Z',
    },
    spec: { release: 'podinfo', test: 'smoke', ...spec },
  };
}

/** Keeps the bodies of all writes. */
function recorder() {
  const written: object[] = [];
  const write = (_target: object, body: object) => {
    written.push(body);
    return Promise.resolve(anyRunObject());
  };
  return { written, kubernetes: { create: write, patch: write } as unknown as Kubernetes };
}

function someObjects() {
  const revision = {
    digest: 'sha256:1',
    version: 7,
    status: 'deployed',
    action: 'upgrade',
    helmRelease: 'podinfo',
    targetNamespace: 'apps',
    chart: 'podinfo',
    chartVersion: '1.2.0',
    deployedAt: Date.now(),
  } as const;
  const release = {
    ref: { namespace: 'apps', name: 'podinfo' },
    uid: 'u',
    resourceVersion: '1',
    generation: 1,
    deleting: false,
    annotations: {},
    labels: {},
    suspended: false,
    remote: false,
    unawaited: false,
    observedGeneration: 1,
    conditions: {},
    revision,
    workloads: [],
  } as const;
  return { run: readRun(anyRunObject()), release, revision, syncTest: aSyncTest({}).test };
}
