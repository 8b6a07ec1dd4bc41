/** Folds a notebook a line: what `tests/stamps/test_folding_twin.py` compares Python with. */
import { createInterface } from 'node:readline';

import { folded } from '../src/notebook/fold';

createInterface({ input: process.stdin }).on('line', line => {
  const nb = JSON.parse(line) as Record<string, unknown>;
  process.stdout.write(JSON.stringify(folded(nb)) + '\n');
});
