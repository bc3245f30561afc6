import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { lastLineFirst, tail } from '../../src/run/tail.ts';

test('the end of an output is what is kept, without colours', () => {
  assert.equal(tail(`${'x'.repeat(5000)}\n\u001B[31m2 failed\u001B[0m\n`), '2 failed');
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

test('it begins with a whole line, also where the cut is at the end of one', () => {
  const lines = Array.from({ length: 300 }, (_, index) => `line ${index} of a long log`);
  for (let more = 0; more < 30; more += 1) {
    const kept = tail([...lines, 'x'.repeat(more), 'FATAL'].join('\n'));
    assert.match(kept, /^line \d+ of a long log\n/);
    assert.ok(kept.length > 1024 - 'line 123 of a long log\n'.length);
  }
  assert.equal(tail('x'.repeat(5000)).length, 1024);
});

test('where lists show one line only, that is the last one', () => {
  assert.equal(lastLineFirst('one\ntwo\n\n  FATAL'), 'FATAL\none\ntwo\n\n  FATAL');
  assert.equal(lastLineFirst('FATAL'), 'FATAL');
  assert.equal(lastLineFirst(''), '');
});
