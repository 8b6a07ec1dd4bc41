/** The purpose in a notebook's kernel: changed by the magic that a user would type, never behind. */
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

/** What became of the attempt to change the purpose in the active notebook's kernel. */
export type KernelPurpose =
  | { readonly outcome: 'changed' | 'busy' | 'not loaded'; readonly notebook: string }
  | { readonly outcome: 'failed'; readonly notebook: string; readonly message: string }
  | { readonly outcome: 'no kernel' };

const LOADED = "'GovDataMagics' in get_ipython().magics_manager.registry";

/** Milliseconds that an idle kernel may take to say whether it has our magics. */
const ANSWERS = 3000;

/** Run `%govdata purpose P` in the active notebook's kernel if it is idle and has our magics. */
export async function changeKernelPurpose(
  tracker: INotebookTracker,
  purpose: string
): Promise<KernelPurpose> {
  const panel = tracker.currentWidget;
  const kernel = panel?.sessionContext.session?.kernel;
  if (!panel || !kernel || kernel.connectionStatus !== 'connected') {
    return { outcome: 'no kernel' };
  }
  const notebook = panel.context.localPath.split('/').pop() ?? '';
  if (kernel.status !== 'idle') {
    return { outcome: 'busy', notebook };
  }
  if (!(await hasMagics(kernel))) {
    return { outcome: 'not loaded', notebook };
  }
  const line = JSON.stringify(`purpose ${word(purpose)}`);
  const message = await failure(kernel, `get_ipython().run_line_magic("govdata", ${line})`);
  return message === null
    ? { outcome: 'changed', notebook }
    : { outcome: 'failed', notebook, message };
}

async function hasMagics(kernel: Kernel.IKernelConnection): Promise<boolean> {
  const future = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { loaded: LOADED }
  });
  const waited = new Promise<null>(resolve => setTimeout(() => resolve(null), ANSWERS));
  const reply = await Promise.race([future.done, waited]);
  if (reply === null) {
    future.dispose();
    return false;
  }
  if (reply.content.status !== 'ok') {
    return false;
  }
  const told = reply.content.user_expressions.loaded as { data?: Record<string, unknown> } | undefined;
  return told?.data?.['text/plain'] === 'True';
}

async function failure(kernel: Kernel.IKernelConnection, code: string): Promise<string | null> {
  const reply = await kernel.requestExecute({ code, store_history: false }).done;
  return reply.content.status === 'error'
    ? `${reply.content.ename}: ${reply.content.evalue}`
    : null;
}

/** One word of a magic's line. */
export function word(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `"${text.replace(/(["\\])/g, '\\$1')}"`;
}
