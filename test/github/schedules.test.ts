import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type About,
  HANGS_MS,
  type Happening,
  play,
  type Schedule,
  type Seen,
} from '../support/dispatching/schedule.ts';
import type { Fault } from '../support/github/faults.ts';
import type { Conclusion } from '../support/github/model.ts';
import type { Listing } from '../support/github/runs.ts';

const { SCHEDULES, SCHEDULES_SEED, SCHEDULES_PATH } = process.env;
const COUNT = Number(SCHEDULES ?? 200);

const seconds = fc.constantFrom(1, 2, 5, 10, 30, 60, 130, 300);
const which = fc.nat(3);
const at = fc.constantFrom(1, 1, 1, 2, 3);
const message = (text: string) => ({ message: text, documentation_url: 'https://docs.github.com/rest' });

const conclusion = fc.constantFrom<Conclusion>(
  'success',
  'success',
  'failure',
  'timed_out',
  'neutral',
  'skipped',
  'startup_failure',
  'action_required',
  'stale',
  'cancelled',
);

const fault: fc.Arbitrary<Fault> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.constantFrom<Fault>(
      { cut: 'before' },
      { cut: 'after' },
      { status: 502, when: 'before', body: '<html>Bad Gateway</html>' },
      { status: 502, when: 'after', body: '<html>Bad Gateway</html>' },
      { status: 500, when: 'after', body: message('Server Error') },
      { status: 200, when: 'after', body: '<html>a proxy that has its own mind</html>' },
    ),
  },
  {
    weight: 6,
    arbitrary: fc.constantFrom<Fault>(
      { status: 429, when: 'before', body: message('Too many requests'), headers: { 'retry-after': '7' } },
      { status: 403, when: 'before', body: message('You have exceeded a secondary rate limit') },
      { status: 403, when: 'before', body: message('Resource not accessible by personal access token') },
      { status: 404, when: 'before', body: message('Not Found') },
      { status: 422, when: 'before', body: message('Invalid request.') },
      { status: 401, when: 'before', body: message('Bad credentials') },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Fault>(
      { hang: 'before' },
      { hang: 'after' },
      { wait: HANGS_MS * 1.5, when: 'before' },
      { wait: HANGS_MS * 1.5, when: 'after' },
    ),
  },
);

const about = fc.constantFrom<About>('dispatch', 'dispatch', 'dispatch', 'list', 'read', 'cancel', 'any');
const listing = fc.constantFrom<Listing>(
  { lists: 1 },
  { lists: 3 },
  { ms: 12_000 },
  { ms: 40_000 },
  'by hand',
  { lists: 0 },
);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ type: fc.constant('pass' as const), seconds }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sleep' as const), seconds }) },
  { weight: 4, arbitrary: fc.constantFrom<Happening>({ type: 'look' }, { type: 'both look' }) },
  { weight: 2, arbitrary: fc.constant<Happening>({ type: 'upgrade' }) },
  { weight: 9, arbitrary: fc.record({ type: fc.constant('fault' as const), about, at, fault }) },
  { weight: 1, arbitrary: fc.constant<Happening>({ type: 'outage', seconds: 60 }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('limit' as const),
      seconds: fc.constantFrom(5, 60),
      status: fc.constantFrom(403 as const, 429 as const),
      retryAfter: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('listing' as const), listing }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('starts' as const), which }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('ends' as const), which, conclusion }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('dies' as const),
      which,
      at: fc.integer({ min: 1, max: 12 }),
      when: fc.constantFrom('before', 'during', 'after'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('trouble' as const),
      at: fc.integer({ min: 1, max: 6 }),
      code: fc.constantFrom('API_UNAVAILABLE', 'API_CONFLICT'),
      when: fc.constant('before'),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('trouble' as const),
      at: fc.integer({ min: 1, max: 6 }),
      code: fc.constant('API_UNAVAILABLE'),
      when: fc.constantFrom('after', 'before the next', 'after the next'),
    }),
  },
);

const schedule: fc.Arbitrary<Schedule> = fc.record({
  happenings: fc.array(happening, { minLength: 4, maxLength: 20, size: 'max' }),
  oldEnterprise: fc.boolean(),
  retries: fc.nat(1),
  endsAfter: fc.option(fc.record({ seconds: fc.constantFrom(3, 20, 50), conclusion }), { nil: undefined }),
  conclusion: fc.option(conclusion, { nil: undefined }),
});

test(`no run is sent twice, and each gets its verdict, whatever goes wrong (${COUNT} schedules)`, async (t) => {
  const seen: Seen = {};
  const seed = Number(SCHEDULES_SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SCHEDULES_SEED=${seed}`);
  await fc.assert(
    fc.asyncProperty(schedule, async (schedule) => void (await play(schedule, seen))),
    { seed, numRuns: COUNT, endOnFailure: false, ...(SCHEDULES_PATH && { path: SCHEDULES_PATH }) },
  );
  t.diagnostic(JSON.stringify(seen));
});
