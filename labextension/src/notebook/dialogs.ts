/** The questions that actions ask first; plain forms, so that JupyterLab's dialog runs them. */
import { Dialog, InputDialog, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { EXPORTS } from '../api/notebook';
import type { ExportForm } from '../api/notebook';

export interface IHold {
  readonly name: string;
  readonly until: string;
}

/** How long snapshots may be held: what the gateway takes, and what it means. */
function terms(trans: TranslationBundle): [string, string][] {
  return [
    ['90d', trans.__('90 days')],
    ['6m', trans.__('6 months')],
    ['1y', trans.__('1 year')],
    ['5y', trans.__('5 years')],
    ['10y', trans.__('10 years')]
  ];
}

class HoldForm extends Widget {
  constructor(trans: TranslationBundle, name: string) {
    super();
    this.addClass('jp-govdata-nb-form');
    this.name.value = name;
    this.name.required = true;
    this.name.maxLength = 200;
    for (const [value, label] of terms(trans)) {
      this.term.add(new Option(label, value, value === '5y', value === '5y'));
    }
    const told = document.createElement('p');
    told.textContent = trans.__(
      'Each snapshot that the stamps name is kept from expiring. A steward sees who holds it, and under which name.'
    );
    this.node.append(
      told,
      labelled(trans.__('Name of the hold'), this.name),
      labelled(trans.__('For'), this.term)
    );
  }

  getValue(): IHold {
    return { name: this.name.value.trim(), until: this.term.value };
  }

  private readonly name = document.createElement('input');
  private readonly term = document.createElement('select');
}

/** Ask under which name and how long snapshots are held; null if it is called off. */
export async function askHold(trans: TranslationBundle, name: string): Promise<IHold | null> {
  const answer = await showDialog<IHold>({
    title: trans.__('Hold the snapshots of this notebook'),
    body: new HoldForm(trans, name),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Hold') })
    ],
    focusNodeSelector: 'input'
  });
  return answer.button.accept && answer.value?.name ? answer.value : null;
}

/** Ask for the form of an export; null if it is called off. */
export async function askExport(trans: TranslationBundle): Promise<ExportForm | null> {
  const labels: Record<ExportForm, string> = {
    'ro-crate': trans.__('RO-Crate: a folder to publish or archive'),
    openlineage: trans.__('OpenLineage: events for a lineage service'),
    prov: trans.__('W3C PROV: a provenance graph as JSON')
  };
  const answer = await InputDialog.getItem({
    title: trans.__('Export what this notebook read and ran'),
    label: trans.__('Form'),
    items: EXPORTS.map(form => labels[form]),
    okLabel: trans.__('Export')
  });
  return EXPORTS.find(form => answer.button.accept && labels[form] === answer.value) ?? null;
}

/** Ask for a purpose; null if it is called off. */
export async function askPurpose(
  trans: TranslationBundle,
  purposes: readonly string[],
  current: string
): Promise<string | null> {
  const answer = await InputDialog.getItem({
    title: trans.__('What is the data used for?'),
    label: trans.__('Purpose'),
    items: [...purposes],
    current,
    okLabel: trans.__('Use')
  });
  return answer.button.accept ? answer.value : null;
}

function labelled(text: string, field: HTMLInputElement | HTMLSelectElement): HTMLElement {
  const label = document.createElement('label');
  const said = document.createElement('span');
  said.textContent = text;
  field.classList.add('jp-mod-styled');
  label.append(said, field);
  return label;
}
