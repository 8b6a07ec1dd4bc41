/** Assets that the notebook read: at which snapshot, what is newer, and how long it lives. */
import React from 'react';

import type { PinnedAsset, Pins } from '../api/notebook';
import { Commands } from '../tokens';
import { NotebookCommands } from './ids';
import type { IParts } from './parts';
import { lifeSaid, minute, newerSaid } from './words';
import type { ISaid } from './words';

export function Assets(parts: IParts & { pins: Pins }): JSX.Element {
  const { pins, trans } = parts;
  return (
    <section className="jp-govdata-nb-section" aria-labelledby="jp-govdata-nb-assets">
      <h3 id="jp-govdata-nb-assets">{trans.__('Data')}</h3>
      <ul className="jp-govdata-nb-list">
        {pins.assets.map(asset => (
          <Asset key={`${asset.asset} ${asset.snapshot_id}`} {...parts} asset={asset} />
        ))}
      </ul>
    </section>
  );
}

function Asset({ asset, pins, commands, trans }: IParts & { pins: Pins; asset: PinnedAsset }): JSX.Element {
  const newer = newerSaid(asset, trans);
  const hasCard = commands.hasCommand(Commands.openAsset);
  return (
    <li className="jp-govdata-nb-asset">
      <div className="jp-govdata-nb-row">
        {hasCard ? (
          <button
            type="button"
            className="jp-govdata-nb-link jp-govdata-nb-asset-name"
            title={trans.__('Show %1 in the data catalog', asset.asset)}
            onClick={() => void commands.execute(Commands.openAsset, { asset: asset.asset })}
          >
            {asset.asset}
          </button>
        ) : (
          <strong className="jp-govdata-nb-asset-name">{asset.asset}</strong>
        )}
        {newer && <Said said={newer} />}
      </div>
      <div className="jp-govdata-nb-fine">
        {asset.snapshot_id === '0' ? (
          trans.__('without data')
        ) : (
          <span className="jp-govdata-nb-code">{asset.snapshot_id}</span>
        )}
      </div>
      {asset.committed_at && (
        <div className="jp-govdata-nb-fine">{trans.__('of %1', minute(asset.committed_at))}</div>
      )}
      <div className="jp-govdata-nb-fine">
        <Said said={lifeSaid(asset, trans)} />
      </div>
      <CellLinks cells={asset.cells} pins={pins} commands={commands} trans={trans} />
    </li>
  );
}

function CellLinks({
  cells,
  pins,
  commands,
  trans
}: Pick<IParts, 'commands' | 'trans'> & { cells: readonly string[]; pins: Pins }): JSX.Element | null {
  const known = cells
    .map(id => pins.cells.find(cell => cell.cell_id === id))
    .filter(cell => cell !== undefined);
  if (!known.length) {
    return null;
  }
  return (
    <div className="jp-govdata-nb-fine">
      <span>{trans._n('read by cell', 'read by cells', known.length)} </span>
      {known.map(cell => (
        <button
          key={cell.cell_id}
          type="button"
          className="jp-govdata-nb-cell-link"
          aria-label={trans.__('Go to cell %1', String(cell.index + 1))}
          onClick={() => void commands.execute(NotebookCommands.goToCell, { cell: cell.cell_id })}
        >
          {cell.index + 1}
        </button>
      ))}
    </div>
  );
}

const SIGNS = { good: '✓', warn: '▲', bad: '✕', plain: '' } as const;

/** Words with the sign of how it stands; colour only repeats it. */
export function Said({ said }: { said: ISaid }): JSX.Element {
  const sign = SIGNS[said.mood];
  return (
    <span className={`jp-govdata-nb-said jp-mod-${said.mood}`}>
      {sign && <span aria-hidden="true">{sign} </span>}
      {said.text}
    </span>
  );
}
