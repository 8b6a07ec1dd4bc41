/** Requests as JupyterLab sends them: token, XSRF header and base URL (also behind a hub) included. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Fetch } from './client';

const ROOT = 'jupyter_govdata';

export function jupyterFetch(settings: ServerConnection.ISettings): Fetch {
  return (path, init) =>
    ServerConnection.makeRequest(URLExt.join(settings.baseUrl, ROOT) + '/' + path, init, settings);
}
