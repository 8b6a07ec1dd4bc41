/** Versions as a timeline; two of them compared. */
import React from 'react';

import { ApiError } from '../api/client';
import type { Version } from '../api/types';
import { useEnv } from '../env';
import { Icon } from '../icons';
import { Button, Failed, Loading, Notice } from '../parts';
import { Commands } from '../tokens';
import { changeSaid, counted, moment } from '../words';
import { here } from './model';
import type { CardModel, Compared } from './model';

export function VersionsView(props: { model: CardModel; readable: boolean }): JSX.Element {
  const { model } = props;
  const { trans } = useEnv();
  const [marked, setMarked] = React.useState<string | null>(null);
  if (model.versions instanceof ApiError) {
    return <Failed error={model.versions} again={() => void model.loadVersions()} />;
  }
  const list = here(model.versions);
  if (!list) {
    return <Loading />;
  }
  if (!list.versions.length) {
    return <Notice title={trans.__('No versions')} text={trans.__('Nothing was loaded yet.')} />;
  }
  const choose = (id: string) => {
    if (marked === null) {
      setMarked(id);
      return;
    }
    setMarked(null);
    if (marked !== id) {
      const places = [marked, id].map(one => list.versions.findIndex(v => v.snapshot_id === one));
      const [from, to] = (places[0] ?? 0) > (places[1] ?? 0) ? [marked, id] : [id, marked];
      void model.compare(from, to);
    }
  };
  return (
    <>
      {model.compared && <Comparison compared={model.compared} model={model} list={list.versions} />}
      {marked && <p role="status">{trans.__('Choose the version to compare with.')}</p>}
      <ol className="jp-GovCatalog-timeline">
        {list.versions.map((version, i) => (
          <li key={version.snapshot_id}>
            <VersionEntry version={version} newest={i === 0} />
            <div className="jp-GovCatalog-actions">
              {props.readable && <Pin asset={model.name} version={version} />}
              {list.versions.length > 1 && (
                <Button
                  label={
                    marked === version.snapshot_id
                      ? trans.__('Chosen')
                      : marked
                        ? trans.__('With this')
                        : trans.__('Compare')
                  }
                  pressed={marked === version.snapshot_id}
                  onClick={() => choose(version.snapshot_id)}
                />
              )}
            </div>
          </li>
        ))}
      </ol>
      {list.versions.length < list.total && (
        <Button
          label={trans.__('Show older ones (%1)', counted(list.total - list.versions.length))}
          onClick={() => void model.moreVersions()}
        />
      )}
    </>
  );
}

function Pin(props: { asset: string; version: Version }): JSX.Element {
  const { trans, run } = useEnv();
  return (
    <Button
      icon="pin"
      label={trans.__('Pin')}
      title={trans.__('Fix the asset to this version in the active cell')}
      onClick={() =>
        run(Commands.pinVersion, { asset: props.asset, snapshot: props.version.snapshot_id })
      }
    />
  );
}

function VersionEntry(props: { version: Version; newest: boolean }): JSX.Element {
  const { version } = props;
  const { trans } = useEnv();
  return (
    <>
      <p className="jp-GovCatalog-versionhead">
        <strong>{moment(version.committed_at)}</strong>
        {props.newest && <span className="jp-GovCatalog-tag">{trans.__('newest')}</span>}
        {version.tags.map(tag => (
          <span key={tag} className="jp-GovCatalog-tag">
            {tag}
          </span>
        ))}
      </p>
      <Rows added={version.added_rows} removed={version.removed_rows} total={version.total_rows} />
      {version.schema.map(change => (
        <p key={change.column + change.change}>{changeSaid(trans, change)}</p>
      ))}
      <p className="jp-GovCatalog-why">
        <code>{version.snapshot_id}</code>
      </p>
    </>
  );
}

function Rows(props: { added: number | null; removed: number | null; total?: number | null }): JSX.Element | null {
  const { trans } = useEnv();
  const { added, removed, total } = props;
  const parts = [
    added ? trans._n('%2 row added', '%2 rows added', added, counted(added)) : '',
    removed ? trans._n('%2 row removed', '%2 rows removed', removed, counted(removed)) : '',
    total !== null && total !== undefined ? trans._n('%2 in all', '%2 in all', total, counted(total)) : ''
  ].filter(Boolean);
  return parts.length ? <p>{parts.join(' · ')}</p> : null;
}

function Comparison(props: {
  compared: Compared;
  model: CardModel;
  list: readonly Version[];
}): JSX.Element {
  const { from, to, found } = props.compared;
  const { trans } = useEnv();
  const told = here(found);
  const name = (id: string) => {
    const version = props.list.find(v => v.snapshot_id === id);
    return version ? moment(version.committed_at) : id;
  };
  return (
    <section className="jp-GovCatalog-comparison" aria-label={trans.__('Comparison')}>
      <p className="jp-GovCatalog-versionhead">
        <strong>{trans.__('From %1 to %2', name(from), name(to))}</strong>
        <Button bare icon="close" label={trans.__('Close the comparison')} onClick={() => props.model.endComparison()} />
      </p>
      {found instanceof ApiError && <Failed error={found} />}
      {found === 'loading' && <Loading />}
      {told && (
        <>
          {told.added_rows === null || told.removed_rows === null ? (
            <p>{trans.__('How many rows changed is not told: you see some of the rows only.')}</p>
          ) : told.added_rows || told.removed_rows ? (
            <Rows added={told.added_rows} removed={told.removed_rows} />
          ) : (
            <p>{trans.__('No row was added or removed.')}</p>
          )}
          {told.schema.length ? (
            <ul>
              {told.schema.map(change => (
                <li key={change.column + change.change}>
                  <Icon name={change.change === 'removed' ? 'warning' : 'chevron'} />
                  {changeSaid(trans, change)}
                </li>
              ))}
            </ul>
          ) : (
            <p>{trans.__('The columns are the same.')}</p>
          )}
        </>
      )}
    </section>
  );
}
