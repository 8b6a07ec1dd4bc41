/** An open notebook as the model of the panel looks at it. */
import type { NotebookPanel } from '@jupyterlab/notebook';

import { NAMESPACE } from './fold';
import type { INotebook } from './reading';
import { viewOf } from './view';

const CELL_HEAD = /^\s*(?:%%\w+[^\n]*\n\s*)*%%govsql\b[^\n]*\n/;
const LINE_HEAD = /^[^\n]*?%govsql\s+/;

export class OpenNotebook implements INotebook {
  constructor(private readonly panel: NotebookPanel) {}

  get path(): string {
    return this.panel.context.path;
  }

  get name(): string {
    return this.path.split('/').pop() ?? '';
  }

  view(): unknown {
    return this.panel.model ? viewOf(this.panel.model) : { nbformat: 4, metadata: {}, cells: [] };
  }

  fingerprint(): string {
    const { model } = this.panel;
    const cells = model ? Array.from(model.cells, cell => cell.id) : [];
    return JSON.stringify([cells, (model?.getMetadata(NAMESPACE) as unknown) ?? null]);
  }

  preview(cellId: string): string {
    const place = this.place(cellId);
    const cell = place < 0 ? undefined : this.panel.model?.cells.get(place);
    const text = cell?.sharedModel.getSource() ?? '';
    const query = text.replace(CELL_HEAD, '').replace(LINE_HEAD, '');
    const lines = query.split('\n').map(line => line.trim());
    return (lines.find(line => line && !line.startsWith('--')) ?? text.trim()).slice(0, 200);
  }

  async save(): Promise<void> {
    if (this.panel.model?.dirty) {
      await this.panel.context.save();
    }
  }

  /** Select a cell, show it, and give it the focus. */
  async reveal(cellId: string): Promise<void> {
    const place = this.place(cellId);
    if (place < 0) {
      return;
    }
    const { content } = this.panel;
    content.deselectAll();
    content.activeCellIndex = place;
    content.mode = 'command';
    await content.scrollToItem(place, 'center');
    content.activate();
  }

  /** 0-based place of a cell that is named by its id, or by its place as `#3`; -1 if it is gone. */
  private place(cellId: string): number {
    const cells = this.panel.model ? Array.from(this.panel.model.cells) : [];
    const byPlace = /^#(\d+)$/.exec(cellId);
    if (byPlace) {
      const place = Number(byPlace[1]);
      return place < cells.length ? place : -1;
    }
    return cells.findIndex(cell => cell.id === cellId);
  }
}
