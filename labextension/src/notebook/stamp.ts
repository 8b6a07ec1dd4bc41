/**
 * Stamps as they stand in a notebook. A notebook is untrusted text: what does not follow version 1
 * of the format is refused, exactly as `jupyter_govdata.stamps.bundle` refuses it.
 */

export const STAMP_MIME = 'application/vnd.govdata.stamp.v1+json';

/** Key of an output's metadata that holds what changes from run to run. */
export const VOLATILE_KEY = 'govdata';

export interface Receipt {
  readonly asset: string;
  readonly snapshot_id: string;
  readonly schema_id: number;
  readonly epoch: number;
  readonly principal: string;
  readonly purpose: string;
  readonly decision_id: string;
  readonly fragment_digest: string;
  readonly filtered: boolean;
  readonly masked: readonly string[];
  readonly key_id: string;
  readonly signature: string;
}

export interface Stamp {
  readonly v: 1;
  readonly query_digest: string;
  readonly parameters_digest: string;
  readonly receipts: readonly Receipt[];
  readonly result_digest: string;
  readonly wall: 'enforced' | 'advisory';
  readonly versions: Readonly<Record<string, string>>;
  readonly status: 'complete' | 'partial' | 'failed' | 'interrupted';
  readonly error: string;
  readonly pins: Readonly<Record<string, string>>;
}

const DIGEST = /^[0-9a-f]{64}$/;
const RESULT_DIGEST = /^v1:[0-9a-f]{64}$/;
const SNAPSHOT_ID = /^(?:0|[1-9][0-9]{0,18})$/;
const STATUSES = ['complete', 'partial', 'failed', 'interrupted'];
const WALLS = ['enforced', 'advisory'];

type Test = (value: unknown) => boolean;

const text: Test = value => typeof value === 'string';
const whole: Test = value => Number.isInteger(value);
const list: Test = value => Array.isArray(value);

const RECEIPT: Readonly<Record<string, Test>> = {
  asset: text,
  snapshot_id: matching(SNAPSHOT_ID),
  schema_id: value => whole(value) && (value as number) >= 0,
  epoch: value => whole(value) && (value as number) >= 0,
  principal: text,
  purpose: text,
  decision_id: text,
  fragment_digest: matching(DIGEST),
  filtered: value => typeof value === 'boolean',
  masked: value => list(value) && (value as unknown[]).every(text),
  key_id: text,
  signature: text
};

const STAMP: Readonly<Record<string, Test>> = {
  v: value => value === 1,
  query_digest: matching(DIGEST),
  parameters_digest: matching(DIGEST),
  receipts: value => list(value) && (value as unknown[]).every(one => follows(one, RECEIPT)),
  result_digest: value => value === '' || matching(RESULT_DIGEST)(value),
  wall: value => WALLS.includes(value as string),
  versions: value => isMapping(value) && Object.values(value).every(text),
  status: value => STATUSES.includes(value as string),
  error: text,
  pins: value => isMapping(value) && Object.values(value).every(matching(SNAPSHOT_ID))
};

/** Whether a value of a notebook is a stamp that this version reads. */
export function isStamp(value: unknown): value is Stamp {
  if (!follows(value, STAMP)) {
    return false;
  }
  const stamp = value as Stamp;
  return (stamp.result_digest !== '') === (stamp.status === 'complete');
}

/** Whether a JSON value is an object. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether an object has a key of its own; `__proto__` is a key like any other. */
export function has(value: object, key: string): boolean {
  return Object.prototype.hasOwnProperty.call(value, key);
}

function matching(pattern: RegExp): Test {
  return value => typeof value === 'string' && pattern.test(value);
}

function follows(value: unknown, tests: Readonly<Record<string, Test>>): boolean {
  return (
    isMapping(value) &&
    Object.keys(value).length === Object.keys(tests).length &&
    Object.entries(tests).every(([name, test]) => has(value, name) && test(value[name]))
  );
}
