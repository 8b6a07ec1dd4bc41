/**
 * The tree of the catalog: only rows in sight exist, whatever their number.
 *
 * One stop of the Tab key; arrows, Home, End, Enter and typing move inside, as the ARIA tree
 * pattern says. The active row is told by `aria-activedescendant`.
 */
import React from 'react';

import { useEnv, useSignals } from '../env';
import { Commands } from '../tokens';
import type { CatalogModel } from './model';
import { indexOf } from './rows';
import type { Row } from './rows';
import { RowContent, rowLabel, rowTitle } from './row';

/** Pixels; the style sheet has the same. */
const ROW = 26;
const SPARE = 8;
/** Typed characters are one word until so many milliseconds pass. */
const WORD = 800;

export function Tree(props: {
  model: CatalogModel;
  selected: string | null;
  onSelect: (asset: string) => void;
}): JSX.Element {
  const { model, selected, onSelect } = props;
  const { trans, run } = useEnv();
  useSignals(model.changed);
  const scroller = React.useRef<HTMLDivElement>(null);
  const [view, setView] = React.useState({ top: 0, height: 600 });
  const [active, setActive] = React.useState('');
  const scrolled = React.useRef(false);
  const typed = React.useRef({ word: '', at: 0 });
  const id = React.useId();

  React.useLayoutEffect(() => {
    const node = scroller.current;
    if (!node) {
      return;
    }
    const measure = () => setView({ top: node.scrollTop, height: node.clientHeight || 600 });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, []);

  // What is found begins at the top, wherever one was before.
  const { filter } = model;
  React.useLayoutEffect(() => {
    // Where nothing was scrolled, nothing is laid out only to learn that.
    if (scroller.current && scrolled.current) {
      scroller.current.scrollTop = 0;
    }
  }, [filter]);

  const count = model.rowCount;
  const first = Math.max(0, Math.min(Math.floor(view.top / ROW), count - 1) - SPARE);
  const last = Math.min(count, Math.ceil((view.top + view.height) / ROW) + SPARE);
  const { groups } = model;
  React.useEffect(() => model.need(first, last), [model, first, last, groups]);

  const activeIndex = active ? indexOf(model.groups, active) : -1;
  const rows: { index: number; row: Row }[] = [];
  const add = (index: number) => {
    const row = model.rowAt(index);
    if (row) {
      rows.push({ index, row });
    }
  };
  if (activeIndex >= 0 && activeIndex < first) {
    add(activeIndex);
  }
  for (let i = first; i < last; i++) {
    add(i);
  }
  if (activeIndex >= last) {
    add(activeIndex);
  }

  const goTo = (index: number) => {
    const row = model.rowAt(Math.max(0, Math.min(index, count - 1)));
    if (!row || !scroller.current) {
      return;
    }
    const top = Math.max(0, Math.min(index, count - 1)) * ROW;
    const { scrollTop, clientHeight } = scroller.current;
    if (top < scrollTop) {
      scroller.current.scrollTop = top;
    } else if (top + ROW > scrollTop + clientHeight) {
      scroller.current.scrollTop = top + ROW - clientHeight;
    }
    setActive(row.key);
  };

  const parentOf = (index: number, level: number) => {
    let i = index - 1;
    for (let row = model.rowAt(i); row && row.level >= level; row = model.rowAt(i)) {
      i--;
    }
    return i;
  };

  const typeahead = (key: string, from: number) => {
    const now = performance.now();
    const word = (now - typed.current.at < WORD ? typed.current.word : '') + key.toLowerCase();
    typed.current = { word, at: now };
    const start = from + (word.length > 1 ? 0 : 1);
    // Rows that are not loaded have no name to look for; the filter finds those.
    for (let i = 0; i < Math.min(count, 5000); i++) {
      const index = (start + i) % count;
      const row = model.rowAt(index);
      if (row && rowLabel(row).startsWith(word)) {
        goTo(index);
        return;
      }
    }
  };

  const pick = (row: Row) => {
    if (row.kind === 'namespace') {
      model.toggle(row);
    } else if (row.kind === 'asset' || row.kind === 'column') {
      onSelect(row.asset.name);
    }
  };

  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !count) {
      return;
    }
    const at = Math.max(0, activeIndex);
    const row = model.rowAt(at);
    if (!row) {
      return;
    }
    const open = (row.kind === 'namespace' && row.group.open) || (row.kind === 'asset' && row.open);
    const canOpen = row.kind === 'namespace' || row.kind === 'asset';
    const page = Math.max(1, Math.floor(view.height / ROW) - 1);
    switch (event.key) {
      case 'ArrowDown':
        goTo(activeIndex + 1);
        break;
      case 'ArrowUp':
        goTo(at - 1);
        break;
      case 'PageDown':
        goTo(at + page);
        break;
      case 'PageUp':
        goTo(at - page);
        break;
      case 'Home':
        goTo(0);
        break;
      case 'End':
        goTo(count - 1);
        break;
      case 'ArrowRight':
        if (canOpen && !open) {
          model.toggle(row);
        } else if (open) {
          goTo(at + 1);
        }
        break;
      case 'ArrowLeft':
        if (open) {
          model.toggle(row);
        } else if (row.level > 1) {
          goTo(parentOf(at, row.level));
        }
        break;
      case 'Enter':
        pick(row);
        break;
      case ' ':
        model.toggle(row);
        break;
      default:
        if (event.key.length !== 1) {
          return;
        }
        typeahead(event.key, at);
    }
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      ref={scroller}
      className="jp-GovCatalog-tree"
      role="tree"
      tabIndex={0}
      aria-label={trans.__('Data assets')}
      aria-busy={model.busy}
      aria-activedescendant={activeIndex >= 0 ? `${id}${active}` : undefined}
      onScroll={event => {
        const top = (event.target as HTMLElement).scrollTop;
        scrolled.current = top > 0;
        setView(v => ({ ...v, top }));
      }}
      onKeyDown={onKeyDown}
      onFocus={() => {
        if (activeIndex < 0) {
          setActive(model.rowAt(0)?.key ?? '');
        }
      }}
    >
      <div role="none" style={{ height: count * ROW, position: 'relative' }}>
        {rows.map(({ index, row }) => (
          <div
            key={row.key}
            id={`${id}${row.key}`}
            role="treeitem"
            aria-level={row.level}
            aria-posinset={row.position}
            aria-setsize={row.siblings}
            aria-expanded={
              row.kind === 'namespace' ? row.group.open : row.kind === 'asset' ? row.open : undefined
            }
            aria-selected={row.kind === 'asset' && row.asset.name === selected}
            aria-label={rowTitle(trans, row)}
            title={rowTitle(trans, row)}
            className={
              `jp-GovCatalog-row jp-mod-${row.kind}` +
              (row.key === active ? ' jp-mod-active' : '') +
              (row.kind === 'asset' && row.asset.name === selected ? ' jp-mod-selected' : '')
            }
            data-govdata-asset={row.kind === 'asset' ? row.asset.name : undefined}
            style={{ top: index * ROW, paddingLeft: 4 + (row.level - 1) * 14 }}
            draggable={row.kind === 'asset' || row.kind === 'column'}
            onDragStart={event => {
              const dragged = row.kind === 'asset' ? row.asset.name : quoted(row);
              event.dataTransfer.setData('text/plain', dragged);
              event.dataTransfer.effectAllowed = 'copy';
            }}
            onClick={() => {
              setActive(row.key);
              pick(row);
            }}
            onDoubleClick={() => {
              if (row.kind === 'asset') {
                run(Commands.insertQuery, { asset: row.asset.name });
              }
            }}
          >
            <RowContent row={row} toggle={() => model.toggle(row)} />
          </div>
        ))}
      </div>
    </div>
  );
}

/** A column's name as SQL takes it. */
function quoted(row: Row): string {
  const name = row.kind === 'column' ? row.column.name : '';
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replace(/"/g, '""')}"`;
}
