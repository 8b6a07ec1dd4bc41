import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError, Client, part } from '../src/api/client';
import { number, object, text } from '../src/api/guards';
import { status, summary } from '../src/api/types';

function answering(body: string, init: ResponseInit = {}): { client: Client; sent: [string, RequestInit][] } {
  const sent: [string, RequestInit][] = [];
  const client = new Client((path, request) => {
    sent.push([path, request]);
    return Promise.resolve(new Response(body, init));
  });
  return { client, sent };
}

async function failure(asked: Promise<unknown>): Promise<ApiError> {
  const reason: unknown = await asked.then(
    () => assert.fail('it did not fail'),
    (error: unknown) => error
  );
  assert.ok(reason instanceof ApiError);
  return reason;
}

test('a query leaves out what is empty and repeats lists', async () => {
  const { client, sent } = answering('{"n": 1}');
  await client.get('catalog', object({ n: number }), { text: 'a b&c', tag: ['x=1', 'y'], owner: [], purpose: '', offset: 0 });
  assert.equal(sent[0]?.[0], 'catalog?text=a+b%26c&tag=x%3D1&tag=y&offset=0');
});

test('names go into a path as one part', () => {
  assert.equal(part('../status?x#y'), '..%2Fstatus%3Fx%23y');
});

test('rows are kept out of the cache where that is asked for', async () => {
  const { client, sent } = answering('"x"');
  await client.get('a', text);
  await client.get('a', text, {}, { fresh: true });
  assert.deepEqual(sent.map(([, init]) => init.cache), ['no-cache', 'no-store']);
});

for (const [code, kind] of [
  [400, 'invalid'],
  [401, 'unauthenticated'],
  [403, 'refused'],
  [404, 'missing'],
  [503, 'unreachable'],
  [500, 'failed']
] as const) {
  test(`status ${code} is ${kind}, with the server's own words`, async () => {
    const { client } = answering('{"code": "c", "message": "m", "hint": "h"}', { status: code });
    const error = await failure(client.get('x', text));
    assert.deepEqual([error.failure, error.code, error.message, error.hint], [kind, 'c', 'm', 'h']);
  });
}

test('a page of a proxy is not taken for an answer', async () => {
  const { client } = answering('<html>Bad Gateway</html>', { status: 502 });
  const error = await failure(client.get('x', text));
  assert.ok(!error.message.includes('<'));
});

test('an answer of another form fails, and the error does not hold it', async () => {
  const { client } = answering('{"n": "secret"}');
  const error = await failure(client.get('x', object({ n: number })));
  assert.equal(error.failure, 'failed');
  assert.ok(!error.message.includes('secret'));
});

test('no answer at all is offline', async () => {
  const client = new Client(() => Promise.reject(new TypeError('failed to fetch')));
  assert.equal((await failure(client.get('x', text))).failure, 'offline');
});

test('an access of a later version counts as none', () => {
  assert.equal(summary({ name: 'a.b', access: 'partly' }).access, 'none');
});

test('a status that only says where the gateway is, is one', () => {
  assert.equal(status({ state: 'starting', error: null }).principal, '');
});
