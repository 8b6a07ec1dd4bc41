/**
 * Shows a stamp as one line that unfolds into its receipts.
 *
 * SECURITY: a notebook comes from anybody, and this also runs in notebooks that are not trusted.
 * All of it is text of the notebook, set as text; nothing here is verified, and nothing says so.
 */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { badgeOf, receiptFacts, stampFacts } from './badge';
import type { IFact } from './badge';
import { brokenStampIcon, stampIcon } from './icons';
import { isStamp, STAMP_MIME, VOLATILE_KEY } from './stamp';
import type { Stamp } from './stamp';

/** What a click on an asset's name does; null where there is no catalog. */
export type OpenAsset = ((asset: string) => void) | null;

/** A stamp with more receipts than this shows the first ones: a notebook may hold anything. */
const MOST_RECEIPTS = 100;

export class StampRenderer extends Widget implements IRenderMime.IRenderer {
  constructor(
    private readonly trans: TranslationBundle,
    private readonly openAsset: OpenAsset
  ) {
    super();
    this.addClass('jp-govdata-stamp');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const stamp: unknown = model.data[STAMP_MIME];
    const volatile: unknown = model.metadata[VOLATILE_KEY];
    this.node.replaceChildren(
      isStamp(stamp) ? this.badge(stamp, volatile) : this.unreadable()
    );
    return Promise.resolve();
  }

  private unreadable(): HTMLElement {
    const line = element('div', 'jp-govdata-stamp-line');
    line.append(
      drawn(brokenStampIcon),
      element('span', 'jp-govdata-stamp-ending', this.trans.__('A stamp that cannot be read'))
    );
    line.title = this.trans.__('It is malformed, or another version of jupyter_govdata wrote it.');
    return line;
  }

  private badge(stamp: Stamp, volatile: unknown): HTMLElement {
    const { assets, facts, ending, wall } = badgeOf(stamp, volatile, this.trans);
    const details = element('details', 'jp-govdata-stamp-details');
    const line = element('summary', 'jp-govdata-stamp-line');
    line.append(
      drawn(ending ? brokenStampIcon : stampIcon),
      element('span', 'jp-govdata-stamp-assets', assets)
    );
    facts.forEach(fact => line.append(element('span', 'jp-govdata-stamp-fact', fact)));
    line.append(element('span', `jp-govdata-stamp-wall jp-mod-${wall}`, this.wall(wall)));
    if (ending) {
      line.append(element('span', 'jp-govdata-stamp-ending', ending));
    }
    details.append(line);
    // What is unfolded is built when it is first asked for: most stamps never are.
    details.addEventListener(
      'toggle',
      () => details.append(this.receipts(stamp), this.facts(stampFacts(stamp, volatile, this.trans))),
      { once: true }
    );
    return details;
  }

  private wall(wall: Stamp['wall']): string {
    return wall === 'enforced' ? this.trans.__('enforced') : this.trans.__('advisory');
  }

  private receipts(stamp: Stamp): HTMLElement {
    const list = element('ul', 'jp-govdata-receipts');
    for (const receipt of stamp.receipts.slice(0, MOST_RECEIPTS)) {
      const item = element('li', 'jp-govdata-receipt');
      item.append(this.asset(receipt.asset), this.facts(receiptFacts(receipt, this.trans)));
      list.append(item);
    }
    const more = stamp.receipts.length - MOST_RECEIPTS;
    if (more > 0) {
      list.append(element('li', '', this.trans._n('%1 more', '%1 more', more)));
    }
    return list;
  }

  private asset(name: string): HTMLElement {
    const { openAsset } = this;
    if (!openAsset) {
      return element('strong', 'jp-govdata-receipt-asset', name);
    }
    const button = element('button', 'jp-govdata-nb-link jp-govdata-receipt-asset', name);
    button.type = 'button';
    button.title = this.trans.__('Show in the data catalog');
    button.addEventListener('click', () => openAsset(name));
    return button;
  }

  private facts(facts: readonly IFact[]): HTMLElement {
    const list = element('dl', 'jp-govdata-nb-facts');
    for (const { label, value, isCode } of facts) {
      const said = element('dd', isCode ? 'jp-mod-code' : '', value);
      list.append(element('dt', '', label), said);
    }
    return list;
  }
}

function drawn(icon: LabIcon): HTMLElement {
  const made = icon.element({ tag: 'span', className: 'jp-govdata-nb-icon', height: '14px', width: '14px' });
  made.setAttribute('aria-hidden', 'true');
  return made;
}

function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  text = ''
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** The factory of renderers; `safe`, for it runs nothing of what it shows. */
export function stampRendererFactory(
  trans: TranslationBundle,
  openAsset: OpenAsset
): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [STAMP_MIME],
    defaultRank: 10,
    createRenderer: () => new StampRenderer(trans, openAsset)
  };
}
