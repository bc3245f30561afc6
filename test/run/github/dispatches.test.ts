import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createDispatches } from '../../../src/run/github/dispatches.ts';
import { aDispatch, after, anOutcome, aRun, NOON } from '../../support/model.ts';

const DISPATCH = aDispatch();

/** Nobody may be asked for a credential. */
const closed = () => {
  throw new Error('a credential was asked for');
};

function aRunner() {
  return createDispatches({
    accounts: { open: closed, known: closed, forget: closed, all: () => [] },
    lists: { find: closed },
    clusterName: 'prod',
    apiUrl: 'https://api.github.com',
    refusal: () => undefined,
    callbackOf: () => undefined,
  });
}

describe('a status that somebody else wrote', () => {
  const madeUp = {
    "sends the administrator's credential elsewhere": { ...DISPATCH, apiUrl: 'https://evil.example.com' },
    'names a Secret of another namespace': {
      ...DISPATCH,
      secret: { namespace: 'kube-system', name: 'admin' },
    },
  };
  for (const [what, dispatch] of Object.entries(madeUp)) {
    test(`that ${what} opens nothing`, async () => {
      const runner = aRunner();
      const run = aRun({ dispatch });
      const state = runner.stateOf(run, after(1));
      assert.ok(state?.phase === 'waiting');
      assert.match(state.message, /names a credential or an address that the test may not use/);
      assert.equal(await runner.confirm(run, 7), undefined);
      assert.ok(await runner.stop({ ...run, outcome: anOutcome() }, after(61)));
      assert.equal(await runner.stop({ ...run, outcome: anOutcome() }, after(661)), undefined);
    });
  }
});

test('a run that was not dispatched has no state here', () => {
  assert.equal(aRunner().stateOf(aRun(), NOON), undefined);
});
