/** What a stamp says, in words. Pure: the renderer shows it, tests read it. */
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Receipt, Stamp } from './stamp';

/** The words of one stamp's line. */
export interface IBadge {
  /** Assets, or that there is none. */
  readonly assets: string;
  /** Further facts, in their order; never empty ones. */
  readonly facts: readonly string[];
  /** How the query ended, if not well. */
  readonly ending: string;
  readonly wall: Stamp['wall'];
}

const MOST_ASSETS = 3;

export function badgeOf(stamp: Stamp, volatile: unknown, trans: TranslationBundle): IBadge {
  const names = distinct(stamp.receipts.map(receipt => receipt.asset));
  const purposes = distinct(stamp.receipts.map(receipt => receipt.purpose));
  const more = names.length - MOST_ASSETS;
  const listed = names.slice(0, more > 0 ? MOST_ASSETS : names.length).join(', ');
  const rows = rowsOf(volatile);
  return {
    assets: !names.length
      ? trans.__('no governed asset')
      : more > 0
        ? trans.__('%1 and %2 more', listed, String(more))
        : listed,
    facts: [
      rows === null || !names.length
        ? ''
        : trans._n('%2 row read', '%2 rows read', rows, grouped(rows)),
      purposes.length ? trans.__('for %1', purposes.join(', ')) : ''
    ].filter(Boolean),
    ending: endingOf(stamp, trans),
    wall: stamp.wall
  };
}

export function endingOf(stamp: Stamp, trans: TranslationBundle): string {
  switch (stamp.status) {
    case 'complete':
      return '';
    case 'partial':
      return trans.__('not read to its end');
    case 'interrupted':
      return trans.__('interrupted');
    case 'failed':
      return stamp.error ? trans.__('failed: %1', stamp.error) : trans.__('failed');
  }
}

/** A fact of a receipt or stamp: what it is, and its value as it stands in the notebook. */
export interface IFact {
  readonly label: string;
  readonly value: string;
  readonly isCode?: boolean;
}

export function receiptFacts(receipt: Receipt, trans: TranslationBundle): IFact[] {
  const { masked } = receipt;
  return [
    { label: trans.__('Snapshot'), value: receipt.snapshot_id, isCode: true },
    { label: trans.__('Read by'), value: trans.__('%1 for %2', receipt.principal, receipt.purpose) },
    {
      label: trans.__('Policy'),
      value: [
        trans.__('epoch %1', String(receipt.epoch)),
        receipt.filtered ? trans.__('some rows are filtered out') : trans.__('no row filter'),
        masked.length ? trans.__('masked: %1', masked.join(', ')) : trans.__('nothing masked')
      ].join(' · ')
    },
    { label: trans.__('Decision'), value: receipt.decision_id, isCode: true },
    { label: trans.__('Signed by'), value: receipt.key_id, isCode: true }
  ];
}

export function stampFacts(stamp: Stamp, volatile: unknown, trans: TranslationBundle): IFact[] {
  const told = (volatile ?? {}) as Record<string, unknown>;
  const versions = Object.entries(stamp.versions).map(([name, version]) => `${name} ${version}`);
  const facts: IFact[] = [
    { label: trans.__('Result'), value: stamp.result_digest || endingOf(stamp, trans), isCode: true },
    { label: trans.__('Query'), value: stamp.query_digest, isCode: true },
    {
      label: trans.__('Wall'),
      value:
        stamp.wall === 'enforced'
          ? trans.__('enforced: the gateway runs under another user or on another host')
          : trans.__('advisory: the gateway runs under the same user as the notebook')
    },
    { label: trans.__('Computed with'), value: versions.join(', ') }
  ];
  if (typeof told.at === 'string') {
    const took = typeof told.seconds === 'number' ? `, ${told.seconds.toFixed(2)} s` : '';
    facts.push({ label: trans.__('Run'), value: told.at.replace('+00:00', ' UTC').replace('T', ' ') + took });
  }
  return facts.filter(fact => fact.value);
}

/** A number with its thousands apart. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ' ');
}

export function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}

function rowsOf(volatile: unknown): number | null {
  const rows = ((volatile ?? {}) as Record<string, unknown>).rows_scanned;
  return typeof rows === 'number' && Number.isSafeInteger(rows) && rows >= 0 ? rows : null;
}
