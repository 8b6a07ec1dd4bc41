/** What an asset was made from and what was made from it: drawn, and as lists that read aloud. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { MimeModel } from '@jupyterlab/rendermime';
import { Widget } from '@lumino/widgets';
import React from 'react';

import { ApiError } from '../api/client';
import type { Lineage } from '../api/types';
import { useEnv } from '../env';
import { Failed, Loading, Notice } from '../parts';
import { Commands } from '../tokens';
import { diagram } from './mermaid';
import { here } from './model';
import type { CardModel } from './model';

const MERMAID = 'text/vnd.mermaid';
/** More than this nobody reads as a picture. */
const DRAWN = 60;

export function LineageView(props: { model: CardModel }): JSX.Element {
  const { model } = props;
  const { trans } = useEnv();
  if (model.lineage instanceof ApiError) {
    return <Failed error={model.lineage} again={() => void model.loadLineage()} />;
  }
  const graph = here(model.lineage);
  if (!graph) {
    return <Loading />;
  }
  if (!graph.edges.length) {
    return (
      <Notice
        title={trans.__('No lineage')}
        text={trans.__('Nobody recorded what it was made from, or you may not see it.')}
      />
    );
  }
  return (
    <>
      {graph.nodes.length <= DRAWN && <Drawing text={diagram(graph, model.name)} />}
      <Neighbours graph={graph} center={model.name} side="up" title={trans.__('Made from')} />
      <Neighbours graph={graph} center={model.name} side="down" title={trans.__('Used for')} />
      {!graph.complete && <p className="jp-GovCatalog-why">{trans.__('There is more beyond these.')}</p>}
    </>
  );
}

function Neighbours(props: {
  graph: Lineage;
  center: string;
  side: 'up' | 'down';
  title: string;
}): JSX.Element | null {
  const { run } = useEnv();
  const { graph, side } = props;
  const id = graph.nodes.find(node => node.name === props.center)?.id;
  const ids = new Set(
    graph.edges
      .filter(edge => (side === 'up' ? edge.to : edge.from) === id)
      .map(edge => (side === 'up' ? edge.from : edge.to))
  );
  const nodes = graph.nodes.filter(node => ids.has(node.id));
  return nodes.length ? (
    <>
      <h4>{props.title}</h4>
      <ul className="jp-GovCatalog-neighbours">
        {nodes.map(node => (
          <li key={node.id}>
            {node.kind === 'source' ? (
              <span>{node.name}</span>
            ) : (
              <button
                type="button"
                className="jp-GovCatalog-link"
                onClick={() => run(Commands.openAsset, { asset: node.name })}
              >
                {node.name}
              </button>
            )}
          </li>
        ))}
      </ul>
    </>
  ) : null;
}

/** The picture, drawn by JupyterLab's own Mermaid; where it has none, the lists say it all. */
function Drawing(props: { text: string }): JSX.Element {
  const { rendermime, trans } = useEnv();
  const place = React.useRef<HTMLDivElement>(null);
  React.useEffect(() => {
    const node = place.current;
    if (!node || !rendermime?.mimeTypes.includes(MERMAID)) {
      return;
    }
    let renderer: IRenderMime.IRenderer | null = rendermime.createRenderer(MERMAID);
    Widget.attach(renderer, node);
    renderer
      .renderModel(new MimeModel({ data: { [MERMAID]: props.text } }))
      .then(
        () => node.querySelector('img')?.setAttribute('alt', trans.__('Lineage as a diagram; the lists below say the same')),
        () => renderer?.hide()
      );
    return () => {
      renderer?.dispose();
      renderer = null;
    };
  }, [rendermime, props.text, trans]);
  return <div className="jp-GovCatalog-drawing" ref={place} />;
}
