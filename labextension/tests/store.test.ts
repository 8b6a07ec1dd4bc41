import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';

import { purposeStore } from '../src/status/store';
import type { TabStorage } from '../src/status/store';

function tab(): TabStorage {
  const kept = new Map<string, string>();
  return {
    getItem: key => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: key => void kept.delete(key)
  };
}

/** A workspace that is written as late as the test says. */
function workspace(): {
  fetch(key: string): Promise<ReadonlyPartialJSONValue | undefined>;
  save(key: string, value: ReadonlyPartialJSONValue): Promise<unknown>;
  write(): void;
} {
  let pending: [string, ReadonlyPartialJSONValue] | null = null;
  const written = new Map<string, ReadonlyPartialJSONValue>();
  return {
    fetch: key => Promise.resolve(written.get(key)),
    save: (key, value) => {
      pending = [key, value];
      return Promise.resolve();
    },
    write: () => {
      if (pending) {
        written.set(...pending);
      }
    }
  };
}

test('a choice outlives a reload that comes before the workspace is written', async () => {
  const [state, own] = [workspace(), tab()];
  void purposeStore(state, own, 'w', false).save('marketing');
  assert.equal(await purposeStore(state, own, 'w', false).load(), 'marketing');
  assert.equal(await purposeStore(state, tab(), 'w', false).load(), null);
  state.write();
  assert.equal(await purposeStore(state, tab(), 'w', false).load(), 'marketing');
});

test('a choice belongs to its workspace, and a reset forgets it', async () => {
  const own = tab();
  await purposeStore(null, own, 'w', false).save('marketing');
  assert.equal(await purposeStore(null, own, 'other', false).load(), null);
  assert.equal(await purposeStore(null, own, 'w', true).load(), null);
});

test('a browser without storage keeps the choice in the workspace', async () => {
  const state = workspace();
  await purposeStore(state, null, 'w', false).save('quality');
  state.write();
  assert.equal(await purposeStore(state, null, 'w', false).load(), 'quality');
});
