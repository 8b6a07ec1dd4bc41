/** Plug-ins that give the client and the status; every other part asks for them by token. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IStateDB } from '@jupyterlab/statedb';

import { Client } from '../api/client';
import { jupyterFetch } from '../api/server';
import { IGovdataClient, IGovdataStatus } from '../tokens';
import { StatusModel } from './model';
import type { IPurposeStore } from './model';

const KEY = 'jupyter-govdata:purpose';

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
    const model = new StatusModel(client, state && purposeStore(state));
    void app.restored.then(() => model.start());
    return model;
  }
};

function purposeStore(state: IStateDB): IPurposeStore {
  return {
    load: async () => {
      const saved = await state.fetch(KEY);
      return typeof saved === 'string' ? saved : null;
    },
    save: purpose => state.save(KEY, purpose)
  };
}
