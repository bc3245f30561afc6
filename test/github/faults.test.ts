import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Reason } from '../../src/decide/model.ts';
import { HANGS_MS, type Happening, play, type Trigger } from '../support/dispatching/schedule.ts';
import type { Fault } from '../support/github/faults.ts';

const TRIGGERS: readonly Trigger[] = ['repository_dispatch', 'workflow_dispatch'];
const HTML = '<html>no</html>';

function said(message: string): object {
  return { message, documentation_url: 'https://docs.github.com/rest' };
}

const LIMITS: Readonly<Record<string, Fault>> = {
  'is over a secondary limit, 429': {
    status: 429,
    when: 'before',
    body: said('You have exceeded a secondary rate limit'),
    headers: { 'retry-after': '7' },
  },
  'is over a secondary limit, 403': {
    status: 403,
    when: 'before',
    body: said('You have exceeded a secondary rate limit'),
    headers: { 'retry-after': '7' },
  },
  'is over a limit of which GitHub does not say how long it lasts': {
    status: 403,
    when: 'before',
    body: said('You have exceeded a secondary rate limit'),
  },
};

const UNCERTAIN: Readonly<Record<string, { readonly arrived: Fault; readonly lost: Fault }>> = {
  'is answered 502': {
    arrived: { status: 502, when: 'after', body: HTML },
    lost: { status: 502, when: 'before', body: HTML },
  },
  'is answered 503': {
    arrived: { status: 503, when: 'after', body: said('Unavailable') },
    lost: { status: 503, when: 'before', body: said('Unavailable') },
  },
  'has its connection cut': { arrived: { cut: 'after' }, lost: { cut: 'before' } },
  'has no answer': { arrived: { hang: 'after' }, lost: { hang: 'before' } },
};

/** One release with one test, whose workflow succeeds 3 s after it was started, if it was. @returns how it ended */
async function ended(trigger: Trigger, happenings: readonly Happening[]): Promise<readonly [Reason, number]> {
  const endsAfter = { seconds: 3, conclusion: 'success' } as const;
  const all: Happening[] = [...happenings, { type: 'pass', seconds: 130 }];
  const { runs, taken } = await play({
    happenings: all,
    trigger,
    endsAfter,
    oldEnterprise: false,
    retries: 1,
  });
  const [run] = runs;
  assert.equal(runs.length, 1, 'it is not tried again');
  return [run?.outcome?.reason as Reason, taken.length];
}

for (const trigger of TRIGGERS) {
  const dispatch = (fault: Fault) => ended(trigger, [{ type: 'fault', about: 'dispatch', at: 1, fault }]);
  const list = (fault: Fault) => ended(trigger, [{ type: 'fault', about: 'list', at: 1, fault }]);

  describe(`a ${trigger}`, () => {
    for (const [what, { arrived, lost }] of Object.entries(UNCERTAIN)) {
      test(`that arrived and ${what} is found, and not sent again`, async () => {
        assert.deepEqual(await dispatch(arrived), ['Passed', 1]);
      });
      test(`that did not arrive and ${what} is not sent again, as nobody knows`, async () => {
        assert.deepEqual(await dispatch(lost), ['RunNotFound', 0]);
      });
    }

    for (const at of [1, 2, 3, 4, 5])
      test(`that is over a limit is sent later, also when write ${at} to Kubernetes fails, such as taking back the claim`, async () => {
        const fault = LIMITS['is over a secondary limit, 429'] as Fault;
        const happenings: Happening[] = [
          { type: 'fault', about: 'dispatch', at: 1, fault },
          { type: 'trouble', at, code: 'API_UNAVAILABLE', when: 'before' },
        ];
        assert.deepEqual(await ended(trigger, happenings), ['Passed', 1]);
      });

    test('that arrives after it was given up is found, and not sent again', async () => {
      const late: Fault = { wait: HANGS_MS * 1.5, when: 'before' };
      const happenings: Happening[] = [
        { type: 'fault', about: 'dispatch', at: 1, fault: late },
        { type: 'look' },
        { type: 'arrives' },
      ];
      assert.deepEqual(await ended(trigger, happenings), ['Passed', 1]);
    });

    for (const [what, fault] of Object.entries(LIMITS)) {
      test(`that ${what} is sent again later`, async () => {
        assert.deepEqual(await dispatch(fault), ['Passed', 1]);
      });
    }

    test('waits while GitHub is down for a minute', async () => {
      assert.deepEqual(await ended(trigger, [{ type: 'outage', seconds: 60 }]), ['Passed', 1]);
    });

    test('that a right is missing for is tried again, should that be mended', async () => {
      const refused = said('Resource not accessible by personal access token');
      assert.deepEqual(await dispatch({ status: 403, when: 'before', body: refused }), ['Passed', 1]);
    });

    for (const status of [400, 404, 422]) {
      test(`that is refused with ${status} ends at once`, async () => {
        const body = said('No');
        assert.deepEqual(await dispatch({ status, when: 'before', body }), ['DispatchRefused', 0]);
      });
    }

    test('that is refused with 401 ends at once', async () => {
      const body = said('Bad credentials');
      assert.deepEqual(await dispatch({ status: 401, when: 'before', body }), ['CredentialsMissing', 0]);
    });

    test('is sent once whatever becomes of the look before it', async () => {
      const refusals = [401, 403, 404, 422].map(
        (status): Fault => ({ status, when: 'before', body: said('No') }),
      );
      const faults = Object.values(UNCERTAIN).flatMap(({ arrived, lost }) => [arrived, lost]);
      for (const fault of [...faults, ...refusals, ...Object.values(LIMITS)]) {
        assert.deepEqual(await list(fault), ['Passed', 1], JSON.stringify(fault));
      }
    });
  });
}
