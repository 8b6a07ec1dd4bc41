/** The panel in the right area: what the active notebook read, and what to do about it. */
import { ReactWidget, refreshIcon, UseSignal } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import React from 'react';

import { Assets } from './assets';
import { Cells } from './cells';
import { NotebookCommands } from './ids';
import { notebookDataIcon } from './icons';
import type { IParts } from './parts';
import { Work } from './work';

export class NotebookDataPanel extends ReactWidget {
  constructor(private readonly parts: IParts) {
    super();
    const label = parts.trans.__('Data of the notebook');
    this.id = 'jp-govdata-notebook';
    this.addClass('jp-govdata-notebook');
    this.title.icon = notebookDataIcon;
    this.title.caption = label;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', label);
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.parts.model.isShown = true;
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.parts.model.isShown = false;
  }

  protected override render(): JSX.Element {
    const { model, status } = this.parts;
    return (
      <UseSignal signal={model.changed}>
        {() => (
          <UseSignal signal={status.changed}>{() => <Reading {...this.parts} />}</UseSignal>
        )}
      </UseSignal>
    );
  }
}

function Reading(parts: IParts): JSX.Element {
  const { model, commands, trans } = parts;
  const { notebook, pins } = model;
  if (!notebook) {
    return <Blank text={trans.__('Open a notebook to see which data its cells have read.')} />;
  }
  return (
    <>
      <div className="jp-govdata-nb-header">
        <h2 title={notebook.path}>{notebook.name}</h2>
        <button
          type="button"
          className="jp-govdata-nb-icon-button"
          title={trans.__('Look again')}
          aria-label={trans.__('Look again')}
          onClick={() => void commands.execute(NotebookCommands.refresh)}
        >
          <refreshIcon.react tag="span" className="jp-govdata-nb-icon" aria-hidden="true" />
        </button>
      </div>
      <Trouble {...parts} />
      {pins && pins.cells.length > 0 && (
        <>
          <Work {...parts} />
          <Assets {...parts} pins={pins} />
          <Cells {...parts} pins={pins} />
        </>
      )}
      {pins?.cells.length === 0 && <Unstamped {...parts} />}
      {!pins && model.isLoading && (
        <div className="jp-govdata-nb-blank" role="status">
          <progress aria-label={trans.__('Reading the stamps')} />
          <p>{trans.__('Reading the stamps…')}</p>
        </div>
      )}
    </>
  );
}

function Blank({ text }: { text: string }): JSX.Element {
  return (
    <div className="jp-govdata-nb-blank">
      <notebookDataIcon.react tag="span" className="jp-govdata-nb-blank-icon" aria-hidden="true" />
      <p>{text}</p>
    </div>
  );
}

function Unstamped({ commands, trans }: IParts): JSX.Element {
  return (
    <div className="jp-govdata-nb-blank">
      <notebookDataIcon.react tag="span" className="jp-govdata-nb-blank-icon" aria-hidden="true" />
      <p>{trans.__('No cell of this notebook has a stamp yet.')}</p>
      <p>
        {trans.__('Run a %1 cell: it leaves a stamp of what it read, and for which purpose.', '%%govsql')}
      </p>
      <button
        type="button"
        className="jp-govdata-nb-button"
        onClick={() => void commands.execute(NotebookCommands.addQuery)}
      >
        {trans.__('Add a query cell')}
      </button>
    </div>
  );
}

function Trouble({ model, commands, trans }: IParts): JSX.Element | null {
  const { error, pins } = model;
  if (!error) {
    return null;
  }
  const isAway = error.failure === 'offline' || error.failure === 'unreachable';
  return (
    <div className={`jp-govdata-nb-notice ${isAway ? 'jp-mod-warn' : 'jp-mod-bad'}`} role="alert">
      <p>
        <strong>{error.message}</strong>
      </p>
      {error.hint && <p>{error.hint}</p>}
      {isAway && pins && <p>{trans.__('What is shown below is what was known before.')}</p>}
      <button
        type="button"
        className="jp-govdata-nb-button"
        onClick={() => void commands.execute(NotebookCommands.refresh)}
      >
        {trans.__('Try again')}
      </button>
    </div>
  );
}
