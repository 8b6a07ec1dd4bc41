/** Every action of the notebook parts as a command. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { NotebookActions } from '@jupyterlab/notebook';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import { ApiError } from '../api/client';
import type { StatusModel } from '../status/model';
import { askExport, askHold, askPurpose } from './dialogs';
import { notebookDataIcon } from './icons';
import { NotebookCommands } from './ids';
import { OpenNotebook } from './open';
import { changePurpose } from './purpose';
import type { ReadingModel } from './reading';

export interface IContext {
  readonly app: JupyterFrontEnd;
  readonly tracker: INotebookTracker;
  readonly model: ReadingModel;
  readonly status: StatusModel;
  readonly trans: TranslationBundle;
  /** Id of the panel in the shell. */
  readonly panel: string;
}

/** Add the commands; return those that belong into the palette. */
export function addCommands(context: IContext): string[] {
  addPanelCommands(context);
  addWorkCommands(context);
  addNotebookCommands(context);
  addPurposeCommands(context);
  const { model, status, app } = context;
  const changed = () => app.commands.notifyCommandChanged();
  model.changed.connect(changed);
  status.changed.connect(changed);
  return [
    NotebookCommands.show,
    NotebookCommands.rerunPinned,
    NotebookCommands.rerunCurrent,
    NotebookCommands.verify,
    NotebookCommands.hold,
    NotebookCommands.export,
    NotebookCommands.stop,
    NotebookCommands.addQuery,
    NotebookCommands.choosePurpose
  ];
}

/** Arguments of a command, as a JSON schema. */
function takes(properties: Record<string, string>): CommandRegistry.ICommandOptions['describedBy'] {
  return {
    args: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, description]) => [name, { type: 'string', description }])
      )
    }
  };
}

function addPanelCommands({ app, model, trans, panel }: IContext): void {
  app.commands.addCommand(NotebookCommands.show, {
    label: trans.__('Show the data of the notebook'),
    caption: trans.__('Which assets its cells read, at which snapshots, and what is newer'),
    icon: notebookDataIcon,
    describedBy: takes({}),
    execute: () => app.shell.activateById(panel)
  });
  app.commands.addCommand(NotebookCommands.refresh, {
    label: trans.__('Look again at the data of the notebook'),
    describedBy: takes({}),
    execute: () => model.refresh(true)
  });
  app.commands.addCommand(NotebookCommands.putAway, {
    label: trans.__('Put the last result away'),
    describedBy: takes({}),
    isEnabled: () => !!model.work && !model.isRunning,
    execute: () => model.putAway()
  });
}

function addWorkCommands({ app, tracker, model, status, trans, panel }: IContext): void {
  const { commands, shell } = app;
  const isReady = () =>
    status.link === 'ready' && !!model.notebook && !!model.pins?.cells.length && !model.isRunning;
  const add = (id: string, label: string, short: string, caption: string, run: () => Promise<void>) =>
    commands.addCommand(id, {
      label: args => (args.short ? short : label),
      caption,
      describedBy: takes({ short: 'Anything: the short label' }),
      isEnabled: isReady,
      execute: async () => {
        shell.activateById(panel); // whoever starts work sees how far it is
        await run();
      }
    });
  add(
    NotebookCommands.rerunPinned,
    trans.__('Rerun the notebook on the pinned data'),
    trans.__('Rerun pinned'),
    trans.__('Run a copy on the snapshots of its stamps, and compare every result'),
    () => model.start('rerun-stamped')
  );
  add(
    NotebookCommands.rerunCurrent,
    trans.__('Rerun the notebook on the newest data'),
    trans.__('Rerun newest'),
    trans.__('Run a copy on the newest snapshots, and say which results changed and why'),
    () => model.start('rerun-current')
  );
  add(
    NotebookCommands.verify,
    trans.__('Verify the notebook'),
    trans.__('Verify'),
    trans.__('Check signatures, run it again in a copy that is thrown away, and compare'),
    () => model.start('verify')
  );
  add(
    NotebookCommands.export,
    trans.__('Export what the notebook read and ran…'),
    trans.__('Export…'),
    trans.__('Write RO-Crate, OpenLineage or PROV beside the notebook'),
    async () => {
      const form = await askExport(trans);
      if (form) {
        await model.start('export', form);
      }
    }
  );
  add(
    NotebookCommands.hold,
    trans.__('Hold the snapshots of the notebook…'),
    trans.__('Hold…'),
    trans.__('Keep the snapshots of its stamps from expiring'),
    () => hold(model, trans)
  );
  commands.addCommand(NotebookCommands.stop, {
    label: trans.__('Stop the work on the notebook'),
    describedBy: takes({}),
    isEnabled: () => model.isRunning && model.work?.job?.state === 'running',
    execute: () => model.stop()
  });
  commands.addCommand(NotebookCommands.openResult, {
    label: trans.__('Open the last result'),
    describedBy: takes({}),
    isEnabled: () => !!model.work?.job?.result?.out,
    execute: async () => {
      const path = model.work?.job?.result?.out ?? '';
      const isFolder = model.work?.action === 'export' && path.endsWith('.ro-crate');
      const command = isFolder ? 'filebrowser:open-path' : 'docmanager:open';
      await commands.execute(command, { path });
    }
  });
  model.ended.connect((_, work) => {
    // A result that is open is shown as it is now.
    const out = work.job?.result?.out;
    tracker.forEach(open => {
      if (out && open.context.path === out && !open.context.model.dirty) {
        void open.context.revert();
      }
    });
  });
}

async function hold(model: ReadingModel, trans: TranslationBundle): Promise<void> {
  const name = model.notebook?.name.replace(/\.ipynb$/, '') ?? '';
  const asked = await askHold(trans, name);
  if (!asked) {
    return;
  }
  try {
    const { held, refused } = await model.hold(asked.until, asked.name);
    const said = trans._n('%1 snapshot is held', '%1 snapshots are held', held.length);
    if (!refused.length) {
      Notification.success(trans.__('%1 as `%2`.', said, asked.name), { autoClose: 5000 });
      return;
    }
    const why = refused.map(one => one.message || one.asset).join('; ');
    Notification.warning(trans.__('%1 as `%2`; not held: %3', said, asked.name, why));
  } catch (reason) {
    Notification.error(reasonSaid(reason));
  }
}

function reasonSaid(reason: unknown): string {
  if (reason instanceof ApiError) {
    return [reason.message, reason.hint].filter(Boolean).join(': ');
  }
  return reason instanceof Error ? reason.message : String(reason);
}

function addNotebookCommands({ app, tracker, trans }: IContext): void {
  app.commands.addCommand(NotebookCommands.goToCell, {
    label: trans.__('Go to a cell of the notebook'),
    describedBy: takes({ cell: 'Id of a cell, or `#` and its place from 0' }),
    isEnabled: () => tracker.currentWidget !== null,
    execute: async args => {
      const { currentWidget } = tracker;
      if (currentWidget && typeof args.cell === 'string') {
        app.shell.activateById(currentWidget.id);
        await new OpenNotebook(currentWidget).reveal(args.cell);
      }
    }
  });
  app.commands.addCommand(NotebookCommands.addQuery, {
    label: trans.__('Add a cell with a governed query'),
    caption: trans.__('A %1 cell below the active one', '%%govsql'),
    describedBy: takes({}),
    isEnabled: () => tracker.currentWidget !== null,
    execute: () => {
      const content = tracker.currentWidget?.content;
      if (content) {
        NotebookActions.insertBelow(content);
        content.activeCell?.model.sharedModel.setSource('%%govsql\nSELECT ');
        content.mode = 'edit';
        content.activate();
      }
    }
  });
}

function addPurposeCommands({ app, tracker, status, trans }: IContext): void {
  app.commands.addCommand(NotebookCommands.setPurpose, {
    label: args => (typeof args.purpose === 'string' ? args.purpose : trans.__('Set the purpose')),
    describedBy: takes({ purpose: 'Name of a declared purpose' }),
    isToggleable: true,
    isToggled: args => args.purpose === status.purpose,
    isEnabled: () => status.link === 'ready',
    execute: async args => {
      if (typeof args.purpose === 'string') {
        await changePurpose(args.purpose, status, tracker, trans);
      }
    }
  });
  app.commands.addCommand(NotebookCommands.choosePurpose, {
    label: trans.__('Change the purpose…'),
    caption: trans.__('What governed data is used for: of the catalog, and of the active notebook'),
    describedBy: takes({}),
    isEnabled: () => status.link === 'ready',
    execute: async () => {
      const purpose = await askPurpose(trans, status.status?.purposes ?? [], status.purpose);
      if (purpose !== null) {
        await changePurpose(purpose, status, tracker, trans);
      }
    }
  });
}
