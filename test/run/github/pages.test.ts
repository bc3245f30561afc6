import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPages } from '../../../src/run/github/pages.ts';

test('the 200 answers that were last asked for are remembered', async () => {
  const pages = createPages();
  const etags: (string | undefined)[] = [];
  const read = (key: string) =>
    pages.read(key, async (etag) => {
      etags.push(etag);
      return etag === undefined ? { etag: `of ${key}`, value: key } : undefined;
    });
  for (let page = 0; page < 200; page++) await read(`${page}`);
  assert.equal(await read('0'), '0');
  await read('one more');
  etags.length = 0;

  assert.equal(await read('0'), '0');
  assert.equal(await read('1'), '1');

  assert.deepEqual(etags, ['of 0', undefined]);
});
