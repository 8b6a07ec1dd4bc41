/** Changing the purpose: for the catalog at once, and in the active notebook's kernel if it can. */
import { Notification } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { StatusModel } from '../status/model';
import { changeKernelPurpose, word } from './kernel';
import type { KernelPurpose } from './kernel';

const SHOWN = 6000;

/** Choose a purpose and say where it holds now. */
export async function changePurpose(
  purpose: string,
  status: StatusModel,
  tracker: INotebookTracker | null,
  trans: TranslationBundle
): Promise<void> {
  await status.choose(purpose);
  const kernel: KernelPurpose = tracker
    ? await changeKernelPurpose(tracker, purpose)
    : { outcome: 'no kernel' };
  const said = kernelSaid(kernel, purpose, trans);
  const message = trans.__('The catalog shows what you may see for `%1`. %2', purpose, said).trim();
  if (kernel.outcome === 'failed') {
    Notification.error(message, { autoClose: SHOWN });
  } else {
    Notification.info(message, { autoClose: SHOWN });
  }
}

function kernelSaid(kernel: KernelPurpose, purpose: string, trans: TranslationBundle): string {
  const magic = `%govdata purpose ${word(purpose)}`;
  switch (kernel.outcome) {
    case 'no kernel':
      return '';
    case 'changed':
      return trans.__('So do the next queries of %1: its kernel ran `%2`.', kernel.notebook, magic);
    case 'busy':
      return trans.__(
        'The kernel of %1 is busy and keeps its purpose: run `%2` there.',
        kernel.notebook,
        magic
      );
    case 'not loaded':
      return trans.__(
        'The kernel of %1 has not loaded jupyter_govdata and was left alone.',
        kernel.notebook
      );
    case 'failed':
      return trans.__('The kernel of %1 refused: %2', kernel.notebook, kernel.message);
  }
}
