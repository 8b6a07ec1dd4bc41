import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ShapeError, list, nullable, number, object, oneOf, optional, text } from '../src/api/guards';

test('object keeps the fields it knows and drops the others', () => {
  const guard = object({ name: text, count: optional(number, 0) });
  assert.deepEqual(guard({ name: 'a', more: 1 }), { name: 'a', count: 0 });
});

test('object does not read fields of the prototype', () => {
  assert.throws(() => object({ constructor: text })({}), ShapeError);
});

test('a wrong field is named and its value is not', () => {
  const guard = object({ assets: list(object({ name: text })) });
  assert.throws(
    () => guard({ assets: [{ name: 'a' }, { name: 4711 }] }),
    (error: unknown) =>
      error instanceof ShapeError &&
      error.message.includes('assets[1].name') &&
      !error.message.includes('4711')
  );
});

test('oneOf takes the word for unknown words only where there is one', () => {
  assert.equal(oneOf(['all', 'none'], 'none')('later'), 'none');
  assert.throws(() => oneOf(['all', 'none'])('later'), ShapeError);
  assert.throws(() => oneOf(['all', 'none'], 'none')(3), ShapeError);
});

test('nullable takes what is missing as null', () => {
  assert.deepEqual(object({ at: nullable(text) })({}), { at: null });
});
