import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Client } from '../src/api/client';
import type { Fetch } from '../src/api/client';
import { CatalogModel } from '../src/catalog/model';
import { StatusModel } from '../src/status/model';

interface Asked {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal | null | undefined;
  answer(body: unknown, status?: number): Promise<void>;
}

/** A server whose answers come when the test says so. */
function server(): { fetch: Fetch; asked: Asked[]; next(): Promise<Asked> } {
  const asked: Asked[] = [];
  const waiting: ((one: Asked) => void)[] = [];
  let taken = 0;
  const fetch: Fetch = (url, init) =>
    new Promise((resolve, reject) => {
      init.signal?.addEventListener('abort', () => reject(new DOMException('gone', 'AbortError')));
      const [path = '', search = ''] = url.split('?');
      const one: Asked = {
        path,
        query: new URLSearchParams(search),
        signal: init.signal,
        answer: async (body, status = 200) => {
          resolve(new Response(JSON.stringify(body), { status }));
          await settled();
        }
      };
      asked.push(one);
      if (waiting.length) {
        taken++;
        waiting.shift()?.(one);
      }
    });
  return {
    fetch,
    asked,
    next: () => {
      const one = asked[taken];
      if (one) {
        taken++;
        return Promise.resolve(one);
      }
      return new Promise(resolve => waiting.push(resolve));
    }
  };
}

/** Let everything run that follows an answer. */
async function settled(): Promise<void> {
  await new Promise(resolve => setImmediate(resolve));
}

const READY = {
  state: 'ready',
  principal: 'ana',
  purpose: 'research',
  purposes: ['research', 'quality'],
  epoch: 1
};

function page(names: string[], total = names.length): unknown {
  const spaces = new Map<string, number>();
  names.forEach(n => spaces.set(n.split('.')[0] ?? '', (spaces.get(n.split('.')[0] ?? '') ?? 0) + 1));
  const [first] = spaces.keys();
  if (first !== undefined && total > names.length) {
    spaces.set(first, total);
  }
  return {
    total,
    namespaces: [...spaces].map(([name, count]) => ({ name, count })),
    assets: names.map(name => ({ name, access: 'all' }))
  };
}

async function ready(): Promise<{ s: ReturnType<typeof server>; status: StatusModel; model: CatalogModel }> {
  const s = server();
  const client = new Client(s.fetch);
  const status = new StatusModel(client);
  const model = new CatalogModel(client, status);
  const started = status.start();
  await (await s.next()).answer(READY);
  await started;
  return { s, status, model };
}

function names(model: CatalogModel): string[] {
  return Array.from({ length: model.rowCount }, (_, i) => model.rowAt(i)?.key ?? '');
}

test('the catalog is asked for under the purpose when the status is known', async t => {
  const { s, status, model } = await ready();
  t.after(() => [status, model].forEach(m => m.dispose()));
  const first = await s.next();
  assert.equal(first.path, 'catalog');
  assert.equal(first.query.get('purpose'), 'research');
  await first.answer(page(['a.x', 'a.y', 'b.z']));
  assert.deepEqual(names(model), ['n:a', 'a:a.x', 'a:a.y', 'n:b', 'a:b.z']);
});

test('a newer question calls the older one off and is asked at once', async t => {
  const { s, status, model } = await ready();
  t.after(() => [status, model].forEach(m => m.dispose()));
  const first = await s.next();
  for (const text of ['s', 'su', 'sur']) {
    model.setFilter({ text });
  }
  assert.equal(first.signal?.aborted, true);
  const second = await s.next();
  await first.answer(page(['a.old']));
  assert.equal(model.found, null, 'the answer to an older question is dropped');
  assert.equal(second.query.get('text'), 'sur');
  await second.answer(page(['a.survival']));
  assert.deepEqual(names(model), ['n:a', 'a:a.survival']);
  assert.equal(s.asked.filter(a => a.path === 'catalog').length, 2);
});

test('another purpose asks again and the older answer is dropped', async t => {
  const { s, status, model } = await ready();
  t.after(() => [status, model].forEach(m => m.dispose()));
  await (await s.next()).answer(page(['a.x']));
  await status.choose('quality');
  const again = await s.next();
  assert.equal(again.query.get('purpose'), 'quality');
  await again.answer(page([]));
  assert.equal(model.rowCount, 0);
});

test('rows that come into sight are loaded once, by page and namespace', async t => {
  const { s, status, model } = await ready();
  t.after(() => [status, model].forEach(m => m.dispose()));
  const first = Array.from({ length: 100 }, (_, i) => `a.n${i}`);
  await (await s.next()).answer(page(first, 100_000));
  model.need(150, 180);
  model.need(150, 180);
  const more = await s.next();
  assert.deepEqual([more.query.get('namespace'), more.query.get('offset')], ['a', '100']);
  await more.answer(page(Array.from({ length: 100 }, (_, i) => `a.n${100 + i}`), 100_000));
  assert.equal(model.rowAt(151)?.key, 'a:a.n150');
  assert.equal(s.asked.filter(a => a.path === 'catalog').length, 2);
});

test('a gateway that is away keeps what was found, and its return asks again', async t => {
  const { s, status, model } = await ready();
  t.after(() => [status, model].forEach(m => m.dispose()));
  await (await s.next()).answer(page(['a.x']));
  model.setFilter({ text: 'q' });
  await (await s.next()).answer({ code: 'gateway_unreachable', message: 'it is away' }, 503);
  assert.equal(status.link, 'unreachable');
  assert.equal(model.error?.failure, 'unreachable');
  assert.deepEqual(names(model), ['n:a', 'a:a.x']);
  const looked = status.refresh();
  await (await s.next()).answer(READY);
  await looked;
  await (await s.next()).answer(page(['a.q']));
  assert.equal(model.error, null);
  assert.deepEqual(names(model), ['n:a', 'a:a.q']);
});

test('a purpose that is no longer there gives way to the own one', async t => {
  const s = server();
  const status = new StatusModel(new Client(s.fetch), {
    load: () => Promise.resolve('gone'),
    save: () => Promise.resolve()
  });
  t.after(() => status.dispose());
  const started = status.start();
  await (await s.next()).answer(READY);
  await started;
  assert.equal(status.purpose, 'research');
});

test('nothing listens after dispose', async () => {
  const { s, status, model } = await ready();
  await (await s.next()).answer(page(['a.x']));
  model.dispose();
  const before = s.asked.length;
  await status.choose('quality');
  await settled();
  assert.equal(s.asked.length, before);
  status.dispose();
});
