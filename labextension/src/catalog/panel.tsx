/** The panel in the left area: who asks, the catalog or the requests, and the card of one asset. */
import { ReactWidget } from '@jupyterlab/ui-components';
import { Panel, SplitPanel } from '@lumino/widgets';
import React from 'react';

import { AssetCard } from '../card/card';
import { EnvProvider, useSignals } from '../env';
import type { Env } from '../env';
import { catalogIcon } from '../icons';
import { RequestsView } from '../requests/view';
import { Browser } from './browser';
import { Header } from './header';
import type { CatalogModel } from './model';
import { PanelState } from './state';

export class CatalogPanel extends Panel {
  constructor(
    env: Env,
    readonly model: CatalogModel
  ) {
    super();
    const { trans } = env;
    this.id = 'jp-govdata-catalog';
    this.addClass('jp-GovCatalog-panel');
    this.title.icon = catalogIcon;
    this.title.caption = trans.__('Data Catalog');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Data catalog'));
    const { state } = this;
    this.addWidget(view(env, 'jp-GovCatalog-header', <Header state={state} />));
    this.lower = view(env, 'jp-GovCatalog-lower', <Lower state={state} />);
    this.split.addClass('jp-GovCatalog-split');
    this.split.addWidget(view(env, 'jp-GovCatalog-upper', <Upper state={state} model={model} />));
    this.split.addWidget(this.lower);
    this.addWidget(this.split);
    state.changed.connect(this.arrange, this);
    this.arrange();
  }

  readonly state = new PanelState();

  override dispose(): void {
    if (!this.isDisposed) {
      this.state.dispose();
      this.model.dispose();
      super.dispose();
    }
  }

  private arrange(): void {
    const shown = this.state.tab === 'catalog' && this.state.asset !== null;
    if (shown && this.lower.isHidden) {
      this.lower.show();
      this.split.setRelativeSizes([4, 6]);
    } else if (!shown) {
      this.lower.hide();
    }
  }

  private readonly split = new SplitPanel({ orientation: 'vertical', spacing: 1 });
  private readonly lower: ReactWidget;
}

/** A widget of a component with the environment around it. */
export function view(env: Env, className: string, content: JSX.Element): ReactWidget {
  const widget = ReactWidget.create(<EnvProvider value={env}>{content}</EnvProvider>);
  widget.addClass(className);
  return widget;
}

function Upper(props: { state: PanelState; model: CatalogModel }): JSX.Element {
  const { state, model } = props;
  useSignals(state.changed);
  const id = state.tab === 'catalog' ? 'jp-GovCatalog-tab-catalog' : 'jp-GovCatalog-tab-requests';
  return (
    <div className="jp-GovCatalog-tabpanel" role="tabpanel" aria-labelledby={id}>
      {state.tab === 'catalog' ? (
        <Browser model={model} selected={state.asset} onSelect={asset => (state.asset = asset)} />
      ) : (
        <RequestsView />
      )}
    </div>
  );
}

function Lower(props: { state: PanelState }): JSX.Element | null {
  const { state } = props;
  useSignals(state.changed);
  return state.asset && state.tab === 'catalog' ? (
    <AssetCard name={state.asset} wide={false} close={() => (state.asset = null)} />
  ) : null;
}
