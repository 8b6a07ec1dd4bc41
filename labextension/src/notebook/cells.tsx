/** Cells that have stamps: what they read, and what their stamps are worth. */
import React from 'react';

import type { PinnedCell, Pins } from '../api/notebook';
import { Said } from './assets';
import { NotebookCommands } from './ids';
import type { IParts } from './parts';
import { causesSaid, verdictSaid } from './words';
import type { ISaid } from './words';

export function Cells(parts: IParts & { pins: Pins }): JSX.Element {
  const { pins, trans } = parts;
  return (
    <section className="jp-govdata-nb-section" aria-labelledby="jp-govdata-nb-cells">
      <h3 id="jp-govdata-nb-cells">{trans.__('Cells')}</h3>
      <ul className="jp-govdata-nb-list">
        {pins.cells.map(cell => (
          <Cell key={cell.cell_id} {...parts} cell={cell} />
        ))}
      </ul>
    </section>
  );
}

function Cell({ cell, pins, model, commands, trans }: IParts & { pins: Pins; cell: PinnedCell }): JSX.Element {
  const names = [...new Set(cell.assets.map(asset => asset.asset))];
  const judged = model.verdictOf(cell.cell_id);
  const checked = pins.verification?.cells.find(one => one.cell_id === cell.cell_id);
  const state = stateSaid(cell.status, trans);
  const why = judged ? causesSaid(judged, trans) : (checked?.why ?? '');
  const verdict = judged?.verdict ?? checked?.status ?? '';
  return (
    <li>
      <button
        type="button"
        className="jp-govdata-nb-cell"
        onClick={() => void commands.execute(NotebookCommands.goToCell, { cell: cell.cell_id })}
      >
        <span className="jp-govdata-nb-row">
          <span className="jp-govdata-nb-cell-place">{trans.__('Cell %1', String(cell.index + 1))}</span>
          {verdict && <Said said={verdictSaid(verdict, trans)} />}
        </span>
        <code className="jp-govdata-nb-preview">{model.notebook?.preview(cell.cell_id)}</code>
        {names.length > 0 && <span className="jp-govdata-nb-fine">{names.join(', ')}</span>}
        {state && (
          <span className="jp-govdata-nb-fine">
            <Said said={state} />
          </span>
        )}
        {why && <span className="jp-govdata-nb-why">{why}</span>}
      </button>
    </li>
  );
}

function stateSaid(status: string, trans: IParts['trans']): ISaid | null {
  switch (status) {
    case 'kept':
      return { text: trans.__('output cleared; its stamp is remembered'), mood: 'plain' };
    case 'outdated':
      return { text: trans.__('the code has changed since it ran'), mood: 'warn' };
    case 'failed':
      return { text: trans.__('the query failed'), mood: 'bad' };
    case 'interrupted':
      return { text: trans.__('the query was interrupted'), mood: 'warn' };
    case 'partial':
      return { text: trans.__('its result was not read to its end'), mood: 'warn' };
    default:
      return null;
  }
}
