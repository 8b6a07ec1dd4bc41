/** Open notebooks as the JSON that folding and the server look at: outputs without what they show. */
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import { isCodeCellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';

import { NAMESPACE } from './fold';
import { STAMP_MIME, VOLATILE_KEY } from './stamp';

type Json = Record<string, unknown>;

const DISPLAYED = ['display_data', 'execute_result', 'update_display_data'];

/** Return a notebook with its stamps and without the rest of its outputs, which may be large. */
export function viewOf(model: INotebookModel): Json {
  return {
    nbformat: model.nbformat,
    nbformat_minor: model.nbformatMinor,
    metadata: ours(model.getMetadata(NAMESPACE)),
    cells: Array.from(model.cells, viewOfCell)
  };
}

function viewOfCell(cell: ICellModel): Json {
  const view: Json = {
    id: cell.id,
    cell_type: cell.type,
    source: cell.sharedModel.getSource(),
    metadata: ours(cell.getMetadata(NAMESPACE))
  };
  return isCodeCellModel(cell)
    ? { ...view, execution_count: cell.executionCount, outputs: outputsOf(cell) }
    : view;
}

function outputsOf(cell: ICodeCellModel): Json[] {
  const outputs: Json[] = [];
  for (let i = 0; i < cell.outputs.length; i++) {
    const output = cell.outputs.get(i);
    const data = DISPLAYED.includes(output.type) ? (output.data as Json) : {};
    const found = Object.entries(data).filter(([mime]) => mime === STAMP_MIME);
    outputs.push({
      output_type: output.type,
      data: Object.fromEntries(found),
      metadata: found.length ? { [VOLATILE_KEY]: (output.metadata as Json)[VOLATILE_KEY] } : {}
    });
  }
  return outputs;
}

function ours(value: unknown): Json {
  return value === undefined || value === null ? {} : { [NAMESPACE]: value };
}
