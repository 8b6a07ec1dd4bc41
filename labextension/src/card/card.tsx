/** The asset card: what it is, what I see of it, and what I can do with it. */
import React from 'react';

import type { Card } from '../api/types';
import { useEnv, useSignals } from '../env';
import { Icon, kindIcon } from '../icons';
import { Button, Failed, Loading, Name, Sentence } from '../parts';
import { Commands } from '../tokens';
import { accessSaid, counted, moment } from '../words';
import { ColumnTable } from './columns';
import { Facts } from './facts';
import { FilesView } from './files';
import { LineageView } from './lineage';
import { CardModel, here } from './model';
import { PreviewView } from './preview';
import { VersionsView } from './versions';
import { ApiError } from '../api/client';

/** A card of an asset; `close` is there where it is a part of the panel. */
export function AssetCard(props: { name: string; wide: boolean; close?: () => void }): JSX.Element {
  const { client, status } = useEnv();
  const [model, setModel] = React.useState<CardModel | null>(null);
  React.useEffect(() => {
    const made = new CardModel(props.name, client, status);
    setModel(made);
    return () => made.dispose();
  }, [props.name, client, status]);
  return (
    <article className="jp-GovCatalog-card" aria-label={props.name}>
      {model?.name === props.name && <Loaded model={model} wide={props.wide} close={props.close} />}
    </article>
  );
}

function Loaded(props: { model: CardModel; wide: boolean; close?: () => void }): JSX.Element {
  const { model } = props;
  const { trans, run } = useEnv();
  useSignals(model.changed);
  const card = here(model.card);
  return (
    <>
      <header className="jp-GovCatalog-cardhead">
        <Icon name={kindIcon(card?.kind ?? '')} />
        <h2>
          <Name name={model.name} />
        </h2>
        {!props.wide && (
          <Button
            bare
            icon="wide"
            label={trans.__('Open in a tab')}
            onClick={() => run(Commands.openAsset, { asset: model.name })}
          />
        )}
        {props.close && <Button bare icon="close" label={trans.__('Close the card')} onClick={props.close} />}
      </header>
      {card ? (
        <Content card={card} model={model} wide={props.wide} />
      ) : model.card instanceof ApiError ? (
        <Failed error={model.card} again={() => void model.loadCard()} />
      ) : (
        <Loading />
      )}
    </>
  );
}

function Content(props: { card: Card; model: CardModel; wide: boolean }): JSX.Element {
  const { card, model, wide } = props;
  const { trans } = useEnv();
  const readable = card.access !== 'none';
  return (
    <div className="jp-GovCatalog-cardbody">
      {card.description && <p className="jp-GovCatalog-text">{card.description}</p>}
      <Acts card={card} />
      <Seen card={card} />
      <Section title={trans.__('About')} open>
        <Facts card={card} />
      </Section>
      <Section title={trans._n('%1 column', '%1 columns', card.columns.length)} open={wide || card.columns.length <= 12}>
        <ColumnTable columns={card.columns} />
      </Section>
      {readable && (
        <Section title={trans.__('Preview')} open={wide} onOpen={() => void model.loadPreview()}>
          <PreviewView model={model} />
        </Section>
      )}
      {readable && card.kind === 'files' && (
        <Section title={trans.__('Files')} open={wide} onOpen={() => void model.loadFiles()}>
          <FilesView model={model} />
        </Section>
      )}
      <Section title={trans.__('Versions')} open={wide} onOpen={() => void model.loadVersions()}>
        <VersionsView model={model} readable={readable} />
      </Section>
      <Section title={trans.__('Lineage')} open={wide} onOpen={() => void model.loadLineage()}>
        <LineageView model={model} />
      </Section>
    </div>
  );
}

/** How I see it, and which policy says so. */
function Seen(props: { card: Card }): JSX.Element {
  const { card } = props;
  const { trans, requests } = useEnv();
  useSignals(requests.changed);
  const said = accessSaid(trans, card.access, requests.pending(card.name) !== null);
  const rows = card.snapshot?.total_rows;
  return (
    <div
      className={`jp-GovCatalog-seen jp-mod-${card.access}`}
      role="group"
      aria-label={trans.__('What I see')}
    >
      <p>
        <Icon name={said.icon} />
        <strong>{said.sentence}</strong>
      </p>
      {card.row_filter && !card.why.some(sentence => sentence.includes(card.row_filter)) && (
        <Sentence text={trans.__('You see %1', card.row_filter)} />
      )}
      {card.why.map(sentence => (
        <Sentence key={sentence} text={sentence} />
      ))}
      <p className="jp-GovCatalog-why">
        {card.purpose ? trans.__('Purpose: %1', card.purpose) : trans.__('No purpose is declared.')}
        {card.snapshot &&
          ' · ' + trans.__('version of %1', moment(card.snapshot.committed_at))}
        {rows !== null && rows !== undefined && ' · ' + trans._n('%2 row', '%2 rows', rows, counted(rows))}
      </p>
    </div>
  );
}

function Acts(props: { card: Card }): JSX.Element {
  const { card } = props;
  const { trans, run, requests } = useEnv();
  useSignals(requests.changed);
  const args = { asset: card.name };
  const pending = requests.pending(card.name);
  const readable = card.access !== 'none';
  return (
    <div className="jp-GovCatalog-actions" role="group" aria-label={trans.__('Actions')}>
      {readable && (
        <Button primary icon="insert" label={trans.__('Insert query')} onClick={() => run(Commands.insertQuery, args)} />
      )}
      {card.access !== 'all' && (
        <Button
          primary={!readable}
          icon={pending ? 'pending' : 'access_none'}
          label={pending ? trans.__('Requested') : trans.__('Request access')}
          title={pending ? trans.__('Nobody has decided your request yet.') : undefined}
          disabled={pending !== null}
          onClick={() => run(Commands.requestAccess, args)}
        />
      )}
      <Button label={trans.__('Insert name')} onClick={() => run(Commands.insertName, args)} />
      <Button icon="quote" label={trans.__('Cite')} title={trans.__('Copy the citation')} onClick={() => run(Commands.copyCitation, args)} />
    </div>
  );
}

/** A part that unfolds; what it needs is loaded when it is first open. */
function Section(props: {
  title: string;
  open: boolean;
  onOpen?: () => void;
  children: React.ReactNode;
}): JSX.Element {
  const { onOpen } = props;
  const [open, setOpen] = React.useState(props.open);
  const loaded = React.useRef(false);
  React.useEffect(() => {
    if (open && !loaded.current) {
      loaded.current = true;
      onOpen?.();
    }
  }, [open, onOpen]);
  return (
    <details
      className="jp-GovCatalog-section"
      open={open}
      onToggle={event => setOpen(event.currentTarget.open)}
    >
      <summary>
        <Icon name="chevron" />
        <h3>{props.title}</h3>
      </summary>
      {open && <div className="jp-GovCatalog-sectionbody">{props.children}</div>}
    </details>
  );
}
