/** Every action as a command, with a label; menus, buttons and the palette run these. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Notification } from '@jupyterlab/apputils';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { ApiError, part } from '../api/client';
import { citation } from '../api/types';
import type { Env } from '../env';
import { requestAccess } from '../requests/dialog';
import { Commands } from '../tokens';
import { failureSaid } from '../words';
import type { Inserter, Outcome } from './notebook';
import { isName } from './text';

/** What the commands open; the plug-in has it. */
export interface Views {
  openCatalog(): void;
  openRequests(): void;
  openAsset(asset: string): void;
  refresh(): void;
}

const ASSET = {
  args: {
    type: 'object',
    properties: { asset: { type: 'string', description: 'namespace.name' } }
  }
} as const;

const PALETTE = [Commands.open, Commands.openRequests, Commands.refresh];

export function addCommands(
  app: JupyterFrontEnd,
  env: Env,
  views: Views,
  inserter: Inserter,
  palette: ICommandPalette | null
): void {
  const { commands } = app;
  const { trans, status } = env;
  /** The asset of the arguments, or of the row below the context menu; only canonical names. */
  const assetOf = (args: ReadonlyPartialJSONObject): string | null => {
    const row = app.contextMenuHitTest(node => Boolean(node.dataset.govdataAsset));
    const asset = typeof args.asset === 'string' ? args.asset : row?.dataset.govdataAsset;
    return asset && isName(asset) ? asset : null;
  };
  const add = (id: string, label: string, act: (asset: string, args: ReadonlyPartialJSONObject) => unknown) =>
    commands.addCommand(id, {
      label,
      describedBy: ASSET,
      execute: args => {
        const asset = assetOf(args);
        return asset === null ? undefined : act(asset, args);
      }
    });
  const tell = (outcome: Outcome) => {
    if (outcome === 'no-notebook') {
      Notification.warning(trans.__('Open a notebook first; it goes into the active cell.'), {
        autoClose: 4000
      });
    }
  };

  commands.addCommand(Commands.open, {
    label: trans.__('Show the Data Catalog'),
    execute: () => views.openCatalog()
  });
  commands.addCommand(Commands.openRequests, {
    label: trans.__('Show Access Requests'),
    execute: () => views.openRequests()
  });
  commands.addCommand(Commands.refresh, {
    label: trans.__('Refresh the Data Catalog'),
    execute: () => views.refresh()
  });
  add(Commands.openAsset, trans.__('Open Asset Card in a Tab'), asset => views.openAsset(asset));
  add(Commands.insertQuery, trans.__('Insert Query'), asset =>
    tell(inserter.query(asset, status.purpose, status.status?.purpose ?? ''))
  );
  add(Commands.insertName, trans.__('Insert Asset Name'), asset => tell(inserter.text(asset)));
  add(Commands.pinVersion, trans.__('Pin Version in the Active Cell'), (asset, args) => {
    if (typeof args.snapshot === 'string') {
      tell(inserter.pin(asset, args.snapshot));
    }
  });
  add(Commands.copyCitation, trans.__('Copy Citation'), asset => copyCitation(env, asset));
  add(Commands.requestAccess, trans.__('Request Access…'), async asset => {
    if (await requestAccess(env, asset)) {
      Notification.success(trans.__('Your request for %1 is with its steward.', asset), {
        autoClose: 4000
      });
    }
  });
  PALETTE.forEach(command => palette?.addItem({ command, category: trans.__('Governed Data') }));
}

async function copyCitation(env: Env, asset: string): Promise<void> {
  const { client, status, trans } = env;
  try {
    const { text, bibtex } = await client.get(`assets/${part(asset)}/citation`, citation, {
      purpose: status.purpose
    });
    Clipboard.copyToSystem(bibtex ? `${text}\n\n${bibtex}\n` : text);
    Notification.success(trans.__('The citation is in the clipboard.'), { autoClose: 3000 });
  } catch (reason) {
    status.report(reason);
    const said = reason instanceof ApiError ? failureSaid(trans, reason).text : '';
    Notification.error(trans.__('The citation could not be copied. %1', said), { autoClose: 6000 });
  }
}
