import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../src', import.meta.url));
const IMPORT = /^(?:import|export) [^;]*?from '(\.[^']*)'/gm;

/** Module -> what it imports of ours, types included. */
function arrows(): Map<string, string[]> {
  const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(name => /\.tsx?$/.test(name));
  return new Map(
    files.map(file => {
      const targets = [...readFileSync(join(ROOT, file), 'utf8').matchAll(IMPORT)];
      const module = file.replace(/\.tsx?$/, '');
      return [module, targets.map(found => normalize(join(dirname(file), found[1] ?? '')))];
    })
  );
}

test('modules import each other in no circle', () => {
  const graph = arrows();
  assert.ok(graph.size > 40);
  // Whatever imports nothing that is left is taken away; what stays is on a circle or leads to one.
  for (let before = -1; before !== graph.size; ) {
    before = graph.size;
    for (const [module, targets] of graph) {
      if (!targets.some(target => graph.has(target))) {
        graph.delete(module);
      }
    }
  }
  assert.deepEqual([...graph.keys()], []);
});
