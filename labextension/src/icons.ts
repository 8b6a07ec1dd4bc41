/** Our icons; each takes its colour from the theme. */
import { LabIcon } from '@jupyterlab/ui-components';

const svg = (body: string) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">${body}</svg>`;

/** A cylinder of data behind a tick: data that one may see. */
export const catalogIcon = new LabIcon({
  name: 'jupyter-govdata:catalog',
  svgstr: svg(
    '<g class="jp-icon3" fill="#616161"><path d="M11 2C6.6 2 3 3.6 3 5.5v13C3 20.4 6.6 22 11 22c.6 0 1.1 0 1.7-.1a7 7 0 0 1-1.3-2H11c-3.7 0-6-1.2-6-1.5v-2.6c1.500.8 3.700 1.200 6 1.200h.1a7 7 0 0 1 .500-2H11c-3.700 0-6-1.200-6-1.500v-2.500C6.500 11.700 8.700 12.100 11 12.100c1.100 0 2.200-.1 3.100-.3A7 7 0 0 1 18 10.500c.300 0 .700 0 1 .1V5.500C19 3.600 15.400 2 11 2m0 2c3.700 0 6 1.200 6 1.500S14.700 7 11 7 5 5.800 5 5.500 7.300 4 11 4"/><path d="M18 12.500a5 5 0 1 0 0 10 5 5 0 0 0 0-10m-.8 7.800-2.200-2.200 1-1 1.200 1.200 2.800-2.800 1 1z"/></g>'
  )
});
