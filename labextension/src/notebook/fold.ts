/**
 * The one rule by which stamps are folded into a notebook's metadata. Pure.
 *
 * `docs/reference/stamp.md` states it, `jupyter_govdata.stamps.folding` is its twin in Python, and
 * `tests/stamps/folding.json` holds both to the same answers: a change here is a change there.
 */
import { has, isMapping, isStamp, STAMP_MIME, VOLATILE_KEY, type Stamp } from './stamp';
import { sha256 } from './sha256';

/** Our key in the metadata of notebooks and cells. */
export const NAMESPACE = 'jupyter_govdata';

const COPY_FORMAT = 1;
const OURS = ['v', 'source', 'stamps', 'state'];
const OURS_OF_NOTEBOOK = ['v', 'pins', 'purposes', 'cells'];
const CELL_ID = /^[A-Za-z0-9_-]{1,64}$/;
const HEX = /^[0-9a-f]{64}$/;

type Json = Record<string, unknown>;

/** What is to be written: the whole of our namespace, or null where it is to go. */
export interface Write {
  /** 0-based place of the cell; null for the notebook. */
  readonly place: number | null;
  readonly value: Json | null;
}

/** A folded copy: what a cell's metadata remembers of its stamps. */
export interface Copy {
  readonly v: 1;
  readonly source: string;
  readonly stamps: readonly unknown[];
  readonly state?: 'kept' | 'outdated';
}

interface Reading {
  readonly name: string;
  readonly place: number;
  readonly copy: Copy | null;
}

/**
 * Say what folding changes in a notebook; nothing where it is folded already.
 *
 * @param nb A notebook of format 4 as JSON, or as much of it as the rule looks at.
 */
export function foldStamps(nb: unknown): Write[] {
  const notebook = mapping(nb);
  const cells = items(notebook.cells);
  const writes: Write[] = [];
  const copies: [string, Copy][] = [];
  const readings = new Map(readingsOf(notebook).map(reading => [reading.place, reading]));
  cells.forEach((cell, place) => {
    if (!isMapping(cell)) {
      return;
    }
    const reading = readings.get(place);
    const copy = reading?.copy ?? null;
    write(writes, place, cell, OURS, copy);
    if (copy && reading && !reading.name.startsWith('#')) {
      copies.push([reading.name, copy]);
    }
  });
  const read = [...readings.values()];
  const summary = read.some(reading => reading.copy) ? summaryOf(read, copies) : null;
  write(writes, null, notebook, OURS_OF_NOTEBOOK, summary);
  return writes;
}

/** Return a notebook with what `foldStamps` says written into it; the given one stays as it is. */
export function folded(nb: Json): Json {
  const made = structuredClone(nb);
  for (const { place, value } of foldStamps(nb)) {
    const holder = place === null ? made : (items(made.cells)[place] as Json);
    const metadata = mapping(holder.metadata);
    holder.metadata = metadata;
    if (value === null) {
      delete metadata[NAMESPACE];
    } else {
      metadata[NAMESPACE] = value;
    }
  }
  return made;
}

/** Return the stamps of a copy that follow the format. */
export function stampsOf(copy: Copy): Stamp[] {
  return copy.stamps.filter(isStamp);
}

function readingsOf(nb: Json): Reading[] {
  const cells = items(nb.cells).map(mapping);
  const ids = new Map<string, number>();
  for (const cell of cells) {
    const id = text(cell.id);
    ids.set(id, (ids.get(id) ?? 0) + 1);
  }
  const whole = mapping(namespace(nb).cells);
  const readings: Reading[] = [];
  cells.forEach((cell, place) => {
    if (has(cell, 'cell_type') && cell.cell_type !== 'code') {
      return;
    }
    const id = text(cell.id);
    const name = CELL_ID.test(id) && ids.get(id) === 1 ? id : `#${place}`;
    const ofNotebook = has(whole, name) ? whole[name] : null;
    readings.push({ name, place, copy: copyOf(cell, ofNotebook) });
  });
  return readings;
}

function copyOf(cell: Json, ofNotebook: unknown): Copy | null {
  const here = digestOf(source(cell.source));
  const { stamps, ran } = stampsOfOutputs(cell);
  const own = namespace(cell);
  const prior = priorOf(own, ofNotebook);
  if (stamps.length) {
    const known = prior && isEqual(prior.stamps, stamps) ? prior.source : here;
    return copy(ran || known, stamps, null, here);
  }
  if (prior && (prior.source === here || !hasRun(cell))) {
    return copy(prior.source, prior.stamps, 'kept', here);
  }
  return null;
}

function priorOf(own: Json, ofNotebook: unknown): Copy | null {
  let prior: unknown = has(own, 'stamps') ? own : null;
  if (prior === null && ofNotebook !== null) {
    prior = mapping(ofNotebook);
  }
  return isCopy(prior) ? prior : null;
}

function copy(ran: string, stamps: readonly unknown[], state: 'kept' | null, here: string): Copy {
  const made: Copy = { v: COPY_FORMAT, source: ran, stamps };
  if (ran !== here) {
    return { ...made, state: 'outdated' };
  }
  return state ? { ...made, state } : made;
}

function isCopy(value: unknown): value is Copy {
  return (
    isMapping(value) &&
    value.v === COPY_FORMAT &&
    HEX.test(text(value.source)) &&
    Array.isArray(value.stamps) &&
    value.stamps.length > 0
  );
}

/** Whether what stands in the cell was run. */
function hasRun(cell: Json): boolean {
  return (cell.execution_count ?? null) !== null || items(cell.outputs).length > 0;
}

function stampsOfOutputs(cell: Json): { stamps: Stamp[]; ran: string } {
  const stamps: Stamp[] = [];
  let ran = '';
  for (const output of items(cell.outputs).map(mapping)) {
    const stamp = mapping(output.data)[STAMP_MIME];
    if (isStamp(stamp)) {
      stamps.push(stamp);
      const said = text(mapping(mapping(output.metadata)[VOLATILE_KEY]).source);
      ran = HEX.test(said) ? said : ran;
    }
  }
  return { stamps, ran };
}

function summaryOf(readings: Reading[], copies: [string, Copy][]): Json {
  const purposes = new Set<string>();
  const read: [string, Map<string, string>][] = [];
  for (const { name, copy } of readings) {
    const own = new Map<string, string>();
    for (const stamp of copy ? stampsOf(copy) : []) {
      stamp.receipts.forEach(receipt => purposes.add(receipt.purpose));
      Object.entries(stamp.pins).forEach(([asset, pin]) => own.set(asset, pin));
    }
    if (own.size) {
      read.push([name, own]);
    }
  }
  return {
    v: COPY_FORMAT,
    pins: pinsOf(read),
    purposes: [...purposes].sort(byCodePoint),
    cells: Object.fromEntries(copies)
  };
}

/** The notebook's pin is what most cells read, the later one if as many did. */
function pinsOf(read: [string, Map<string, string>][]): Json {
  const counts = new Map<string, Map<string, number>>();
  for (const [, own] of read) {
    for (const [asset, pin] of own) {
      const count = counts.get(asset) ?? new Map<string, number>();
      const before = count.get(pin) ?? 0;
      count.delete(pin); // a map keeps the order of insertion: the last one read comes last
      counts.set(asset, count.set(pin, before + 1));
    }
  }
  const assets = new Map<string, string>();
  for (const [asset, count] of counts) {
    const most = Math.max(...count.values());
    count.forEach((times, pin) => {
      if (times === most) {
        assets.set(asset, pin); // the last one stays
      }
    });
  }
  const others = read
    .map(([name, own]): [string, Json] => [
      name,
      Object.fromEntries([...own].filter(([asset, pin]) => assets.get(asset) !== pin))
    ])
    .filter(([, own]) => Object.keys(own).length > 0);
  return {
    v: COPY_FORMAT,
    assets: Object.fromEntries(assets),
    cells: Object.fromEntries(others),
    as_of: null
  };
}

function write(
  writes: Write[],
  place: number | null,
  holder: Json,
  ours: readonly string[],
  value: object | null
): void {
  const before = namespace(holder);
  if (Number.isInteger(before.v) && (before.v as number) > COPY_FORMAT) {
    return; // a newer version wrote it
  }
  const rest = Object.entries(before).filter(([key]) => !ours.includes(key));
  const after: Json = Object.fromEntries([...rest, ...Object.entries(value ?? {})]);
  const isEmpty = Object.keys(after).length === 0;
  const isThere = has(mapping(holder.metadata), NAMESPACE);
  if (isEqual(before, after) && !(isEmpty && isThere)) {
    return;
  }
  writes.push({ place, value: isEmpty ? null : after });
}

// Cells are folded at every change, and most of them have the text that they had.
const digests = new Map<string, string>();
const MOST_DIGESTS = 2000;

function digestOf(text: string): string {
  let digest = digests.get(text);
  if (digest === undefined) {
    if (digests.size >= MOST_DIGESTS) {
      digests.clear();
    }
    digest = sha256(text);
    digests.set(text, digest);
  }
  return digest;
}

function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) {
    return true;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, i) => isEqual(item, b[i]));
  }
  if (!isMapping(a) || !isMapping(b)) {
    return false;
  }
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every(key => has(b, key) && isEqual(a[key], b[key]))
  );
}

/** As Python sorts: by code point, where JavaScript sorts by halves of a surrogate pair. */
function byCodePoint(a: string, b: string): number {
  const [left, right] = [points(a), points(b)];
  const at = left.findIndex((point, i) => point !== right[i]);
  return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1);
}

function points(text: string): number[] {
  return Array.from(text, letter => letter.codePointAt(0) ?? 0);
}

function namespace(holder: Json): Json {
  return mapping(mapping(holder.metadata)[NAMESPACE]);
}

function source(value: unknown): string {
  return typeof value === 'string' ? value : items(value).map(text).join('');
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function mapping(value: unknown): Json {
  return isMapping(value) ? value : {};
}

function items(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
