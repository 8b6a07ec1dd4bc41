/** The first rows, as the gateway lets me see them. */
import React from 'react';

import { ApiError } from '../api/client';
import { useEnv } from '../env';
import { Icon } from '../icons';
import { Failed, Loading, Notice } from '../parts';
import { maskSaid } from '../words';
import { here } from './model';
import type { CardModel } from './model';

export function PreviewView(props: { model: CardModel }): JSX.Element {
  const { model } = props;
  const { trans } = useEnv();
  if (model.preview instanceof ApiError) {
    return <Failed error={model.preview} again={() => void model.loadPreview()} />;
  }
  const preview = here(model.preview);
  if (!preview) {
    return <Loading />;
  }
  if (!preview.rows.length) {
    return (
      <Notice
        title={trans.__('No rows')}
        text={trans.__('The row filter leaves nothing under this purpose, or the asset is empty.')}
      />
    );
  }
  return (
    <div
      className="jp-GovCatalog-rows"
      tabIndex={0}
      role="group"
      aria-label={trans.__('First rows of %1', model.name)}
    >
      <table>
        <thead>
          <tr>
            {preview.columns.map(column => (
              <th
                key={column.name}
                scope="col"
                title={column.mask ? maskSaid(trans, column.mask) : column.type}
              >
                {column.mask && <Icon name="access_masked" />}
                {column.name}
                {column.mask && <span className="jp-GovCatalog-hidden"> ({maskSaid(trans, column.mask)})</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {preview.rows.map((row, i) => (
            <tr key={i}>
              {row.map((cell, j) => (
                <td key={j} title={cell ?? undefined} className={cell === null ? 'jp-mod-null' : undefined}>
                  {cell ?? trans.__('empty')}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
