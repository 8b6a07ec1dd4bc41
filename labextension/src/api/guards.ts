/**
 * Guards: the only way by which JSON becomes typed.
 *
 * A guard returns the value it was given, typed, or throws a `ShapeError` that names the place and
 * never the value. Fields that a guard does not know are left behind; fields that a server of
 * another version does not send yet take the fallback of `optional`.
 */

/** Thrown where an answer is not what its guard promises. */
export class ShapeError extends Error {
  constructor(at: string, expected: string) {
    super(`${at || 'the answer'} is not ${expected}`);
    this.name = 'ShapeError';
  }
}

export type Guard<T> = (value: unknown, at?: string) => T;

/** The type that a guard lets through. */
export type Guarded<G> = G extends Guard<infer T> ? T : never;

export const text: Guard<string> = (value, at = '') => {
  if (typeof value !== 'string') {
    throw new ShapeError(at, 'text');
  }
  return value;
};

export const number: Guard<number> = (value, at = '') => {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new ShapeError(at, 'a number');
  }
  return value;
};

export const flag: Guard<boolean> = (value, at = '') => {
  if (typeof value !== 'boolean') {
    throw new ShapeError(at, 'true or false');
  }
  return value;
};

/** One of some words; `other` is taken for words of a later version. */
export function oneOf<const W extends string>(words: readonly W[], other?: W): Guard<W> {
  return (value, at = '') => {
    const found = words.find(word => word === value);
    if (found !== undefined) {
      return found;
    }
    if (other !== undefined && typeof value === 'string') {
      return other;
    }
    throw new ShapeError(at, `one of ${words.join(', ')}`);
  };
}

export function list<T>(of: Guard<T>): Guard<T[]> {
  return (value, at = '') => {
    if (!Array.isArray(value)) {
      throw new ShapeError(at, 'a list');
    }
    return value.map((item: unknown, i) => of(item, `${at}[${i}]`));
  };
}

/** An object used as a mapping from any key. */
export function mapping<T>(of: Guard<T>): Guard<Map<string, T>> {
  return (value, at = '') =>
    new Map(Object.entries(fields(value, at)).map(([key, item]) => [key, of(item, `${at}.${key}`)]));
}

export function nullable<T>(of: Guard<T>): Guard<T | null> {
  return (value, at) => (value === null || value === undefined ? null : of(value, at));
}

/** What may be missing or null, and then is `fallback`. */
export function optional<T>(of: Guard<T>, fallback: T): Guard<T> {
  return (value, at) => (value === null || value === undefined ? fallback : of(value, at));
}

/** An object with these fields. */
export function object<S extends Record<string, Guard<unknown>>>(
  shape: S
): Guard<{ [K in keyof S]: Guarded<S[K]> }> {
  return (value, at = '') => {
    const given = fields(value, at);
    const entries = Object.entries(shape).map(([key, guard]) => [
      key,
      guard(Object.hasOwn(given, key) ? given[key] : undefined, at ? `${at}.${key}` : key)
    ]);
    return Object.fromEntries(entries) as { [K in keyof S]: Guarded<S[K]> };
  };
}

function fields(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ShapeError(at, 'an object');
  }
  return value as Record<string, unknown>;
}
