/** What one row of the tree shows. */
import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { useEnv } from '../env';
import { Icon, kindIcon } from '../icons';
import { accessSaid, counted, failureSaid, maskSaid } from '../words';
import type { Row } from './rows';

/** What typing looks for, in lower case. */
export function rowLabel(row: Row): string {
  switch (row.kind) {
    case 'namespace':
      return row.group.name.toLowerCase();
    case 'asset':
      return shortName(row.asset.name).toLowerCase();
    case 'column':
      return row.column.name.toLowerCase();
    case 'unloaded':
    case 'note':
      return '';
  }
}

/** Name for screen readers and tooltip: everything that the row says by icons, in words. */
export function rowTitle(trans: TranslationBundle, row: Row): string {
  switch (row.kind) {
    case 'namespace':
      return trans._n('%2: %1 asset', '%2: %1 assets', row.group.count, row.group.name);
    case 'asset': {
      const said = accessSaid(trans, row.asset.access, row.asset.pending_request);
      return lines(
        `${row.asset.name} (${row.asset.kind})`,
        said.sentence,
        row.asset.pending_request && row.asset.access !== 'none'
          ? trans.__('You asked for more; nobody has decided yet.')
          : '',
        row.asset.description,
        row.asset.matched.length ? trans.__('Found in columns: %1', row.asset.matched.join(', ')) : ''
      );
    }
    case 'column': {
      const { name, type, unit, description, mask } = row.column;
      return lines(
        unit ? `${name}: ${type} [${unit}]` : `${name}: ${type}`,
        mask ? maskSaid(trans, mask) : '',
        description
      );
    }
    case 'unloaded':
      return trans.__('Loading…');
    case 'note':
      return noteSaid(trans, row.note);
  }
}

export function RowContent(props: { row: Row; toggle: () => void }): JSX.Element {
  const { row } = props;
  const { trans } = useEnv();
  switch (row.kind) {
    case 'namespace':
      return (
        <>
          <Expander open={row.group.open} toggle={null} />
          <Icon name="namespace" />
          <span className="jp-GovCatalog-name">{row.group.name}</span>
          <span className="jp-GovCatalog-count">{counted(row.group.count)}</span>
        </>
      );
    case 'asset': {
      const said = accessSaid(trans, row.asset.access, row.asset.pending_request);
      return (
        <>
          <Expander open={row.open} toggle={props.toggle} />
          <Icon name={kindIcon(row.asset.kind)} />
          <span className="jp-GovCatalog-name">
            {shortName(row.asset.name)}
            {row.asset.matched.length > 0 && (
              <span className="jp-GovCatalog-matched">{row.asset.matched.join(', ')}</span>
            )}
          </span>
          <span className="jp-GovCatalog-access">
            {row.asset.pending_request && row.asset.access !== 'none' && <Icon name="pending" />}
            <Icon name={said.icon} />
            {said.word}
          </span>
        </>
      );
    }
    case 'column':
      return (
        <>
          <span className="jp-GovCatalog-name">{row.column.name}</span>
          {row.column.mask && (
            <span className="jp-GovCatalog-access">
              <Icon name="access_masked" />
              {row.column.mask}
            </span>
          )}
          <span className="jp-GovCatalog-type">
            {row.column.type}
            {row.column.unit && ` · ${row.column.unit}`}
          </span>
        </>
      );
    case 'unloaded':
      return <span className="jp-GovCatalog-blank" />;
    case 'note':
      return <span className="jp-GovCatalog-note">{noteSaid(trans, row.note)}</span>;
  }
}

function Expander(props: { open: boolean; toggle: (() => void) | null }): JSX.Element {
  const { toggle } = props;
  return (
    <span
      className={`jp-GovCatalog-expander ${props.open ? 'jp-mod-open' : ''}`}
      onClick={
        toggle
          ? event => {
              event.stopPropagation();
              toggle();
            }
          : undefined
      }
    >
      <Icon name="chevron" />
    </span>
  );
}

function noteSaid(trans: TranslationBundle, note: Extract<Row, { kind: 'note' }>['note']): string {
  if (note === 'loading') {
    return trans.__('Loading…');
  }
  return note === 'empty' ? trans.__('no columns') : failureSaid(trans, note).title;
}

function shortName(asset: string): string {
  return asset.slice(asset.indexOf('.') + 1);
}

function lines(...parts: readonly string[]): string {
  return parts.filter(Boolean).join('\n');
}
