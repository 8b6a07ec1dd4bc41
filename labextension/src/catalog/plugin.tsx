/** The catalog in JupyterLab. Everything it needs but the shell is optional, as in Notebook 7. */
import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import type { ReactWidget } from '@jupyterlab/ui-components';
import React from 'react';

import { addCommands } from '../acting/commands';
import type { Views } from '../acting/commands';
import { Inserter } from '../acting/notebook';
import type { Client } from '../api/client';
import { AssetCard } from '../card/card';
import type { Env } from '../env';
import { catalogIcon } from '../icons';
import { RequestsModel } from '../requests/model';
import type { StatusModel } from '../status/model';
import { Commands, IGovdataClient, IGovdataStatus } from '../tokens';
import { CatalogModel } from './model';
import { CatalogPanel, view } from './panel';

export const catalogPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-govdata:catalog',
  description: 'Shows what data exists, what one may see of it, and how to get the rest.',
  autoStart: true,
  requires: [IGovdataClient, IGovdataStatus],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, INotebookTracker, IRenderMimeRegistry],
  activate: (
    app: JupyterFrontEnd,
    client: Client,
    status: StatusModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null,
    rendermime: IRenderMimeRegistry | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_govdata');
    const requests = new RequestsModel(client, status);
    const env: Env = {
      trans,
      client,
      status,
      requests,
      rendermime,
      run: (command, args) => void app.commands.execute(command, args)
    };
    const panel = new CatalogPanel(env, new CatalogModel(client, status));
    app.shell.add(panel, 'left', { rank: 600, type: 'Data Catalog' });
    restorer?.add(panel, panel.id);
    const cards = openCards(app, env, restorer);
    const views: Views = {
      openCatalog: () => {
        panel.state.tab = 'catalog';
        app.shell.activateById(panel.id);
      },
      openRequests: () => {
        panel.state.tab = 'requests';
        app.shell.activateById(panel.id);
      },
      openAsset: cards,
      refresh: () => {
        void status.refresh();
        void requests.refresh();
        panel.model.reload();
      }
    };
    addCommands(app, env, views, new Inserter(notebooks), palette);
    tellDecisions(env);
    listAnewWhatIsAsked(requests, panel.model);
  }
};

/** The catalog marks what I have asked for: read it anew when that has changed. */
function listAnewWhatIsAsked(requests: RequestsModel, model: CatalogModel): void {
  let before: string | null = null;
  requests.changed.connect(() => {
    const now = requests.open().map(request => request.id).join(' ');
    if (before !== null && now !== before) {
      model.reload();
    }
    before = now;
  });
}

/** Cards in tabs of the main area, one an asset, restored with the layout. */
function openCards(
  app: JupyterFrontEnd,
  env: Env,
  restorer: ILayoutRestorer | null
): (asset: string) => void {
  const tracker = new WidgetTracker<MainAreaWidget<ReactWidget>>({ namespace: 'govdata-card' });
  void restorer?.restore(tracker, {
    command: Commands.openAsset,
    args: widget => ({ asset: widget.id.slice(PREFIX.length) }),
    name: widget => widget.id
  });
  return asset => {
    const id = PREFIX + asset;
    let widget = tracker.find(one => one.id === id);
    if (!widget) {
      const content = view(env, 'jp-GovCatalog-wide', <AssetCard name={asset} wide />);
      widget = new MainAreaWidget({ content });
      widget.id = id;
      widget.title.label = asset;
      widget.title.icon = catalogIcon;
      widget.title.closable = true;
      void tracker.add(widget);
    }
    if (!widget.isAttached) {
      app.shell.add(widget, 'main', { type: 'Data Asset' });
    }
    app.shell.activateById(id);
  };
}

const PREFIX = 'jp-GovCatalog-card:';

/** Tell a requester, wherever he is, what became of his request. */
function tellDecisions(env: Env): void {
  const { trans, requests, run } = env;
  requests.decided.connect((_, request) => {
    const actions = [
      {
        label: trans.__('Open card'),
        callback: () => run(Commands.openAsset, { asset: request.asset })
      }
    ];
    if (request.state === 'approved') {
      Notification.success(trans.__('You have access to %1 for %2.', request.asset, request.purpose), {
        actions,
        autoClose: 8000
      });
    } else {
      Notification.warning(
        trans.__('Access to %1 was refused: %2', request.asset, request.decision_reason),
        { actions, autoClose: 12000 }
      );
    }
  });
}
