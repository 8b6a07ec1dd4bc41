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
  const message = said(kernel, purpose, trans);
  if (kernel.outcome === 'failed') {
    Notification.error(message, { autoClose: SHOWN });
  } else {
    Notification.info(message, { autoClose: SHOWN });
  }
}

/** JupyterLab cuts a notification at 140 letters: what matters comes first. */
function said(kernel: KernelPurpose, purpose: string, trans: TranslationBundle): string {
  switch (kernel.outcome) {
    case 'no kernel':
      return trans.__('Purpose `%1`: in the catalog.', purpose);
    case 'changed':
      return trans.__(
        'Purpose `%1`: in the catalog and in %2, which ran `%govdata purpose %3`.',
        purpose,
        kernel.notebook,
        word(purpose)
      );
    case 'busy':
      return trans.__(
        'Purpose `%1`: in the catalog. %2 is busy: run `%govdata purpose %3` there.',
        purpose,
        kernel.notebook,
        word(purpose)
      );
    case 'not loaded':
      return trans.__(
        'Purpose `%1`: in the catalog. %2 has not loaded jupyter_govdata and was left alone.',
        purpose,
        kernel.notebook
      );
    case 'failed':
      return trans.__('%1 refused the purpose `%2`: %3', kernel.notebook, purpose, kernel.message);
  }
}
