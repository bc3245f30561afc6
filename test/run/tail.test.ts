import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { tail } from '../../src/run/tail.ts';

test('the end of an output is what is kept, without colours', () => {
  assert.equal(tail(`${'x'.repeat(5000)}\n\u001B[31m2 failed\u001B[0m\n`).slice(-9), '\n2 failed');
});

test('it is never more than 1 KiB, nor cut inside of a character', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 500, maxLength: 3000 }), (output) => {
      const kept = tail(output);
      assert.ok(Buffer.byteLength(kept) <= 1024);
      assert.ok(!kept.includes('\uFFFD') || output.includes('\uFFFD'));
    }),
  );
});
