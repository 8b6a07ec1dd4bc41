/** Plug-ins that give the client and the status; every other part asks for them by token. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import { IStateDB } from '@jupyterlab/statedb';

import { Client } from '../api/client';
import { jupyterFetch } from '../api/server';
import { IGovdataClient, IGovdataStatus } from '../tokens';
import { StatusModel } from './model';
import { purposeStore } from './store';

export const clientPlugin: JupyterFrontEndPlugin<Client> = {
  id: 'jupyter-govdata:client',
  description: 'Gives the client of the jupyter_govdata server extension.',
  autoStart: true,
  provides: IGovdataClient,
  activate: (app: JupyterFrontEnd) => new Client(jupyterFetch(app.serviceManager.serverSettings))
};

export const statusPlugin: JupyterFrontEndPlugin<StatusModel> = {
  id: 'jupyter-govdata:status',
  description: 'Gives principal, purpose, wall and state of the gateway.',
  autoStart: true,
  provides: IGovdataStatus,
  requires: [IGovdataClient],
  optional: [IStateDB],
  activate: (app: JupyterFrontEnd, client: Client, state: IStateDB | null) => {
    const workspace = `${PageConfig.getBaseUrl()}:${PageConfig.getOption('workspace')}`;
    const reset = new URLSearchParams(window.location.search).has('reset');
    const store = purposeStore(state, tabStorage(), workspace, reset);
    const model = new StatusModel(client, store);
    void app.restored.then(() => model.start());
    return model;
  }
};

/** The tab's storage; null where the browser forbids it. */
function tabStorage(): Storage | null {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
