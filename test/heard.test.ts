import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHeard } from '../src/heard.ts';

const NOON = Date.parse('2026-11-21T12:00:00Z');
const READ = { verb: 'get', resource: 'helmreleases' } as const;

describe('the API server', () => {
  test('was heard all the time while it answered', () => {
    const heard = createHeard(() => NOON);

    heard.call({ ...READ, status: 200, seconds: 0.01 });
    heard.call({ ...READ, status: 404, seconds: 0.01 });

    assert.equal(heard.since(), undefined);
  });

  test('has been heard since nothing was asked of it for long', () => {
    let now = NOON;
    const heard = createHeard(() => now);
    const ask = (after: number) => {
      now += after * 1000;
      heard.call({ ...READ, status: 200, seconds: 0.01 });
    };

    ask(40);
    ask(40);
    assert.equal(heard.since(), undefined);
    now += 60_000;
    heard.call({ verb: 'create', resource: 'jobs', status: 201, seconds: 0.01 });
    assert.equal(heard.since(), now);
    const again = now;
    // Whoever comes back at the end of the pause after an outage is heard.
    ask(30);
    assert.equal(heard.since(), again);
  });

  const SILENCES = [
    ['did not answer', 0, 0.1],
    ['could not answer', 503, 0.1],
    ['took long to answer', 200, 6],
  ] as const;
  for (const [what, status, seconds] of SILENCES) {
    test(`has been heard since it ${what} last`, () => {
      const heard = createHeard(() => NOON);

      heard.call({ ...READ, status, seconds });
      heard.call({ ...READ, status: 200, seconds: 0.01 });

      assert.equal(heard.since(), NOON);
    });

    test(`has been heard since it ${what} last when the Lease was renewed`, () => {
      const heard = createHeard(() => NOON);

      heard.call({ verb: 'patch', resource: 'leases', status, seconds });

      assert.equal(heard.since(), NOON);
    });

    test(`was heard all the time though it ${what} when a webhook had a say`, () => {
      const heard = createHeard(() => NOON);

      heard.call({ verb: 'create', resource: 'jobs', status, seconds });
      heard.call({ verb: 'patch', resource: 'synctestruns', status, seconds });

      assert.equal(heard.since(), undefined);
    });
  }
});
