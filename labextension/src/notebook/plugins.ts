/** The plug-ins about notebooks. What is not there (no status bar in Notebook 7) is done without. */
import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { Client } from '../api/client';
import { NotebookClient } from '../api/notebook';
import type { StatusModel } from '../status/model';
import { Commands, IGovdataClient, IGovdataStatus } from '../tokens';
import { addCommands } from './commands';
import { Foldings } from './folding';
import { OpenNotebook } from './open';
import { NotebookDataPanel } from './panel';
import { ReadingModel } from './reading';
import { stampRendererFactory } from './renderer';
import { colourSql } from './sql';
import { GovdataStatusItem } from './statusbar';

const DOMAIN = 'jupyter_govdata';

const stampsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-govdata:stamps',
  description: 'Shows stamps as one line that unfolds.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, registry: IRenderMimeRegistry, translator: ITranslator | null) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const openAsset = (asset: string) => {
      if (app.commands.hasCommand(Commands.openAsset)) {
        void app.commands.execute(Commands.openAsset, { asset });
      }
    };
    registry.addFactory(stampRendererFactory(trans, openAsset));
  }
};

const sqlPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-govdata:sql',
  description: 'Colours the SQL of governed queries.',
  autoStart: true,
  optional: [IEditorLanguageRegistry],
  activate: async (_app: JupyterFrontEnd, languages: IEditorLanguageRegistry | null) => {
    if (languages) {
      await colourSql(languages);
    }
  }
};

const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-govdata:notebook',
  description: 'Shows what the active notebook read, reruns and verifies it, and folds its stamps.',
  autoStart: true,
  requires: [IGovdataClient, IGovdataStatus, INotebookTracker],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    client: Client,
    status: StatusModel,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const model = new ReadingModel(new NotebookClient(client), status);
    follow(tracker, model);
    const panel = new NotebookDataPanel({ model, status, commands: app.commands, trans });
    const ids = addCommands({ app, tracker, model, status, trans, panel: panel.id });
    app.shell.add(panel, 'right', { rank: 600, type: 'Data of the notebook' });
    restorer?.add(panel, panel.id);
    ids.forEach(command => palette?.addItem({ command, category: trans.__('Governed data') }));
  }
};

/** Show the model the active notebook, and tell it when that has changed. */
function follow(tracker: INotebookTracker, model: ReadingModel): void {
  const foldings = new Foldings(tracker);
  const show = (panel: NotebookPanel | null) => model.show(panel && new OpenNotebook(panel));
  tracker.currentChanged.connect((_, panel) => {
    show(panel);
    void panel?.context.ready.then(() => model.refresh());
  });
  tracker.widgetAdded.connect((_, panel) => {
    panel.context.pathChanged.connect(() => {
      if (panel === tracker.currentWidget) {
        show(panel);
      }
    });
  });
  foldings.settled.connect((_, panel) => {
    if (panel === tracker.currentWidget) {
      model.refresh();
    }
  });
  show(tracker.currentWidget);
}

const statusBarPlugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyter-govdata:status-bar',
  description: 'Shows principal, purpose and wall in the status bar.',
  autoStart: true,
  requires: [IGovdataStatus],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    status: StatusModel,
    bar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const item = new GovdataStatusItem(status, app.commands, trans);
    bar?.registerStatusItem('jupyter-govdata:status', { item, align: 'left', rank: 900 });
  }
};

export const notebookPlugins = [stampsPlugin, sqlPlugin, notebookPlugin, statusBarPlugin];
