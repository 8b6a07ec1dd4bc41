import assert from 'node:assert/strict';
import { test } from 'node:test';

import { firstQuery, isName, loadsMagic, pinned, withPin } from '../src/acting/text';
import { diagram, label } from '../src/card/mermaid';

test('only canonical names are put into cells', () => {
  assert.ok(isName('trials.outcomes'));
  for (const name of ['trials', 'a.b; DROP', 'a."b"', 'A.b', 'a.b\n%run x', '']) {
    assert.ok(!isName(name), name);
  }
});

test('a first query names the purpose where it is not the own one', () => {
  assert.equal(firstQuery('a.b', 'research', 'research'), '%%govsql\nSELECT *\nFROM a.b\nLIMIT 20');
  assert.ok(firstQuery('a.b', 'quality', 'research').startsWith('%%govsql --purpose quality\n'));
  assert.ok(firstQuery('a.b', 'x\n!rm', 'research').startsWith('%%govsql\n'), 'never code');
});

test('a pin goes behind every mention of the asset and of no other', () => {
  const source = 'SELECT * FROM a.b JOIN a.bc ON x.a.b = 1 -- a.b';
  assert.equal(
    withPin(source, 'a.b', '42'),
    'SELECT * FROM a.b AT (VERSION => 42) JOIN a.bc ON x.a.b = 1 -- a.b AT (VERSION => 42)'
  );
});

test('a mention that is pinned gets the new version', () => {
  assert.equal(withPin('FROM a.b AT (VERSION => 1) x', 'a.b', '42'), 'FROM a.b AT (VERSION => 42) x');
  assert.equal(withPin("FROM a.b AT (TAG => 'v1')", 'a.b', '42'), 'FROM a.b AT (VERSION => 42)');
  assert.equal(withPin('FROM a.b AT (VERSION => 42)', 'a.b', '42'), 'FROM a.b AT (VERSION => 42)');
});

test('a text without the asset is left alone', () => {
  assert.equal(withPin('SELECT 1', 'a.b', '42'), null);
  assert.equal(withPin("SELECT 'a.b'", 'a.b', '42'), null);
});

test('a version is digits, whatever an answer says', () => {
  assert.equal(pinned('a.b', '1); DROP'), 'a.b');
});

test('a cell that loads the magic is seen', () => {
  assert.ok(loadsMagic(['import x', '%load_ext jupyter_govdata\n1']));
  assert.ok(!loadsMagic(['# %load_ext jupyter_govdata', '%load_ext sql']));
});

test('a label holds no character that Mermaid or HTML reads as code', () => {
  for (const text of ['"]; click n0 "javascript:alert(1)"', '<img src=x onerror=alert(1)>', '`a` %%{init}%%', '#60;b#62;']) {
    assert.match(label(text), /^"[A-Za-z0-9 #;]*"$/);
    assert.doesNotMatch(label(text), /#(?![0-9]+;)/);
  }
});

test('a graph is drawn by numbers, never by names', () => {
  const drawn = diagram(
    {
      nodes: [
        { id: 'x; y', name: 'a.b', kind: 'table' },
        { id: 's', name: 'file]', kind: 'source' }
      ],
      edges: [
        { from: 's', to: 'x; y', by: '' },
        { from: 's', to: 'hidden', by: '' }
      ],
      complete: true
    },
    'a.b'
  );
  assert.deepEqual(drawn.split('\n'), [
    'flowchart LR',
    '  n0["a#46;b"]',
    '  style n0 stroke-width:3px',
    '  n1(["file#93;"])',
    '  n1 --> n0'
  ]);
});
