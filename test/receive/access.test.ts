import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Kubernetes } from '../../src/kubernetes.ts';
import { createDoor } from '../../src/receive/access.ts';
import { anApiServer } from '../support/rbac.ts';

function aDoor(rights: Record<string, string[]> = { jo: ['get apps'] }) {
  let time = 0;
  const api = anApiServer(rights);
  const door = createDoor(api.kubernetes, () => time);
  return { ...api, ...door, wait: (ms: number) => void (time += ms) };
}

/** A door before an API server that answers every review so. */
function aDoorTold(status: object) {
  const kubernetes: Pick<Kubernetes, 'create'> = { create: () => Promise.resolve({ status }) };
  return createDoor(kubernetes);
}

describe('who sends a token', () => {
  test('is asked again after some seconds: it may have been taken back', async () => {
    const door = aDoor();
    await door.identify('Bearer token-of-jo', '::1');

    door.wait(4_999);
    await door.identify('Bearer token-of-jo', '::1');
    assert.equal(door.reviews(), 1);

    door.wait(1);
    await door.identify('Bearer token-of-jo', '::1');
    assert.equal(door.reviews(), 2);
  });

  test('is remembered for so many tokens only', async () => {
    const door = aDoor();
    await door.identify('Bearer token-of-jo', '::1');

    for (let n = 0; n < 1_000; n++)
      await assert.rejects(door.identify(`Bearer token-of-${n}`, `10.0.0.${n}`), { status: 401 });
    const before = door.reviews();
    await door.identify('Bearer token-of-jo', '::1');

    assert.equal(door.reviews(), before + 1);
  });

  const user = { username: 'jo' };
  for (const [what, status] of [
    ['who is not authenticated', { authenticated: false, user, audiences: ['postsync'] }],
    ['of whom that is not said', { user, audiences: ['postsync'] }],
    ['whose token is for another audience', { authenticated: true, user, audiences: ['other'] }],
    ['who has no name', { authenticated: true, user: { username: '' }, audiences: ['postsync'] }],
  ] as const)
    test(`is refused when it is one ${what}`, async () => {
      await assert.rejects(aDoorTold(status).identify('Bearer x', '::1'), { status: 401 });
    });

  for (const header of [
    undefined,
    '',
    'Bearer',
    'Bearer ',
    'Basic eDp5',
    'x',
    `Bearer ${'x'.repeat(16_385)}`,
  ])
    test(`is not even asked for ${String(header).slice(0, 12)}`, async () => {
      const door = aDoor();

      await assert.rejects(door.identify(header, '::1'), { status: 401 });

      assert.equal(door.reviews(), 0);
    });
});
