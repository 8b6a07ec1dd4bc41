/** Puts texts into the active notebook. */
import { NotebookActions } from '@jupyterlab/notebook';
import type { INotebookTracker, Notebook, NotebookPanel } from '@jupyterlab/notebook';

import { LOAD, firstQuery, loadsMagic, pinned, withPin } from './text';

/** What could not be done, in one word that the caller translates. */
export type Outcome = 'done' | 'no-notebook';

export class Inserter {
  constructor(private readonly tracker: INotebookTracker | null) {}

  /** Whether there is a notebook to put something into. */
  get ready(): boolean {
    return Boolean(this.tracker?.currentWidget);
  }

  /** A cell with a first query, below the active one; before it what it needs, if it is not there. */
  query(asset: string, purpose: string, own: string): Outcome {
    const panel = this.panel();
    if (!panel) {
      return 'no-notebook';
    }
    const notebook = panel.content;
    const sources = notebook.widgets.map(cell => cell.model.sharedModel.getSource());
    if (!loadsMagic(sources)) {
      fill(notebook, LOAD);
    }
    fill(notebook, firstQuery(asset, purpose, own));
    this.show(panel);
    return 'done';
  }

  /** A text at the cursor of the active cell. */
  text(text: string): Outcome {
    const panel = this.panel();
    const cell = panel?.content.activeCell;
    if (!panel || !cell) {
      return 'no-notebook';
    }
    if (cell.model.type !== 'code' && cell.model.sharedModel.getSource()) {
      NotebookActions.insertBelow(panel.content);
    }
    const { activeCell } = panel.content;
    const editor = activeCell?.editor;
    if (editor?.replaceSelection) {
      editor.replaceSelection(text);
    } else {
      activeCell?.model.sharedModel.setSource(activeCell.model.sharedModel.getSource() + text);
    }
    this.show(panel);
    return 'done';
  }

  /** Fix an asset to a version where the active cell names it, else name the version at the cursor. */
  pin(asset: string, snapshot: string): Outcome {
    const panel = this.panel();
    const model = panel?.content.activeCell?.model;
    if (!panel || !model) {
      return 'no-notebook';
    }
    const next = withPin(model.sharedModel.getSource(), asset, snapshot);
    if (next === null) {
      return this.text(pinned(asset, snapshot));
    }
    model.sharedModel.setSource(next);
    this.show(panel);
    return 'done';
  }

  private panel(): NotebookPanel | null {
    return this.tracker?.currentWidget ?? null;
  }

  private show(panel: NotebookPanel): void {
    panel.content.mode = 'edit';
    panel.content.activate();
  }
}

/** Fill the active cell if it is an empty code cell, else a new one below. */
function fill(notebook: Notebook, source: string): void {
  const active = notebook.activeCell?.model;
  if (!active || active.type !== 'code' || active.sharedModel.getSource().trim()) {
    NotebookActions.insertBelow(notebook);
  }
  notebook.activeCell?.model.sharedModel.setSource(source);
}
