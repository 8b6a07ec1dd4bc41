/** What is chosen in the panel. */
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

export type Tab = 'catalog' | 'requests';

export class PanelState {
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get tab(): Tab {
    return this._tab;
  }

  set tab(tab: Tab) {
    this._tab = tab;
    this._changed.emit();
  }

  /** The asset whose card is open. */
  get asset(): string | null {
    return this._asset;
  }

  set asset(asset: string | null) {
    this._asset = asset;
    this._changed.emit();
  }

  dispose(): void {
    Signal.clearData(this);
  }

  private readonly _changed = new Signal<this, void>(this);
  private _tab: Tab = 'catalog';
  private _asset: string | null = null;
}
