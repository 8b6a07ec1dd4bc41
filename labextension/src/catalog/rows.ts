/**
 * The rows of the tree, by number, without making them all: 100,000 assets cost what is on screen.
 *
 * A group is one namespace: a head, its assets (known or not yet), and below an open asset its
 * columns.
 */
import type { ApiError } from '../api/client';
import type { Column, Summary } from '../api/types';

/** Columns of an open asset: not here yet, or why they are not, or they. */
export type Columns = readonly Column[] | 'loading' | ApiError;

export interface Group {
  readonly name: string;
  readonly count: number;
  readonly open: boolean;
  /** Assets by their place in the namespace; places that are not there are not loaded yet. */
  readonly assets: ReadonlyMap<number, Summary>;
  /** Open assets: place and columns, by rising place. */
  readonly opened: readonly { readonly place: number; readonly columns: Columns }[];
}

interface Place {
  /** Identity of the row over reloads. */
  readonly key: string;
  readonly level: 1 | 2 | 3;
  /** Number among its siblings from 1, and how many they are. */
  readonly position: number;
  readonly siblings: number;
}

export type Row = Place &
  (
    | { readonly kind: 'namespace'; readonly group: Group }
    | { readonly kind: 'asset'; readonly asset: Summary; readonly open: boolean }
    | { readonly kind: 'unloaded'; readonly group: Group; readonly place: number }
    | { readonly kind: 'column'; readonly asset: Summary; readonly column: Column }
    | { readonly kind: 'note'; readonly asset: Summary; readonly note: 'loading' | 'empty' | ApiError }
  );

function below(columns: Columns): number {
  return Array.isArray(columns) ? Math.max(1, columns.length) : 1;
}

function height(group: Group): number {
  return group.open
    ? 1 + group.count + group.opened.reduce((sum, asset) => sum + below(asset.columns), 0)
    : 1;
}

/** How many rows there are. */
export function rowCount(groups: readonly Group[]): number {
  return groups.reduce((sum, group) => sum + height(group), 0);
}

/** The row of a number from 0, or null behind the end. */
export function rowAt(groups: readonly Group[], index: number): Row | null {
  let rest = index;
  for (const [i, group] of groups.entries()) {
    const rows = height(group);
    if (rest < rows) {
      return rest === 0
        ? {
            kind: 'namespace',
            key: `n:${group.name}`,
            level: 1,
            position: i + 1,
            siblings: groups.length,
            group
          }
        : inside(group, rest - 1);
    }
    rest -= rows;
  }
  return null;
}

function inside(group: Group, rest: number): Row {
  let place = rest;
  for (const open of group.opened) {
    if (place <= open.place) {
      break;
    }
    const rows = below(open.columns);
    const asset = group.assets.get(open.place);
    if (asset && place <= open.place + rows) {
      return columnRow(asset, open.columns, place - open.place - 1);
    }
    place -= rows;
  }
  const asset = group.assets.get(place);
  const common = { level: 2, position: place + 1, siblings: group.count } as const;
  return asset
    ? {
        kind: 'asset',
        key: `a:${asset.name}`,
        ...common,
        asset,
        open: group.opened.some(o => o.place === place)
      }
    : { kind: 'unloaded', key: `u:${group.name}:${place}`, ...common, group, place };
}

function columnRow(asset: Summary, columns: Columns, index: number): Row {
  const column = Array.isArray(columns) ? (columns as readonly Column[])[index] : undefined;
  if (column) {
    return {
      kind: 'column',
      key: `c:${asset.name}:${column.name}`,
      level: 3,
      position: index + 1,
      siblings: below(columns),
      asset,
      column
    };
  }
  const note = Array.isArray(columns) ? 'empty' : (columns as 'loading' | ApiError);
  return { kind: 'note', key: `x:${asset.name}`, level: 3, position: 1, siblings: 1, asset, note };
}

/** The number of the row with a key, or -1; unloaded rows have none that lasts. */
export function indexOf(groups: readonly Group[], key: string): number {
  let first = 0;
  for (const group of groups) {
    if (key === `n:${group.name}`) {
      return first;
    }
    if (group.open) {
      const found = indexInside(group, key);
      if (found >= 0) {
        return first + 1 + found;
      }
    }
    first += height(group);
  }
  return -1;
}

function indexInside(group: Group, key: string): number {
  for (const [place, asset] of group.assets) {
    if (key === `a:${asset.name}`) {
      return start(group, place);
    }
    if (key === `x:${asset.name}` || key.startsWith(`c:${asset.name}:`)) {
      const columns = group.opened.find(open => open.place === place)?.columns;
      const at = Array.isArray(columns)
        ? (columns as readonly Column[]).findIndex(c => key === `c:${asset.name}:${c.name}`)
        : 0;
      return columns && at >= 0 ? start(group, place) + 1 + at : -1;
    }
  }
  const unloaded = `u:${group.name}:`;
  return key.startsWith(unloaded) ? start(group, Number(key.slice(unloaded.length))) : -1;
}

/** The row of an asset below the head of its namespace: its place, and columns opened before it. */
function start(group: Group, place: number): number {
  return group.opened
    .filter(open => open.place < place)
    .reduce((sum, open) => sum + below(open.columns), place);
}
