import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LOG_URL_VARIABLES, logUrl, unknownLogUrlVariables } from '../src/log-url.ts';

const VALUES = {
  cluster: 'prod/eu',
  namespace: 'apps',
  job: 'smoke-1',
  run: 'smoke-1',
  release: 'web',
  test: 'a&b',
};

describe('the URL of a log', () => {
  test('is the template with its variables filled in, safe for a URL', () => {
    const url = logUrl('https://logs.example/{cluster}/explore?ns={namespace}&q={test}', VALUES);

    assert.equal(url, 'https://logs.example/prod%2Feu/explore?ns=apps&q=a%26b');
  });

  test('has a value for every variable', () => {
    const template = LOG_URL_VARIABLES.map((name) => `{${name}}`).join(' ');

    assert.deepEqual(unknownLogUrlVariables(template), []);
    assert.equal(logUrl(template, VALUES), 'prod%2Feu apps smoke-1 smoke-1 web a%26b');
  });

  test('can name no other variable', () => {
    assert.deepEqual(unknownLogUrlVariables('https://x/{pod}/{job}'), ['pod']);
  });
});
