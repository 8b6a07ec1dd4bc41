import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../src/api/client';
import { Pictures } from '../src/card/pictures';

/** A server of pictures whose answers come when the test says so. */
function gallery(): { pictures: Pictures; asked: string[]; answer(key: string, found: Blob | Error): Promise<void> } {
  const asked: string[] = [];
  const waiting = new Map<string, { give(found: Blob): void; fail(reason: Error): void }>();
  const pictures = new Pictures(key => {
    asked.push(key);
    return new Promise((give, fail) => waiting.set(key, { give, fail }));
  });
  return {
    pictures,
    asked,
    answer: async (key, found) => {
      const one = waiting.get(key);
      if (found instanceof Blob) {
        one?.give(found);
      } else {
        one?.fail(found);
      }
      await new Promise(resolve => setImmediate(resolve));
    }
  };
}

test('few pictures are asked for at a time, and each once', async () => {
  const { pictures, asked, answer } = gallery();
  const found = ['a', 'b', 'c', 'd', 'e'].map(key => pictures.get(key));
  void pictures.get('a');
  assert.deepEqual(asked, ['a', 'b', 'c']);
  const blob = new Blob(['x']);
  await answer('b', blob);
  assert.deepEqual(asked, ['a', 'b', 'c', 'd']);
  await answer('a', new ApiError('failed', 'failed', 'broken'));
  assert.deepEqual(asked, ['a', 'b', 'c', 'd', 'e']);
  for (const key of ['c', 'd', 'e']) {
    await answer(key, blob);
  }
  assert.deepEqual(await Promise.all(found), ['failed', blob, blob, blob, blob]);
  void pictures.get('f');
  assert.equal(asked.at(-1), 'f');
});

test('a file without a picture is not asked for again, one that failed is', async () => {
  const { pictures, asked, answer } = gallery();
  const none = pictures.get('text');
  await answer('text', new ApiError('missing', 'no_thumbnail', 'no picture'));
  assert.equal(await none, 'none');
  assert.equal(await pictures.get('text'), 'none');
  const broken = pictures.get('image');
  await answer('image', new ApiError('unreachable', 'gateway_unreachable', 'away'));
  assert.equal(await broken, 'failed');
  void pictures.get('image');
  assert.deepEqual(asked, ['text', 'image', 'image']);
});
