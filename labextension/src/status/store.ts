/**
 * Keeps the choice of purpose: in the workspace, and in this tab.
 *
 * JupyterLab writes a workspace a while after it changed, so a page that is reloaded at once would
 * find the choice before. The tab's own storage is written in the same moment.
 */
import type { IStateDB } from '@jupyterlab/statedb';

import type { IPurposeStore } from './model';

const KEY = 'jupyter-govdata:purpose';

/** The part of the browser's storage that is used. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/**
 * The store of one workspace; `reset` forgets what the tab has, as JupyterLab forgets the workspace.
 */
export function purposeStore(
  state: Pick<IStateDB, 'fetch' | 'save'> | null,
  tab: TabStorage | null,
  workspace: string,
  reset: boolean
): IPurposeStore {
  const key = `${KEY}:${workspace}`;
  if (reset) {
    tab?.removeItem(key);
  }
  return {
    load: async () => {
      const saved = tab?.getItem(key) ?? (await state?.fetch(KEY));
      return typeof saved === 'string' ? saved : null;
    },
    save: async purpose => {
      tab?.setItem(key, purpose);
      await state?.save(KEY, purpose);
    }
  };
}
