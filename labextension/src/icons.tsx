/** Our icons. Each takes its colour from the text around it, so that every theme fits. */
import { LabIcon } from '@jupyterlab/ui-components';
import React from 'react';

const PATHS = {
  access_all:
    'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20m-2 15-5-5 1.400-1.400 3.600 3.600 7.600-7.600L19 8z',
  access_filtered:
    'M4.250 5.610C6.270 8.200 10 13 10 13v6c0 .550.450 1 1 1h2c.550 0 1-.450 1-1v-6s3.720-4.800 5.740-7.390A.998.998 0 0 0 18.950 4H5.040a1 1 0 0 0-.790 1.610z',
  access_masked:
    'M12 7a5 5 0 0 1 4.640 6.830l2.920 2.920A11.820 11.820 0 0 0 23 12C21.270 7.610 17 4.500 12 4.500c-1.400 0-2.740.250-3.980.700l2.160 2.160C10.740 7.130 11.350 7 12 7M2 4.270l2.740 2.740A11.800 11.800 0 0 0 1 12c1.730 4.390 6 7.500 11 7.500 1.550 0 3.030-.300 4.380-.840L19.730 22 21 20.730 3.270 3zM7.530 9.800l1.550 1.550A3 3 0 0 0 12.650 14.920l1.550 1.550A5 5 0 0 1 7.530 9.800',
  access_none:
    'M18 8h-1V6A5 5 0 0 0 7 6v2H6a2 2 0 0 0-2 2v10c0 1.100.900 2 2 2h12a2 2 0 0 0 2-2V10a2 2 0 0 0-2-2M9 6a3 3 0 0 1 6 0v2H9z',
  chevron: 'M8.590 16.590 13.170 12 8.590 7.410 10 6l6 6-6 6z',
  close:
    'M19 6.410 17.590 5 12 10.590 6.410 5 5 6.410 10.590 12 5 17.590 6.410 19 12 13.410 17.590 19 19 17.590 13.410 12z',
  embeddings:
    'M6 3a3 3 0 1 0 0 6 3 3 0 0 0 0-6m11 1a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5m-5.500 6a2.500 2.500 0 1 0 0 5 2.500 2.500 0 0 0 0-5M6 15a2 2 0 1 0 0 4 2 2 0 0 0 0-4m11.500-2a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7',
  files: 'M8 2h8l6 6v10H8zm7 1.500V9h5.500zM4 6H2v14c0 1.100.900 2 2 2h14v-2H4z',
  insert: 'M19 13h-6v6h-2v-6H5v-2h6V5h2v6h6z',
  model:
    'M12 2 3 7v10l9 5 9-5V7zm0 2.300L18 7.600 12 11 6 7.600zM5 9.400l6 3.400v6.500L5 16zm8 9.900v-6.500l6-3.400V16z',
  namespace: 'M10 4H4a2 2 0 0 0-2 2v12c0 1.100.900 2 2 2h16a2 2 0 0 0 2-2V8a2 2 0 0 0-2-2h-8z',
  pending:
    'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20m0 18a8 8 0 1 1 0-16 8 8 0 0 1 0 16m.500-13H11v6l5.250 3.150.750-1.230-4.500-2.670z',
  pin: 'M16 9V4h1V2H7v2h1v5a3 3 0 0 1-3 3v2h5.970v7l1 1 1-1v-7H19v-2a3 3 0 0 1-3-3',
  quote: 'M6 17h3l2-4V7H5v6h3zm8 0h3l2-4V7h-6v6h3z',
  refresh:
    'M17.650 6.350A7.960 7.960 0 0 0 12 4a8 8 0 1 0 7.730 10h-2.080A6 6 0 1 1 12 6c1.660 0 3.140.690 4.220 1.780L13 11h7V4z',
  refused:
    'M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20m5 13.590L15.590 17 12 13.410 8.410 17 7 15.590 10.590 12 7 8.410 8.410 7 12 10.590 15.590 7 17 8.410 13.410 12z',
  report:
    'M14 2H6a2 2 0 0 0-2 2v16c0 1.100.900 2 2 2h12a2 2 0 0 0 2-2V8zM6 20V4h7v5h5v11zm2-8h8v2H8zm0 4h8v2H8z',
  table: 'M3 3h18v18H3zm2 4v3h4V7zm6 0v3h8V7zM5 12v3h4v-3zm6 0v3h8v-3zM5 17v2h4v-2zm6 0v2h8v-2z',
  warning: 'M1 21h22L12 2zm12-3h-2v-2h2zm0-4h-2v-4h2z',
  wide: 'M19 19H5V5h7V3H5a2 2 0 0 0-2 2v14c0 1.100.900 2 2 2h14a2 2 0 0 0 2-2v-7h-2zM14 3v2h3.590l-9.830 9.830 1.410 1.410L19 6.410V10h2V3z'
};

export type IconName = keyof typeof PATHS;

/** An icon beside a text that says the same; it is nothing to a screen reader. */
export function Icon(props: { name: IconName; className?: string }): JSX.Element {
  return (
    <svg
      aria-hidden="true"
      className={`jp-GovCatalog-icon jp-GovCatalog-icon-${props.name} ${props.className ?? ''}`}
      viewBox="0 0 24 24"
    >
      <path d={PATHS[props.name]} fillRule="evenodd" />
    </svg>
  );
}

/** The icon of a kind of asset; a kind of a later version looks like a table. */
export function kindIcon(kind: string): IconName {
  return kind === 'files' || kind === 'embeddings' || kind === 'model' || kind === 'report'
    ? kind
    : 'table';
}

/** A cylinder of data with a tick: data that one may see. */
export const catalogIcon = new LabIcon({
  name: 'jupyter-govdata:catalog',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3 jp-icon-selectable" fill="#616161"><path d="M11 2C6.600 2 3 3.600 3 5.500v13C3 20.400 6.600 22 11 22q.900 0 1.700-.100a7 7 0 0 1-1.300-2H11c-3.700 0-6-1.200-6-1.500v-2.600c1.500.800 3.700 1.200 6 1.200a7 7 0 0 1 .500-2H11c-3.700 0-6-1.200-6-1.500V11c1.500.700 3.700 1.100 6 1.100q1.600 0 3.100-.300A7 7 0 0 1 19 10.600V5.500C19 3.600 15.400 2 11 2m0 2c3.700 0 6 1.200 6 1.500S14.700 7 11 7 5 5.800 5 5.500 7.300 4 11 4"/><path d="M18 12.500a5 5 0 1 0 0 10 5 5 0 0 0 0-10m-.8 7.800L15 18.100l1-1 1.200 1.200 2.800-2.800 1 1z"/></g></svg>'
});
