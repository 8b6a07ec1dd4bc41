/** What our plug-ins give each other (and others may ask for). */
import { Token } from '@lumino/coreutils';

import type { Client } from './api/client';
import type { StatusModel } from './status/model';

/** The client of the server extension. */
export const IGovdataClient = new Token<Client>(
  'jupyter-govdata:IGovdataClient',
  'The client of the jupyter_govdata server extension.'
);

/** Who asks, for which purpose, and how the gateway is. */
export const IGovdataStatus = new Token<StatusModel>(
  'jupyter-govdata:IGovdataStatus',
  'Principal, chosen purpose, wall, epoch and state of the gateway.'
);

/** Names of our commands that more than one part uses. */
export const Commands = {
  open: 'govdata:open-catalog',
  openAsset: 'govdata:open-asset',
  refresh: 'govdata:refresh'
} as const;
