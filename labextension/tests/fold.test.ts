import { deepEqual, equal } from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { folded, foldStamps, NAMESPACE, stampsOf } from '../src/notebook/fold';
import type { Copy } from '../src/notebook/fold';
import { sha256 } from '../src/notebook/sha256';

type Notebook = Record<string, unknown>;
interface ICase {
  name: string;
  notebook: Notebook;
  folded: Notebook;
}

const file = new URL('../../tests/stamps/folding.json', `file://${__filename}`);
const cases = JSON.parse(readFileSync(file, 'utf-8')) as ICase[];

for (const one of cases) {
  test(`fold: ${one.name}`, () => {
    const before = structuredClone(one.notebook);
    deepEqual(plain(folded(one.notebook)), one.folded);
    deepEqual(one.notebook, before);
    deepEqual(foldStamps(one.folded), []);
  });
}

test('a copy gives only the stamps that follow the format', () => {
  const nb = cases.find(one => one.name === 'a cell that ran')?.folded as {
    cells: { metadata: Record<string, Copy> }[];
  };
  const copy = nb.cells[0]?.metadata[NAMESPACE] as Copy;
  equal(stampsOf(copy).length, 1);
  equal(stampsOf({ ...copy, stamps: [...copy.stamps, { v: 1 }] }).length, 1);
});

test('sha256 agrees with the platform for every length of a block', () => {
  for (let length = 0; length < 200; length++) {
    const text = 'ß😀x'.repeat(50).slice(0, length);
    equal(sha256(text), createHash('sha256').update(Buffer.from(new TextEncoder().encode(text))).digest('hex'));
  }
});

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
