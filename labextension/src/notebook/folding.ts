/** Keeps the metadata of open notebooks folded, so that what is saved and shown is current. */
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { INotebookModel, INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { foldStamps, NAMESPACE } from './fold';
import { viewOf } from './view';

/** Milliseconds after the last change: stamps come with other outputs, text with other letters. */
const SETTLES = 300;

/** Folds one open notebook whenever its outputs or texts change, and before it is saved. */
class Folding implements IDisposable {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly told: (panel: NotebookPanel) => void
  ) {
    panel.disposed.connect(() => this.dispose(), this);
    void panel.context.ready.then(() => this.listen());
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (!this._disposed) {
      this._disposed = true;
      clearTimeout(this.timer);
      Signal.clearData(this);
    }
  }

  private listen(): void {
    if (this._disposed) {
      return;
    }
    this.panel.model?.contentChanged.connect(this.onChanged, this);
    this.panel.context.saveState.connect(this.onSave, this);
  }

  private readonly onChanged = (): void => {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const model = this.panel.model;
      // What was only opened or reverted is not changed; it is folded when it is saved.
      if (model?.dirty) {
        fold(model);
      }
      this.told(this.panel);
    }, SETTLES);
  };

  private readonly onSave = (_context: unknown, state: DocumentRegistry.SaveState): void => {
    if (state === 'started' && this.panel.model) {
      fold(this.panel.model);
    }
  };

  private timer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
}

/** Folds every notebook that is open. */
export class Foldings implements IDisposable {
  constructor(tracker: INotebookTracker) {
    tracker.forEach(panel => this.add(panel));
    tracker.widgetAdded.connect((_, panel) => this.add(panel), this);
  }

  /** Emitted with a notebook when its stamps, or texts they belong to, may have changed. */
  get settled(): ISignal<this, NotebookPanel> {
    return this._settled;
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  dispose(): void {
    if (!this._disposed) {
      this._disposed = true;
      this.open.forEach(folding => folding.dispose());
      Signal.clearData(this);
    }
  }

  private add(panel: NotebookPanel): void {
    const folding = new Folding(panel, changed => this._settled.emit(changed));
    this.open.add(folding);
    panel.disposed.connect(() => this.open.delete(folding), this);
  }

  private readonly open = new Set<Folding>();
  private readonly _settled = new Signal<this, NotebookPanel>(this);
  private _disposed = false;
}

/** Write what folding changes, and nothing else: a notebook does not turn dirty for nothing. */
export function fold(model: INotebookModel): void {
  for (const { place, value } of foldStamps(viewOf(model))) {
    const holder = place === null ? model : model.cells.get(place);
    if (value === null) {
      holder.deleteMetadata(NAMESPACE);
    } else {
      holder.setMetadata(NAMESPACE, value);
    }
  }
}
