/** The catalog: a panel in the left area. Everything it needs of JupyterLab but the shell is optional. */
import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { StatusModel } from '../status/model';
import { Commands, IGovdataStatus } from '../tokens';
import { CatalogPanel } from './panel';

export const catalogPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-govdata:catalog',
  description: 'Shows what data exists, what one may see of it, and how to get the rest.',
  autoStart: true,
  requires: [IGovdataStatus],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    status: StatusModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyter_govdata');
    const panel = new CatalogPanel(status, trans);
    app.shell.add(panel, 'left', { rank: 600, type: 'Data catalog' });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(Commands.open, {
      label: trans.__('Show the data catalog'),
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: Commands.open, category: trans.__('Governed data') });
  }
};
