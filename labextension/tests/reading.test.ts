import { deepEqual, equal, ok } from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, test } from 'node:test';

import { nullTranslator } from '@jupyterlab/translation/lib/base';

import { Client } from '../src/api/client';
import type { ApiError } from '../src/api/client';
import { NotebookClient } from '../src/api/notebook';
import { badgeOf } from '../src/notebook/badge';
import { ReadingModel } from '../src/notebook/reading';
import type { INotebook } from '../src/notebook/reading';
import { sqlSpans } from '../src/notebook/sql';
import type { Stamp } from '../src/notebook/stamp';
import { endSaid, lifeSaid, newerSaid, progressOf, verdictSaid } from '../src/notebook/words';
import { StatusModel } from '../src/status/model';

const trans = nullTranslator.load('jupyter_govdata');

// -- a server of the same API: what it answers is data of the test ------------------------------

type Answer = (body: unknown) => [number, unknown];
let answers: Record<string, Answer> = {};
let asked: { route: string; body: unknown }[] = [];
let server: Server;
let client: Client;
const models: { dispose(): void }[] = [];

before(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (block: Buffer) => (text += block.toString()));
    request.on('end', () => {
      const route = `${request.method} ${(request.url ?? '').split('?')[0]}`;
      const body: unknown = text ? JSON.parse(text) : null;
      asked.push({ route, body });
      const [status, answer] = answers[route]?.(body) ?? [404, { code: 'missing', message: route }];
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  client = new Client((path, init) => fetch(`http://127.0.0.1:${port}/${path}`, init));
});

after(() => server.close());

afterEach(() => {
  models.splice(0).forEach(model => model.dispose());
  answers = {};
  asked = [];
});

class Notebook implements INotebook {
  constructor(readonly path = 'a/t.ipynb') {}
  readonly name = 't.ipynb';
  stamps = 1;
  saved = 0;
  view(): unknown {
    return { cells: [], stamps: this.stamps };
  }
  fingerprint(): string {
    return String(this.stamps);
  }
  preview(): string {
    return 'SELECT 1';
  }
  save(): Promise<void> {
    this.saved += 1;
    return Promise.resolve();
  }
}

function made(): ReadingModel {
  const status = new StatusModel(client);
  const model = new ReadingModel(new NotebookClient(client), status, 1);
  models.push(model, status);
  return model;
}

async function until(model: ReadingModel, holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>(resolve => {
      const look = () => {
        model.changed.disconnect(look);
        resolve();
      };
      model.changed.connect(look);
    });
  }
}

const PINS = { cells: [{ cell_id: 'q', index: 1 }], assets: [], purposes: ['research'], verification: null };
const pins: Answer = () => [200, PINS];
const job = (state: string, more: object = {}) => ({ id: 'ab', kind: 'rerun', state, ...more });

test('nothing is asked while nobody looks, and once when somebody does', async () => {
  answers = { 'POST /notebooks/pins': pins };
  const model = made();
  model.show(new Notebook());
  deepEqual(asked, []);
  model.isShown = true;
  await until(model, () => model.pins !== null);
  model.refresh();
  equal(asked.length, 1);
});

test('what the editor has is sent, saved or not', async () => {
  answers = { 'POST /notebooks/pins': pins };
  const model = made();
  const notebook = new Notebook();
  model.isShown = true;
  model.show(notebook);
  await until(model, () => model.pins !== null);
  notebook.stamps = 2;
  model.refresh();
  await until(model, () => !model.isLoading);
  deepEqual(
    asked.map(({ body }) => (body as { content: { stamps: number } }).content.stamps),
    [1, 2]
  );
  equal(notebook.saved, 0);
});

test('another notebook does not show what was read by the one before', async () => {
  answers = { 'POST /notebooks/pins': pins };
  const model = made();
  model.isShown = true;
  model.show(new Notebook());
  await until(model, () => model.pins !== null);
  model.show(new Notebook('b.ipynb'));
  equal(model.pins, null);
});

test('a refusal takes what was shown along, a gateway that is away does not', async () => {
  answers = { 'POST /notebooks/pins': pins };
  const model = made();
  model.isShown = true;
  model.show(new Notebook());
  await until(model, () => model.pins !== null);
  answers['POST /notebooks/pins'] = () => [503, { code: 'gateway_unreachable', message: 'away' }];
  model.refresh(true);
  await until(model, () => !model.isLoading);
  equal(model.error?.failure, 'unreachable');
  ok(model.pins);
  answers['POST /notebooks/pins'] = () => [403, { code: 'refused', message: 'no' }];
  model.refresh(true);
  await until(model, () => !model.isLoading);
  equal((model.error as ApiError | null)?.message, 'no');
  equal(model.pins, null);
});

test('a rerun saves first, asks under the purpose of the stamps and is followed to its end', async () => {
  let looks = 0;
  answers = {
    'POST /notebooks/pins': pins,
    'POST /notebooks/rerun': () => [202, { job: job('running') }],
    'GET /jobs/ab': () => {
      looks += 1;
      const result = { verdict: 'identical', out: 'a/t.rerun.ipynb', cells: [] };
      return [200, looks < 3 ? job('running') : job('done', { exit_status: 0, result })];
    }
  };
  const model = made();
  const notebook = new Notebook();
  model.isShown = true;
  model.show(notebook);
  await until(model, () => model.pins !== null);
  const ended: string[] = [];
  model.ended.connect((_, work) => ended.push(work.action));
  await model.start('rerun-stamped');
  equal(notebook.saved, 1);
  deepEqual(asked.find(({ route }) => route === 'POST /notebooks/rerun')?.body, {
    path: 'a/t.ipynb',
    pins: 'stamped',
    output: 'a/t.rerun.ipynb',
    purpose: 'research'
  });
  equal(looks, 3);
  deepEqual(ended, ['rerun-stamped']);
  equal(model.work?.job?.result?.out, 'a/t.rerun.ipynb');
  ok(!model.isRunning);
});

test('work that cannot be started says why and leaves the way free', async () => {
  answers = { 'POST /notebooks/verify': () => [429, { code: 'limit', message: 'too many jobs' }] };
  const model = made();
  model.show(new Notebook());
  await model.start('verify');
  equal(model.work?.error?.message, 'too many jobs');
  ok(!model.isRunning);
  model.putAway();
  equal(model.work, null);
});

test('a stop is asked for once the job runs, and is told as one', async () => {
  let stopped = false;
  answers = {
    'POST /notebooks/verify': () => [202, { job: job('running') }],
    'GET /jobs/ab': () => [200, job(stopped ? 'stopped' : 'running')],
    'DELETE /jobs/ab': () => {
      stopped = true;
      return [200, job('stopped')];
    }
  };
  const model = made();
  model.show(new Notebook());
  const ended = model.start('verify');
  await until(model, () => model.work?.job !== null);
  await model.stop();
  await ended;
  equal(model.work?.job?.state, 'stopped');
  ok(endSaid(model.work, trans).text.startsWith('Stopped'));
});

// -- words --------------------------------------------------------------------------------------

const stamp: Stamp = {
  v: 1,
  query_digest: '',
  parameters_digest: '',
  receipts: ['a.b', 'c.d', 'e.f', 'g.h', 'a.b'].map(asset => ({
    asset,
    snapshot_id: '1',
    schema_id: 0,
    epoch: 1,
    principal: 'ana',
    purpose: 'research',
    decision_id: '',
    fragment_digest: '',
    filtered: false,
    masked: [],
    key_id: '',
    signature: ''
  })),
  result_digest: 'v1:',
  wall: 'advisory',
  versions: {},
  status: 'complete',
  error: '',
  pins: {}
};

test('a badge counts assets once, and rows only where they were told', () => {
  const badge = badgeOf(stamp, { rows_scanned: 1234567 }, trans);
  equal(badge.assets, 'a.b, c.d, e.f and 1 more');
  deepEqual(badge.facts, ['1 234 567 rows read', 'for research']);
  deepEqual(badgeOf(stamp, { rows_scanned: 'many' }, trans).facts, ['for research']);
  equal(badgeOf({ ...stamp, receipts: [] }, null, trans).assets, 'no governed asset');
});

test('a query that failed or was interrupted says so', () => {
  equal(badgeOf(stamp, null, trans).ending, '');
  equal(badgeOf({ ...stamp, status: 'interrupted' }, null, trans).ending, 'interrupted');
  equal(badgeOf({ ...stamp, status: 'failed', error: 'no_permit' }, null, trans).ending, 'failed: no_permit');
});

test('a snapshot says what is newer and how long it lives', () => {
  const asset = {
    asset: 'a.b',
    snapshot_id: '1',
    cells: [],
    committed_at: null,
    newer: 2,
    newest_snapshot_id: '3',
    until: '2030-01-02T03:04:05+00:00',
    why: 'held'
  };
  deepEqual(newerSaid(asset, trans), { text: '2 newer snapshots', mood: 'warn' });
  equal(newerSaid({ ...asset, newer: null }, trans), null);
  equal(lifeSaid(asset, trans).text, 'held until 2030-01-02');
  equal(lifeSaid({ ...asset, why: 'expired' }, trans).mood, 'bad');
  equal(lifeSaid({ ...asset, why: 'a later word' }, trans).text, 'a later word');
});

test('a verdict of a later version is shown as it is', () => {
  deepEqual(verdictSaid('a later word', trans), { text: 'a later word', mood: 'plain' });
});

test('cells without governed data are not counted as results', () => {
  const cell = (verdict: string) => ({ cell: verdict, place: 0, verdict, causes: [], why: '', notes: [], assets: [] });
  const result = { verdict: 'exact', out: '', error: '', cells: [cell('not governed'), cell('exact')] };
  const ended = { id: 'ab', kind: 'verify', state: 'done', exit_status: 0, result, log_tail: '' } as const;
  const said = endSaid({ action: 'verify', job: ended, error: null, isStopping: false }, trans);
  equal(said.text, 'Identical: the result came out as it was stamped.');
});

test('progress is the last that was told', () => {
  equal(progressOf('1 of 4 cells\n3 of 4 cells\n'), 0.75);
  equal(progressOf('starting'), null);
});

// -- SQL in cells ---------------------------------------------------------------------------------

test('the body of a query cell is SQL, with any magics before it', () => {
  const sql = (text: string) => sqlSpans(text).map(({ from, to }) => text.slice(from, to));
  deepEqual(sql('%%govsql df << --limit 5\nSELECT 1'), ['SELECT 1']);
  deepEqual(sql('%%time\n%%govsql\nSELECT 1\n-- x'), ['SELECT 1\n-- x']);
  deepEqual(sql('%%govsql'), []);
  deepEqual(sql('%%govsqlx\nSELECT 1'), []);
});

test('behind a line magic, past its options, is SQL', () => {
  const sql = (text: string) => sqlSpans(text).map(({ from, to }) => text.slice(from, to));
  deepEqual(sql('x = %govsql --purpose research SELECT 1\ny = 2\n  %govsql df << SELECT 2'), [
    'SELECT 1',
    'SELECT 2'
  ]);
  deepEqual(sql("%govsql --as-of '2026-01-31 18:00' -o r SELECT 1"), ['SELECT 1']);
  deepEqual(sql('print("%govsql SELECT")'), []);
});
