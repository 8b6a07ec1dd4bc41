/** Texts that are put into cells. Pure; names of assets are canonical, so they need no quoting. */

/** Only of this form is a name put into a cell: whatever else an answer holds is not a name. */
const NAME = /^[a-z][a-z0-9_]{0,62}\.[a-z][a-z0-9_]{0,62}$/;
const SNAPSHOT = /^[0-9]{1,19}$/;
const PURPOSE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

export const LOAD = '%load_ext jupyter_govdata';

export function isName(asset: string): boolean {
  return NAME.test(asset);
}

/** A first query: all columns, few rows; `purpose` where it is not the kernel's own. */
export function firstQuery(asset: string, purpose: string, own: string): string {
  const head =
    purpose && purpose !== own && PURPOSE.test(purpose) ? `%%govsql --purpose ${purpose}` : '%%govsql';
  return `${head}\nSELECT *\nFROM ${asset}\nLIMIT 20`;
}

/** How a version of an asset is named in SQL. */
export function pinned(asset: string, snapshot: string): string {
  return SNAPSHOT.test(snapshot) ? `${asset} AT (VERSION => ${snapshot})` : asset;
}

/**
 * A cell's text with every mention of an asset fixed to a version, or null where it has none.
 *
 * A mention that has a version already gets the new one.
 */
export function withPin(source: string, asset: string, snapshot: string): string | null {
  const name = asset.replace('.', '\\.');
  const mention = new RegExp(
    `(?<![\\w.$:"'])${name}(?![\\w.])(\\s+AT\\s*\\(\\s*(?:VERSION|TIMESTAMP|TAG)\\s*=>[^)]*\\))?`,
    'gi'
  );
  const next = source.replace(mention, pinned(asset, snapshot));
  return next === source && !mention.test(source) ? null : next;
}

/** Whether some cell makes `%%govsql` known to the kernel. */
export function loadsMagic(sources: readonly string[]): boolean {
  return sources.some(source => /^\s*%(?:load_ext|reload_ext)\s+jupyter_govdata\b/m.test(source));
}
