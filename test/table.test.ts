import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTable } from '../src/table.ts';

interface Thing {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly resourceVersion: string };
  readonly colour: string;
}

function thing(name: string, resourceVersion: string, colour = 'red'): Thing {
  return { metadata: { namespace: 'apps', name, resourceVersion }, colour };
}

function aTable() {
  const changes: string[] = [];
  const unreadable: string[] = [];
  const table = createTable<Thing>({
    read(object) {
      if ((object as Thing).colour === 'garbage') throw new Error('garbage');
      return object as Thing;
    },
    groupOf: ({ colour }) => colour,
    onChange: (value, previous) =>
      changes.push(
        `${previous?.metadata.resourceVersion ?? '-'} > ${value?.metadata.resourceVersion ?? '-'}`,
      ),
    onUnreadable: (_, name) => unreadable.push(name),
  });
  return { table, changes, unreadable };
}

function names(things: Iterable<Thing>): readonly string[] {
  return [...things].map(({ metadata }) => metadata.name);
}

describe('a table', () => {
  test('knows what it was told, by key and by group', () => {
    const { table } = aTable();
    table.upsert(thing('a', '1'));
    table.upsert(thing('b', '2', 'blue'));
    assert.equal(table.get('apps/a')?.colour, 'red');
    assert.deepEqual(names(table.in('red')), ['a']);
    assert.deepEqual(names(table.in('green')), []);
    assert.deepEqual(names(table.values()), ['a', 'b']);
    assert.equal(table.size, 2);
  });

  test('takes no older version than it knows, as numbers and not as text', () => {
    const { table, changes } = aTable();
    table.upsert(thing('a', '10'));
    assert.equal(table.upsert(thing('a', '9', 'blue'))?.colour, 'red');
    assert.equal(table.upsert(thing('a', '11'))?.metadata.resourceVersion, '11');
    assert.deepEqual(changes, ['- > 10', '10 > 11']);
  });

  test('takes what changes its group for gone there, and for new in the other', () => {
    const { table, changes } = aTable();
    table.upsert(thing('a', '1'));
    table.upsert(thing('a', '2', 'blue'));
    assert.deepEqual(names(table.in('red')), []);
    assert.deepEqual(names(table.in('blue')), ['a']);
    assert.deepEqual(changes, ['- > 1', '1 > -', '- > 2']);
    table.remove(thing('a', '3', 'blue'));
    assert.deepEqual(names(table.in('blue')), []);
    assert.equal(table.size, 0);
  });

  test('says nothing of what it knows already', () => {
    const { table, changes } = aTable();
    table.upsert(thing('a', '1'));
    table.upsert(thing('a', '1'));
    assert.deepEqual(changes, ['- > 1']);
  });

  test('forgets what is removed, once', () => {
    const { table, changes } = aTable();
    table.upsert(thing('a', '1'));
    table.remove(thing('a', '2'));
    table.remove(thing('a', '2'));
    assert.equal(table.get('apps/a'), undefined);
    assert.deepEqual(names(table.in('red')), []);
    assert.deepEqual(changes, ['- > 1', '1 > -']);
  });

  test('keeps what it knew of an object that cannot be read any more', () => {
    const { table, unreadable } = aTable();
    table.upsert(thing('a', '1'));
    assert.equal(table.upsert(thing('a', '2', 'garbage')), undefined);
    assert.equal(table.get('apps/a')?.colour, 'red');
    assert.deepEqual(unreadable, ['apps/a']);
  });
});

describe('a full list', () => {
  test('takes away what is not in it, and nothing before its end', () => {
    const { table, changes } = aTable();
    table.upsert(thing('a', '1'));
    table.upsert(thing('b', '2'));
    const listing = table.relist();
    listing.upsert(thing('b', '2'));
    assert.equal(table.size, 2);
    listing.end();
    assert.deepEqual(names(table.values()), ['b']);
    assert.deepEqual(changes, ['- > 1', '- > 2', '1 > -', '2 > 2']);
  });

  test('has everything looked at once more, but for the first, which is told of anyway', () => {
    const { table, changes } = aTable();
    for (const version of ['1', '1', '2']) {
      const listing = table.relist();
      listing.upsert(thing('a', version));
      listing.end();
    }
    assert.deepEqual(changes, ['- > 1', '1 > 1', '1 > 2', '2 > 2']);
  });

  test('that is given up takes nothing away, and versions count again', () => {
    const { table } = aTable();
    table.upsert(thing('a', '100'));
    table.upsert(thing('b', '2'));
    table.relist().giveUp();
    table.upsert(thing('a', '7', 'blue'));
    assert.deepEqual(names(table.values()), ['a', 'b']);
    assert.equal(table.get('apps/a')?.colour, 'red');
  });

  test('is believed though its versions went backwards', () => {
    const { table } = aTable();
    table.upsert(thing('a', '100'));
    const listing = table.relist();
    listing.upsert(thing('a', '7', 'blue'));
    listing.end();
    assert.equal(table.get('apps/a')?.colour, 'blue');
  });

  test('takes back nothing that was read or written since it began', () => {
    const { table } = aTable();
    table.upsert(thing('a', '100'));
    const listing = table.relist();
    table.upsert(thing('a', '200', 'blue'));
    listing.upsert(thing('a', '100'));
    assert.equal(table.get('apps/a')?.colour, 'blue');
    listing.upsert(thing('a', '300', 'green'));
    listing.end();
    assert.equal(table.get('apps/a')?.colour, 'green');
  });

  test('brings nothing back that was removed since it began, unless it is there anew', () => {
    const { table } = aTable();
    for (const name of ['a', 'b']) table.upsert(thing(name, '100'));
    const listing = table.relist();
    for (const name of ['a', 'b']) table.remove(thing(name, '100'));
    listing.upsert(thing('a', '100'));
    listing.upsert(thing('b', '300'));
    listing.end();
    assert.deepEqual(names(table.values()), ['b']);
  });

  test('does not take away what was written meanwhile', () => {
    const { table } = aTable();
    const listing = table.relist();
    table.upsert(thing('new', '5'));
    listing.end();
    assert.deepEqual(names(table.values()), ['new']);
  });
});
