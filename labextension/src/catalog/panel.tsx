/** The panel in the left area. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import React from 'react';

import { catalogIcon } from '../icons';
import type { StatusModel } from '../status/model';

export class CatalogPanel extends ReactWidget {
  constructor(
    private readonly status: StatusModel,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.id = 'jp-govdata-catalog';
    this.addClass('jp-govdata-catalog');
    this.title.icon = catalogIcon;
    this.title.caption = trans.__('Data catalog');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Data catalog'));
  }

  protected override render(): JSX.Element {
    return (
      <UseSignal signal={this.status.changed}>
        {() => (
          <p role="status">
            {this.trans.__('%1 at %2', this.status.status?.principal ?? '', this.status.link)}
          </p>
        )}
      </UseSignal>
    );
  }
}
