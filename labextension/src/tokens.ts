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

/** Names of our commands that more than one part uses. All but the first three take an `asset`. */
export const Commands = {
  open: 'govdata:open-catalog',
  refresh: 'govdata:refresh',
  openRequests: 'govdata:open-requests',
  openAsset: 'govdata:open-asset',
  insertQuery: 'govdata:insert-query',
  insertName: 'govdata:insert-name',
  pinVersion: 'govdata:pin-version',
  copyCitation: 'govdata:copy-citation',
  requestAccess: 'govdata:request-access'
} as const;
