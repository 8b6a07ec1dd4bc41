/** One asset as one sees it: the card at once, its other parts when they are looked at. */
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, part } from '../api/client';
import type { Client, Query } from '../api/client';
import type { Guard } from '../api/guards';
import { card, comparison, files, lineage, preview, versions } from '../api/types';
import type { Card, Comparison, Files, Lineage, Preview, Version } from '../api/types';
import type { StatusModel } from '../status/model';
import { Pictures } from './pictures';

/** Something that is asked for: not yet, under way, failed, or here. */
export type Part<T> = null | 'loading' | ApiError | { readonly value: T };

export interface VersionList {
  readonly total: number;
  readonly versions: readonly Version[];
}

export interface Compared {
  readonly from: string;
  readonly to: string;
  readonly found: Part<Comparison>;
}

const VERSIONS = 50;
const FILES = 24;

/** What a part holds, if it is here. */
export function here<T>(given: Part<T>): T | null {
  return given && given !== 'loading' && !(given instanceof ApiError) ? given.value : null;
}

export class CardModel {
  constructor(
    readonly name: string,
    private readonly client: Client,
    private readonly status: StatusModel
  ) {
    this.pictures = this.newPictures();
    status.viewChanged.connect(this.reload, this);
    void this.loadCard();
  }

  /** Pictures of files, as they may be seen now: another view has others. */
  pictures: Pictures;

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get card(): Part<Card> {
    return this._card;
  }

  get versions(): Part<VersionList> {
    return this._versions;
  }

  get preview(): Part<Preview> {
    return this._preview;
  }

  get files(): Part<Files> {
    return this._files;
  }

  get lineage(): Part<Lineage> {
    return this._lineage;
  }

  get compared(): Compared | null {
    return this._compared;
  }

  /** Ask again for everything that was asked for: what one may see may have changed. */
  reload(): void {
    this._generation++;
    const { _versions, _preview, _files, _lineage, _compared } = this;
    this.pictures = this.newPictures();
    void this.loadCard();
    if (_versions) {
      void this.loadVersions();
    }
    if (_preview) {
      void this.loadPreview();
    }
    if (_files) {
      void this.loadFiles();
    }
    if (_lineage) {
      void this.loadLineage();
    }
    if (_compared) {
      void this.compare(_compared.from, _compared.to);
    }
  }

  async loadCard(): Promise<void> {
    await this.load('', card, {}, found => (this._card = found), here(this._card));
  }

  async loadVersions(): Promise<void> {
    await this.load('/versions', versions, { limit: VERSIONS }, found => (this._versions = found));
  }

  async loadPreview(): Promise<void> {
    await this.load('/preview', preview, { limit: 20 }, found => (this._preview = found));
  }

  async loadFiles(): Promise<void> {
    await this.load('/files', files, { limit: FILES }, found => (this._files = found));
  }

  /** Load the files that follow those that are here. */
  async moreFiles(): Promise<void> {
    const now = here(this._files);
    if (!now) {
      return;
    }
    const query = { limit: FILES, offset: now.files.length };
    await this.load(
      '/files',
      files,
      query,
      found => {
        const more = here(found);
        this._files = more ? { value: { ...more, files: [...now.files, ...more.files] } } : found;
      },
      now
    );
  }

  async loadLineage(): Promise<void> {
    await this.load('/lineage', lineage, { depth: 3 }, found => (this._lineage = found));
  }

  /** Load the versions that follow those that are here. */
  async moreVersions(): Promise<void> {
    const now = here(this._versions);
    if (!now) {
      return;
    }
    const query = { limit: VERSIONS, offset: now.versions.length };
    await this.load(
      '/versions',
      versions,
      query,
      found => {
        const more = here(found);
        this._versions = more
          ? { value: { total: more.total, versions: [...now.versions, ...more.versions] } }
          : found;
      },
      now
    );
  }

  /** Compare two versions, the older first. */
  async compare(from: string, to: string): Promise<void> {
    await this.load('/compare', comparison, { from, to }, found => {
      this._compared = { from, to, found };
    });
  }

  endComparison(): void {
    this._compared = null;
    this._changed.emit();
  }

  dispose(): void {
    this._disposed = true;
    this.status.viewChanged.disconnect(this.reload, this);
    Signal.clearData(this);
  }

  /** Ask for a part; what is `kept` stays to be seen until the answer is here. */
  private async load<T>(
    path: string,
    guard: Guard<T>,
    query: Query,
    set: (found: Part<T>) => void,
    kept: unknown = null
  ): Promise<void> {
    const generation = this._generation;
    if (!kept) {
      set('loading');
      this._changed.emit();
    }
    let found: Part<T>;
    try {
      const asked = { ...query, purpose: this.status.purpose };
      // Rows and files are governed now; they are not to be found in a browser's cache later.
      const fresh = path === '/preview' || path === '/files';
      found = {
        value: await this.client.get(`assets/${part(this.name)}${path}`, guard, asked, { fresh })
      };
    } catch (reason) {
      this.status.report(reason);
      found =
        reason instanceof ApiError ? reason : new ApiError('failed', 'failed', 'it could not be read');
    }
    if (generation === this._generation && !this._disposed) {
      set(found);
      this._changed.emit();
    }
  }

  private newPictures(): Pictures {
    const { purpose } = this.status;
    const place = `assets/${part(this.name)}/files`;
    return new Pictures(key => this.client.picture(`${place}/${part(key)}/thumbnail`, { purpose }));
  }

  private readonly _changed = new Signal<this, void>(this);
  private _card: Part<Card> = null;
  private _versions: Part<VersionList> = null;
  private _preview: Part<Preview> = null;
  private _files: Part<Files> = null;
  private _lineage: Part<Lineage> = null;
  private _compared: Compared | null = null;
  private _generation = 0;
  private _disposed = false;
}
