import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { Release, Run } from '../../src/decide/model.ts';
import { iso } from '../../src/decide/time.ts';
import { type Callback, payloadOf } from '../../src/run/github/payload.ts';
import { readSyncTest } from '../../src/synctest.ts';
import type { Contexts } from './github/expressions.ts';
import { aRelease, aRun, NOON } from './model.ts';

const README = new URL('../../workflows/README.md', import.meta.url);

export const CLUSTER = 'prod';

/** A release with all that can be said of one, and what is hard to say. */
export const RELEASE: Release = aRelease({
  revision: {
    appVersion: '6.7.1',
    ociDigest: 'sha256:oci',
    targetNamespace: 'web',
    helmRelease: 'web-podinfo',
  },
  annotations: {
    'event.toolkit.fluxcd.io/commit': '4f2d1c0b9a8e7d6c5b4a39281706f5e4d3c2b1a0',
    'event.toolkit.fluxcd.io/git-author': 'Ada "$(touch hacked)" `id`\nsecond line; exit 1',
    'event.toolkit.fluxcd.io/git_author': 'sorts last',
    'event.toolkit.fluxcd.io/originRevision': 'main@sha1:4f2d1c0b',
  },
});

export interface SyncTestObject {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly github: { readonly secretRef?: { readonly name: string } } };
}

/** The SyncTests that the README of the examples shows. */
export function shown(): SyncTestObject[] {
  const blocks = readFileSync(README, 'utf8').matchAll(/```yaml\n(.*?)```/gs);
  return [...blocks].map(([, block = '']) => parse(block) as SyncTestObject);
}

/** What GitHub makes of what postsync sends for a test. */
export interface Dispatched {
  readonly run: Run;
  readonly trigger: 'repository_dispatch' | 'workflow_dispatch';
  /** The event type, or the workflow. */
  readonly to: string;
  /** What postsync says of the release. */
  readonly ours: Readonly<Record<string, unknown>>;
  readonly event: object;
  readonly contexts: Contexts;
}

export function dispatched(object: SyncTestObject, callback?: Callback): Dispatched {
  const { metadata, spec } = object;
  const syncTest = readSyncTest({
    metadata: { ...metadata, generation: 1, creationTimestamp: iso(NOON) },
    spec,
  });
  if (syncTest.body.kind !== 'github') throw new Error(syncTest.test.invalid);
  const run = aRun({ test: metadata.name });
  const input = { run, syncTest, release: RELEASE, clusterName: CLUSTER, callback };
  const sent = payloadOf(input, syncTest.body.github);
  const { trigger } = sent;
  if (sent.trigger === 'repository_dispatch') {
    const event = { action: sent.eventType, client_payload: json(sent.payload) };
    const { postsync: ours } = event.client_payload as { postsync: Record<string, unknown> };
    return { run, trigger, to: sent.eventType, ours, event, contexts: contextsOf(event, {}) };
  }
  const { workflow: to, ref, inputs } = sent;
  const event = { ref: `refs/heads/${ref}`, workflow: `.github/workflows/${to}`, inputs };
  const ours = JSON.parse(inputs['postsync'] ?? '') as Record<string, unknown>;
  return { run, trigger, to, ours, event, contexts: contextsOf(event, inputs) };
}

/** The README's test of this name and trigger, dispatched. */
export function shownAs(name: string, trigger: Dispatched['trigger'], callback?: Callback): Dispatched {
  const found = shown().find(
    (object) => object.metadata.name === name && dispatched(object).trigger === trigger,
  );
  if (!found) throw new Error(`the README has no test ${name} by ${trigger}`);
  return dispatched(found, callback);
}

function json(value: object): unknown {
  return JSON.parse(JSON.stringify(value));
}

function contextsOf(event: object, inputs: object): Contexts {
  return { github: { event }, inputs, vars: {}, secrets: {} };
}
