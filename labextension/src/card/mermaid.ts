/** Lineage as a Mermaid diagram. Names come from producers: each is written as text, never as code. */
import type { Lineage } from '../api/types';

const LONGEST = 60;

/**
 * A label that Mermaid shows as it is: everything but letters, digits and blanks goes by number.
 *
 * SECURITY: quotes, brackets and `<` would otherwise end the label or become markup.
 */
export function label(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
  const escaped = [...short]
    .map(char => (/^[A-Za-z0-9 ]$/.test(char) ? char : `#${char.codePointAt(0) ?? 32};`))
    .join('');
  return `"${escaped.trim() || ' '}"`;
}

/** A diagram of a graph; `center` is the asset that it is about. */
export function diagram(graph: Lineage, center: string): string {
  const ids = new Map(graph.nodes.map((node, i) => [node.id, `n${i}`]));
  const lines = ['flowchart LR'];
  for (const node of graph.nodes) {
    const id = ids.get(node.id) ?? '';
    const [open, close] = node.kind === 'source' ? ['([', '])'] : ['[', ']'];
    lines.push(`  ${id}${open}${label(node.name)}${close}`);
    if (node.name === center) {
      lines.push(`  style ${id} stroke-width:3px`);
    }
  }
  for (const edge of graph.edges) {
    const from = ids.get(edge.from);
    const to = ids.get(edge.to);
    if (from && to) {
      lines.push(`  ${from} --> ${to}`);
    }
  }
  return lines.join('\n');
}
