/** SQL colours in `%%govsql` cells and behind `%govsql`, by JupyterLab's own CodeMirror. */
import { LanguageSupport, LRLanguage } from '@codemirror/language';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { parseMixed } from '@lezer/common';

/** Where SQL stands in a cell: `from` inclusive, `to` exclusive. */
export interface ISpan {
  from: number;
  to: number;
}

/** A cell with more text than this is no query. */
const MOST = 200_000;

const CELL = /^\s*(?:%%(?:time|capture|prun)\b[^\n]*\n\s*)*%%govsql(?=\s|$)[^\n]*\n/;
const LINE = /^[^\S\n]*(?:[\w.]+[^\S\n]*=[^\S\n]*)?%govsql[^\S\n]+(?:[A-Za-z_]\w*[^\S\n]*<<[^\S\n]*)?/gm;
const OPTION = /-o[^\S\n]+\S+|--(?:purpose|limit|to|as-of|session)(?:=|[^\S\n]+)(?:'[^'\n]*'|"[^"\n]*"|\S+)|--(?:dry-run|stats|form|no-progress)(?=\s|$)/y;

/** Return the spans of a cell's text that are SQL. */
export function sqlSpans(text: string): ISpan[] {
  const cell = CELL.exec(text);
  if (cell) {
    return text.length > cell[0].length ? [{ from: cell[0].length, to: text.length }] : [];
  }
  const spans: ISpan[] = [];
  for (const match of text.matchAll(LINE)) {
    const end = text.indexOf('\n', match.index);
    const to = end < 0 ? text.length : end;
    const from = pastOptions(text, match.index + match[0].length);
    if (from < to) {
      spans.push({ from, to });
    }
  }
  return spans;
}

function pastOptions(text: string, start: number): number {
  let at = start;
  for (;;) {
    OPTION.lastIndex = at;
    const option = OPTION.exec(text);
    if (!option) {
      return at;
    }
    at += option[0].length;
    at += /^[^\S\n]*/.exec(text.slice(at))?.[0].length ?? 0;
  }
}

/** Teach the language of IPython cells where SQL stands in them. */
export async function colourSql(languages: IEditorLanguageRegistry): Promise<void> {
  const sql = (await languages.getLanguage('PostgreSQL'))?.support;
  const cells = await languages.getLanguage('ipython');
  if (!sql || !cells?.support || !(cells.support.language instanceof LRLanguage)) {
    return; // another extension took the place of JupyterLab's own: cells stay as they are
  }
  const parser = sql.language.parser;
  const mixed = cells.support.language.configure({
    wrap: parseMixed((node, input) => {
      if (!node.type.isTop || input.length > MOST) {
        return null;
      }
      const text = input.read(0, input.length);
      const overlay = text.includes('%govsql') ? sqlSpans(text) : [];
      return overlay.length ? { parser, overlay } : null;
    })
  });
  cells.support = new LanguageSupport(mixed, cells.support.support);
}
