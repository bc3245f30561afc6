import assert from 'node:assert/strict';
import type { Scene } from './scene.ts';

/** Over all Jobs that ever were: none twice, and none that is not of this release's revisions. */
export function assertOneJobPerDigest(scene: Scene, release: string): void {
  const counts = new Map<string, number>();
  for (const { test, digest } of scene.jobs(release)) {
    const key = `${test} of ${digest}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.notEqual(counts.size, 0, `no Job ever was for ${release}`);
  const repeated = [...counts].filter(([, count]) => count > 1);
  assert.deepEqual(repeated, [], 'these were run more than once');
}

/** The Jobs that ever were for a digest, a line each: `TEST CAUSE #ATTEMPT`. */
export function startedFor(scene: Scene, release: string, digest: string): readonly string[] {
  return scene
    .jobs(release)
    .filter((started) => started.digest === digest)
    .map(({ test, cause, attempt }) => `${test} ${cause} #${attempt}`);
}
