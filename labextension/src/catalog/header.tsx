/** The head of the panel: principal, purpose, wall, tabs, and a word when the gateway is away. */
import React from 'react';

import { useEnv, useSignals } from '../env';
import { Icon } from '../icons';
import { Button } from '../parts';
import { Commands } from '../tokens';
import { counted, failureSaid } from '../words';
import type { PanelState, Tab } from './state';

export function Header(props: { state: PanelState }): JSX.Element {
  const { trans, status, run } = useEnv();
  useSignals(status.changed);
  const me = status.status;
  return (
    <div>
      <div className="jp-GovCatalog-who">
        <span className="jp-GovCatalog-name" title={me?.name}>
          {me?.principal ? me.name || me.principal : trans.__('Data catalog')}
        </span>
        {me?.wall && <Wall wall={me.wall} />}
        <Button
          bare
          icon="refresh"
          label={trans.__('Refresh')}
          onClick={() => run(Commands.refresh)}
        />
      </div>
      {me && me.purposes.length > 0 && (
        <label className="jp-GovCatalog-purpose">
          <span>{trans.__('Purpose')}</span>
          <select
            className="jp-GovCatalog-input"
            title={trans.__('What you see depends on what you want it for')}
            value={status.purpose}
            onChange={event => void status.choose(event.target.value)}
          >
            {!me.purposes.includes(status.purpose) && (
              <option value={status.purpose}>{status.purpose || trans.__('(none declared)')}</option>
            )}
            {me.purposes.map(purpose => (
              <option key={purpose} value={purpose}>
                {purpose}
              </option>
            ))}
          </select>
        </label>
      )}
      <Tabs state={props.state} />
      <Away />
    </div>
  );
}

function Wall(props: { wall: string }): JSX.Element {
  const { trans } = useEnv();
  const enforced = props.wall === 'enforced';
  return (
    <span
      className={`jp-GovCatalog-wall ${enforced ? 'jp-mod-enforced' : ''}`}
      title={
        enforced
          ? trans.__('The gateway runs as another user: what it refuses cannot be read.')
          : trans.__('The gateway runs as you: it shows the rules, but cannot hold them against you.')
      }
    >
      <Icon name={enforced ? 'access_none' : 'warning'} />
      {enforced ? trans.__('enforced') : trans.__('advisory')}
    </span>
  );
}

const TABS: readonly Tab[] = ['catalog', 'requests'];

function Tabs(props: { state: PanelState }): JSX.Element {
  const { state } = props;
  const { trans, requests } = useEnv();
  useSignals(state.changed, requests.changed);
  const list = React.useRef<HTMLDivElement>(null);
  const go = (tab: Tab) => {
    state.tab = tab;
    list.current?.querySelector<HTMLElement>(`#jp-GovCatalog-tab-${tab}`)?.focus();
  };
  return (
    <div
      className="jp-GovCatalog-tabs"
      role="tablist"
      aria-label={trans.__('Views')}
      ref={list}
      onKeyDown={event => {
        if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
          event.preventDefault();
          go(state.tab === 'catalog' ? 'requests' : 'catalog');
        }
      }}
    >
      {TABS.map(tab => (
        <button
          key={tab}
          id={`jp-GovCatalog-tab-${tab}`}
          type="button"
          role="tab"
          aria-selected={state.tab === tab}
          tabIndex={state.tab === tab ? 0 : -1}
          onClick={() => go(tab)}
        >
          {tab === 'catalog' ? trans.__('Catalog') : trans.__('Requests')}
          {tab === 'requests' && requests.toDecide > 0 && (
            <span
              className="jp-GovCatalog-badge"
              title={trans._n('%1 waits for you', '%1 wait for you', requests.toDecide)}
            >
              {counted(requests.toDecide)}
            </span>
          )}
        </button>
      ))}
    </div>
  );
}

/** One line while the gateway or Jupyter is away and older content is still shown. */
function Away(): JSX.Element | null {
  const { trans, status } = useEnv();
  const { link, error } = status;
  const isAway = link === 'unreachable' || link === 'offline';
  if (!isAway || !error || !status.status?.principal) {
    return null;
  }
  return (
    <div className="jp-GovCatalog-away" role="alert">
      <Icon name="warning" />
      <span>
        {failureSaid(trans, error).title}. {trans.__('What you see is from before.')}
      </span>
      <Button label={trans.__('Try again')} onClick={() => void status.refresh()} />
    </div>
  );
}
