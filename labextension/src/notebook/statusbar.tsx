/** The item of the status bar: who asks, for which purpose, and how strong the wall is. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import { Menu } from '@lumino/widgets';
import React from 'react';

import type { StatusModel } from '../status/model';
import { NotebookCommands } from './ids';
import { stampIcon } from './icons';

export class GovdataStatusItem extends ReactWidget {
  constructor(
    private readonly status: StatusModel,
    private readonly commands: CommandRegistry,
    private readonly trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-govdata-status');
  }

  override dispose(): void {
    this.menu?.dispose();
    super.dispose();
  }

  protected override render(): JSX.Element {
    return <UseSignal signal={this.status.changed}>{() => this.item()}</UseSignal>;
  }

  private item(): JSX.Element {
    const { trans, status } = this;
    const said = statusSaid(status, trans);
    const known = status.status;
    const canChoose = status.link === 'ready' && !!known && known.purposes.length > 0;
    return (
      <button
        type="button"
        className="jp-govdata-status-button"
        title={said.title}
        aria-label={said.title}
        aria-haspopup={canChoose ? 'menu' : undefined}
        onClick={event => (canChoose ? this.open(event.currentTarget) : void status.refresh())}
      >
        <stampIcon.react tag="span" className="jp-govdata-nb-icon" aria-hidden="true" />
        <span className="jp-govdata-status-text">{said.text}</span>
      </button>
    );
  }

  private open(anchor: HTMLElement): void {
    this.menu?.dispose();
    const menu = new Menu({ commands: this.commands });
    menu.addClass('jp-govdata-menu');
    menu.title.label = this.trans.__('Purpose');
    for (const purpose of this.status.status?.purposes ?? []) {
      menu.addItem({ command: NotebookCommands.setPurpose, args: { purpose } });
    }
    this.menu = menu;
    const { left, top } = anchor.getBoundingClientRect();
    menu.open(left, top);
    menu.activeIndex = Math.max(0, this.status.status?.purposes.indexOf(this.status.purpose) ?? 0);
  }

  private menu: Menu | null = null;
}

/** What the item says, short and long. */
export function statusSaid(
  model: StatusModel,
  trans: TranslationBundle
): { text: string; title: string } {
  const { link, status, purpose } = model;
  if (link === 'ready') {
    const principal = status?.principal ?? '';
    const isEnforced = status?.wall === 'enforced';
    const wall = isEnforced ? trans.__('enforced') : trans.__('advisory');
    const meaning = isEnforced
      ? trans.__('Policies are enforced by a gateway that you do not run.')
      : trans.__('Policies are advisory: the gateway runs as you.');
    return {
      text: [principal, purpose || trans.__('no purpose'), wall].join(' · '),
      title: `${trans.__('Governed data: you are %1, purpose %2.', principal, purpose || '-')} ${meaning} ${trans.__('Click to change the purpose.')}`
    };
  }
  if (link === 'loading' || link === 'starting') {
    return {
      text: trans.__('Data: starting…'),
      title: trans.__('Governed data: the gateway is starting')
    };
  }
  if (link === 'unconfigured') {
    return {
      text: trans.__('Data: no lake'),
      title: trans.__('Governed data: no lake is configured')
    };
  }
  const why = model.error?.message ?? trans.__('no answer');
  return {
    text: trans.__('Data: no answer'),
    title: `${trans.__('Governed data: %1.', why)} ${trans.__('Click to try again.')}`
  };
}
