import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Column, Summary } from '../src/api/types';
import { indexOf, rowAt, rowCount } from '../src/catalog/rows';
import type { Columns, Group } from '../src/catalog/rows';

const asset = (name: string): Summary => ({
  name,
  kind: 'table',
  description: '',
  access: 'all',
  owner: '',
  steward: '',
  tags: new Map(),
  matched: [],
  pending_request: false
});

const column = (name: string): Column => ({
  name,
  type: 'string',
  unit: '',
  description: '',
  tags: new Map(),
  mask: null,
  policy: ''
});

function group(name: string, count: number, opened: [number, Columns][] = [], open = true): Group {
  const assets = new Map(Array.from({ length: Math.min(count, 10) }, (_, i) => [i, asset(`${name}.a${i}`)]));
  return { name, count, open, assets, opened: opened.map(([place, columns]) => ({ place, columns })) };
}

function keys(groups: readonly Group[]): string[] {
  return Array.from({ length: rowCount(groups) }, (_, i) => rowAt(groups, i)?.key ?? '?');
}

test('namespaces, assets and the columns of open assets follow each other', () => {
  const groups = [
    group('a', 3, [
      [0, [column('x'), column('y')]],
      [2, 'loading']
    ]),
    group('b', 2, [], false),
    group('c', 1)
  ];
  assert.deepEqual(keys(groups), [
    'n:a', 'a:a.a0', 'c:a.a0:x', 'c:a.a0:y', 'a:a.a1', 'a:a.a2', 'x:a.a2', 'n:b', 'n:c', 'a:c.a0'
  ]);
});

test('an asset without visible columns has one row that says so', () => {
  const groups = [group('a', 1, [[0, []]])];
  const row = rowAt(groups, 2);
  assert.equal(row?.kind === 'note' && row.note, 'empty');
});

test('every row is found again by its key', () => {
  const groups = [group('a', 12, [[3, [column('x')]], [5, 'loading']]), group('b', 4, [[1, [column('y')]]])];
  keys(groups).forEach((key, i) => assert.equal(indexOf(groups, key), i, key));
  assert.equal(indexOf(groups, 'a:a.gone'), -1);
  assert.equal(indexOf(groups, 'c:a.a3:gone'), -1);
});

test('what is not loaded yet has its place among its siblings', () => {
  const row = rowAt([group('a', 100_000)], 99_999);
  assert.equal(row?.kind, 'unloaded');
  assert.deepEqual([row.level, row.position, row.siblings], [2, 99_999, 100_000]);
});

test('behind the end there is no row', () => {
  assert.equal(rowAt([group('a', 1)], 2), null);
});
