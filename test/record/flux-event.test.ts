import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { irrelevance, parseEvent } from '../../src/receive/flux-event.ts';
import { type EndedRun, type FluxEvent, fluxEventOf } from '../../src/record/flux-event.ts';
import { anOutcome, aRelease, aRun } from '../support/model.ts';

const RUN = aRun({ revision: 'v7 (chart 1.2.0)', ref: { namespace: 'apps', name: 'the-run' } });
const QUIET = { instance: 'postsync-0', sharesOutput: false };
const FAILED = anOutcome({ verdict: 'failed', message: 'container test exited with code 1: a secret' });

function told(differs: Partial<EndedRun> = {}, options = QUIET): FluxEvent {
  const event = fluxEventOf({ release: aRelease(), run: RUN, outcome: anOutcome(), ...differs }, options);
  return event ?? assert.fail('nothing is told');
}

describe('a verdict, as Flux is told it', () => {
  test('is an event about the HelmRelease', () => {
    assert.deepEqual(told(), {
      involvedObject: {
        kind: 'HelmRelease',
        namespace: 'apps',
        name: 'podinfo',
        uid: 'release-uid',
        apiVersion: 'helm.toolkit.fluxcd.io/v2',
        resourceVersion: '1',
      },
      severity: 'info',
      timestamp: '2026-11-21T12:01:00Z',
      message: 'test smoke passed, v7 (chart 1.2.0): Passed: it passed (run the-run)',
      reason: 'TestPassed',
      metadata: {
        'helm.toolkit.fluxcd.io/revision': '1.2.0',
        'helm.toolkit.fluxcd.io/test': 'smoke',
        'helm.toolkit.fluxcd.io/run': 'the-run',
        'helm.toolkit.fluxcd.io/token': 'uid-the-run',
      },
      reportingController: 'postsync',
      reportingInstance: 'postsync-0',
    });
  });

  test('is info only where it passed: a success is made of that', () => {
    const severities = (['passed', 'failed', 'inconclusive'] as const).map((verdict) => {
      const { severity, reason } = told({ outcome: anOutcome({ verdict }) });
      return `${severity} ${reason}`;
    });
    assert.deepEqual(severities, ['info TestPassed', 'error TestFailed', 'error TestInconclusive']);
  });

  test('has the keys that the release has for whoever is told, and no others of it', () => {
    const annotations = { 'event.toolkit.fluxcd.io/commit': 'abc', 'postsync.dev/http': 'http://a' };
    const revision = { appVersion: '6.9', ociDigest: 'sha256:a' };
    const { metadata } = told({ release: aRelease({ annotations, revision }) });
    assert.equal(metadata['event.toolkit.fluxcd.io/commit'], 'abc');
    assert.equal(metadata['helm.toolkit.fluxcd.io/app-version'], '6.9');
    assert.equal(metadata['helm.toolkit.fluxcd.io/oci-digest'], 'sha256:a');
    assert.equal(metadata['postsync.dev/http'], undefined);
  });

  test('names no version where another one is deployed by now', () => {
    const { metadata } = told({ release: aRelease({ revision: { digest: 'sha256:eight' } }) });
    assert.equal(metadata['helm.toolkit.fluxcd.io/revision'], undefined);
  });

  test('names a test of another namespace by that, too', () => {
    const { metadata } = told({ run: { ...RUN, test: { namespace: 'infra', name: 'load' } } });
    assert.equal(metadata['helm.toolkit.fluxcd.io/test'], 'infra.load');
  });

  test('quotes what a container said only where the test shares it', () => {
    assert.equal(
      told({ outcome: FAILED }).message,
      'test smoke failed, v7 (chart 1.2.0): JobFailed (run the-run)',
    );
    assert.match(told({ outcome: FAILED }, { ...QUIET, sharesOutput: true }).message, /code 1: a secret/);
  });

  test('is not told where it is about what is not deployed any more', () => {
    for (const reason of ['Superseded', 'ReleaseGone'] as const) {
      const outcome = anOutcome({ verdict: 'inconclusive', reason });
      assert.equal(fluxEventOf({ release: aRelease(), run: RUN, outcome }, QUIET), undefined);
    }
  });

  test('is no reason for postsync to look again, should an Alert bring it back', () => {
    const event = parseEvent(Buffer.from(JSON.stringify({ ...told(), reason: 'TestSucceeded' })));
    assert.ok(typeof event === 'object');
    assert.match(irrelevance(event, new Set(['TestSucceeded'])) ?? '', /sent by postsync/);
  });
});
