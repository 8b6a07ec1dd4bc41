/** Icons of the notebook parts; each takes its colour from the theme. */
import { LabIcon } from '@jupyterlab/ui-components';

const icon = (name: string, path: string) =>
  new LabIcon({
    name: `jupyter-govdata:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="${path}"/></svg>`
  });

/** A notebook page with a seal: what a notebook read. */
export const notebookDataIcon = icon(
  'notebook-data',
  'M5 2h12a2 2 0 0 1 2 2v7.1a6 6 0 0 0-2-.1V4H8v16h4.3c.3.7.7 1.400 1.200 2H5a2 2 0 0 1-2-2v-2h1v-1.500H3v-3h1V12H3V9h1V7.500H3V4c0-1.100.900-2 2-2m5 5h5v1.500h-5zm0 3.500h4V12h-4zm8 2.500a4 4 0 0 1 2.300 7.300L21 24l-3-1.300L15 24l.7-3.700A4 4 0 0 1 18 13m0 2a2 2 0 1 0 0 4 2 2 0 0 0 0-4'
);

/** A shield with a tick: a stamp. */
export const stampIcon = icon(
  'stamp',
  'M12 2 4 5v6c0 5 3.400 9.700 8 11 4.600-1.300 8-6 8-11V5zm0 2.100 6 2.300V11c0 3.900-2.500 7.600-6 8.900-3.500-1.300-6-5-6-8.900V6.400zm-1.200 11.500L7.500 12.300l1.400-1.400 1.900 1.900 4.300-4.300 1.400 1.400z'
);

/** A shield with a bar: a query that did not end, or a stamp that cannot be read. */
export const brokenStampIcon = icon(
  'stamp-broken',
  'M12 2 4 5v6c0 5 3.400 9.700 8 11 4.600-1.300 8-6 8-11V5zm0 2.100 6 2.300V11c0 3.900-2.500 7.600-6 8.900-3.500-1.300-6-5-6-8.900V6.400zM11 8h2v5h-2zm0 6.500h2v2h-2z'
);
