/** Columns with type, unit, description and how I see them. */
import React from 'react';

import type { Column } from '../api/types';
import { useEnv } from '../env';
import { Icon } from '../icons';
import { Button } from '../parts';
import { counted, maskSaid } from '../words';

const AT_FIRST = 100;

export function ColumnTable(props: { columns: readonly Column[] }): JSX.Element {
  const { trans } = useEnv();
  const [all, setAll] = React.useState(false);
  const { columns } = props;
  if (!columns.length) {
    return <p className="jp-GovCatalog-why">{trans.__('There are no columns that you may see.')}</p>;
  }
  const shown = all ? columns : columns.slice(0, AT_FIRST);
  return (
    <>
      <ul className="jp-GovCatalog-columns">
        {shown.map(column => (
          <li key={column.name}>
            <div className="jp-GovCatalog-columnhead">
              <code>{column.name}</code>
              <span className="jp-GovCatalog-type">
                {column.type}
                {column.unit && ` · ${column.unit}`}
              </span>
            </div>
            {column.mask && (
              <p className="jp-GovCatalog-masked">
                <Icon name="access_masked" />
                <span>
                  {maskSaid(trans, column.mask)}
                  {column.policy && ` — ${trans.__('policy %1', column.policy)}`}
                </span>
              </p>
            )}
            {column.description && <p>{column.description}</p>}
            {column.tags.size > 0 && (
              <div className="jp-GovCatalog-chips">
                {[...column.tags].map(([key, value]) => (
                  <span key={key} className="jp-GovCatalog-tag">
                    {value ? `${key}: ${value}` : key}
                  </span>
                ))}
              </div>
            )}
          </li>
        ))}
      </ul>
      {shown.length < columns.length && (
        <Button label={trans.__('Show all %1', counted(columns.length))} onClick={() => setAll(true)} />
      )}
    </>
  );
}
