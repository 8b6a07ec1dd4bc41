/**
 * What the catalog shows: a filter, what the server found, and what is open.
 *
 * Pages are loaded when they come into sight. An answer to a question that is no longer asked is
 * called off, and typing never waits.
 */
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, part } from '../api/client';
import type { Client } from '../api/client';
import { card, catalog } from '../api/types';
import type { Catalog, Summary } from '../api/types';
import type { StatusModel } from '../status/model';
import { rowAt, rowCount } from './rows';
import type { Columns, Group, Row } from './rows';

export const PAGE = 100;
/** Assets of the first answer, which come in the order of the tree: what is in sight at once. */
export const FIRST = 50;
/** Up to so many assets, all namespaces are open from the start. */
const FEW = 200;
const AT_ONCE = 2;
/** Milliseconds after which a question that failed is asked again. */
const ASK_AGAIN = 5000;

export interface Filter {
  readonly text: string;
  readonly modality: readonly string[];
  readonly tag: readonly string[];
  readonly owner: readonly string[];
  readonly readable: boolean;
}

export const NO_FILTER: Filter = { text: '', modality: [], tag: [], owner: [], readable: false };

export class CatalogModel {
  constructor(
    private readonly client: Client,
    private readonly status: StatusModel
  ) {
    status.viewChanged.connect(this.reload, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get filter(): Filter {
    return this._filter;
  }

  /** Whether anything is filtered out. */
  get filtered(): boolean {
    const { text, modality, tag, owner, readable } = this._filter;
    return Boolean(text || modality.length || tag.length || owner.length || readable);
  }

  /** The first page of the newest answer, or null before the first. */
  get found(): Catalog | null {
    return this._found;
  }

  /** Why there is no answer to what is asked now. */
  get error(): ApiError | null {
    return this._error;
  }

  /** Whether a newer answer is on its way. */
  get busy(): boolean {
    return this._asking;
  }

  get groups(): readonly Group[] {
    this._groups ??= this.makeGroups();
    return this._groups;
  }

  get rowCount(): number {
    return rowCount(this.groups);
  }

  rowAt(index: number): Row | null {
    return rowAt(this.groups, index);
  }

  /** Ask for something else. */
  setFilter(change: Partial<Filter>): void {
    this._filter = { ...this._filter, ...change };
    this._closed.clear();
    this.emit();
    this.reload();
  }

  /** Ask again: what one may see may have changed. */
  reload(): void {
    this._outdated = true;
    this._under.abort();
    clearTimeout(this._again);
    if (!this._asking) {
      void this.ask();
    }
  }

  /** Open or close a namespace or an asset. */
  toggle(row: Row): void {
    if (row.kind === 'namespace') {
      const { name, open } = row.group;
      (this.filtered ? this._closed : this._choice).set(name, !open);
    } else if (row.kind === 'asset') {
      const { name } = row.asset;
      if (this._columns.has(name)) {
        this._columns.delete(name);
      } else {
        this._columns.set(name, 'loading');
        void this.loadColumns(name);
      }
    } else {
      return;
    }
    this.emit();
  }

  /** Load what is missing between two rows, the second exclusive. */
  need(from: number, to: number): void {
    const wanted = new Map<string, { namespace: string; page: number }>();
    for (let i = from; i < to; i++) {
      const row = this.rowAt(i);
      if (row?.kind === 'unloaded') {
        const page = Math.floor(row.place / PAGE);
        wanted.set(`${row.group.name}:${page}`, { namespace: row.group.name, page });
      }
    }
    this._wanted = [...wanted.values()];
    this.pump();
  }

  /** What is known of an asset from the listing. */
  known(name: string): Summary | null {
    for (const assets of this._assets.values()) {
      for (const asset of assets.values()) {
        if (asset.name === name) {
          return asset;
        }
      }
    }
    return null;
  }

  dispose(): void {
    this._disposed = true;
    this._under.abort();
    clearTimeout(this._again);
    this.status.viewChanged.disconnect(this.reload, this);
    Signal.clearData(this);
  }

  private async ask(): Promise<void> {
    this._asking = true;
    this.emit();
    while (this._outdated && !this._disposed) {
      this._outdated = false;
      this._under = new AbortController();
      const { signal } = this._under;
      try {
        const first = { ...this.question(0), grouped: 'true', limit: FIRST };
        const found = await this.client.get('catalog', catalog, first, { signal });
        if (!signal.aborted) {
          this.take(found);
        }
      } catch (reason) {
        if (!signal.aborted) {
          this.status.report(reason);
          this._error =
            reason instanceof ApiError
              ? reason
              : new ApiError('failed', 'failed', 'the catalog could not be read');
        }
      }
    }
    this._asking = false;
    if (this._error?.failure === 'failed' && !this._disposed) {
      this._again = setTimeout(() => this.reload(), ASK_AGAIN);
    }
    this.emit();
  }

  private take(found: Catalog): void {
    this._pages.clear();
    this._error = null;
    this._found = found;
    this._assets = new Map(found.namespaces.map(n => [n.name, new Map<number, Summary>()]));
    for (const asset of found.assets) {
      const assets = this._assets.get(namespaceOf(asset.name));
      assets?.set(assets.size, asset);
    }
    for (const name of this._columns.keys()) {
      void this.loadColumns(name);
    }
    this.emit();
  }

  private question(offset: number, namespace = ''): Record<string, string | number | readonly string[]> {
    const { text, modality, tag, owner, readable } = this._filter;
    return {
      text: text.trim(),
      namespace,
      modality,
      tag,
      owner,
      readable: readable ? 'true' : '',
      purpose: this.status.purpose,
      offset,
      limit: PAGE
    };
  }

  private pump(): void {
    while (this._loading < AT_ONCE) {
      const next = this._wanted.find(w => !this._pages.has(`${w.namespace}:${w.page}`));
      if (!next || this._asking) {
        return;
      }
      this._pages.add(`${next.namespace}:${next.page}`);
      void this.loadPage(next.namespace, next.page);
    }
  }

  private async loadPage(namespace: string, page: number): Promise<void> {
    const { signal } = this._under;
    this._loading++;
    try {
      const question = this.question(page * PAGE, namespace);
      const found = await this.client.get('catalog', catalog, question, { signal });
      if (!signal.aborted) {
        const assets = this._assets.get(namespace);
        found.assets.forEach((asset, i) => assets?.set(page * PAGE + i, asset));
        this.emit();
      }
    } catch (reason) {
      if (!signal.aborted) {
        // Asked for again when it comes into sight again.
        this._pages.delete(`${namespace}:${page}`);
        this._wanted = [];
        this.status.report(reason);
      }
    } finally {
      this._loading--;
      this.pump();
    }
  }

  private async loadColumns(name: string): Promise<void> {
    const { purpose } = this.status;
    let columns: Columns;
    try {
      columns = (await this.client.get(`assets/${part(name)}`, card, { purpose })).columns;
    } catch (reason) {
      this.status.report(reason);
      columns =
        reason instanceof ApiError
          ? reason
          : new ApiError('failed', 'failed', 'the columns could not be read');
    }
    if (this._columns.has(name) && purpose === this.status.purpose) {
      this._columns.set(name, columns);
      this.emit();
    }
  }

  private makeGroups(): readonly Group[] {
    const found = this._found;
    if (!found) {
      return [];
    }
    const few = this.filtered || found.total <= FEW || found.namespaces.length === 1;
    return found.namespaces.map(({ name, count }) => {
      const assets = this._assets.get(name) ?? new Map<number, Summary>();
      const chosen = (this.filtered ? this._closed : this._choice).get(name);
      return { name, count, assets, open: chosen ?? few, opened: this.openedIn(assets) };
    });
  }

  private openedIn(assets: ReadonlyMap<number, Summary>): Group['opened'] {
    const opened: { place: number; columns: Columns }[] = [];
    if (this._columns.size) {
      for (const [place, asset] of assets) {
        const columns = this._columns.get(asset.name);
        if (columns) {
          opened.push({ place, columns });
        }
      }
    }
    return opened.sort((a, b) => a.place - b.place);
  }

  private emit(): void {
    this._groups = null;
    if (!this._disposed) {
      this._changed.emit();
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private _filter = NO_FILTER;
  private _found: Catalog | null = null;
  private _error: ApiError | null = null;
  private _assets = new Map<string, Map<number, Summary>>();
  private _groups: readonly Group[] | null = null;
  private readonly _columns = new Map<string, Columns>();
  /** Namespaces that were opened or closed by hand, without and with a filter. */
  private readonly _choice = new Map<string, boolean>();
  private readonly _closed = new Map<string, boolean>();
  private readonly _pages = new Set<string>();
  private _wanted: { namespace: string; page: number }[] = [];
  private _again: ReturnType<typeof setTimeout> | undefined;
  private _loading = 0;
  /** Calls off the newest question, and the pages of its answer. */
  private _under = new AbortController();
  private _outdated = false;
  private _asking = false;
  private _disposed = false;
}

/** The namespace of an asset name. */
export function namespaceOf(asset: string): string {
  return asset.slice(0, asset.indexOf('.'));
}
