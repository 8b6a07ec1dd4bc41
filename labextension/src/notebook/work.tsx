/** What can be done about the notebook, how far it is, and what it found. */
import React from 'react';

import { Said } from './assets';
import { NotebookCommands } from './ids';
import type { IParts } from './parts';
import type { IWork } from './reading';
import { actionSaid, causesSaid, endSaid, progressOf, verdictSaid } from './words';

const BUTTONS = [
  NotebookCommands.rerunPinned,
  NotebookCommands.rerunCurrent,
  NotebookCommands.verify,
  NotebookCommands.hold,
  NotebookCommands.export
];

export function Work(parts: IParts): JSX.Element {
  const { model, commands, trans } = parts;
  return (
    <section className="jp-govdata-nb-section" aria-label={trans.__('Reproduce')}>
      <div className="jp-govdata-nb-buttons" role="group" aria-label={trans.__('Reproduce')}>
        {BUTTONS.map(command => (
          <button
            key={command}
            type="button"
            className="jp-govdata-nb-button"
            title={commands.caption(command)}
            disabled={!commands.isEnabled(command)}
            onClick={() => void commands.execute(command)}
          >
            {commands.label(command, { short: true })}
          </button>
        ))}
      </div>
      <div role="status" aria-live="polite">
        {model.work && (model.isRunning ? <Running {...parts} work={model.work} /> : <Ended {...parts} work={model.work} />)}
      </div>
    </section>
  );
}

function Running({ work, commands, trans }: IParts & { work: IWork }): JSX.Element {
  const label = actionSaid(work.action, trans);
  const share = progressOf(work.job?.log_tail ?? '');
  return (
    <div className="jp-govdata-nb-work">
      <div className="jp-govdata-nb-row">
        <span>{label}</span>
        <button
          type="button"
          className="jp-govdata-nb-button"
          disabled={!work.job || work.isStopping}
          onClick={() => void commands.execute(NotebookCommands.stop)}
        >
          {work.isStopping ? trans.__('Stopping…') : trans.__('Stop')}
        </button>
      </div>
      <progress aria-label={label} value={share ?? undefined} max={1} />
    </div>
  );
}

function Ended({ work, model, commands, trans }: IParts & { work: IWork }): JSX.Element {
  const said = endSaid(work, trans);
  const changed = (work.job?.result?.cells ?? []).filter(
    cell => verdictSaid(cell.verdict, trans).mood !== 'good' && cell.verdict !== 'not governed'
  );
  return (
    <div className={`jp-govdata-nb-work jp-govdata-nb-notice jp-mod-${said.mood}`}>
      <div className="jp-govdata-nb-row">
        <strong>{actionSaid(work.action, trans)}</strong>
        <button
          type="button"
          className="jp-govdata-nb-icon-button"
          title={trans.__('Put the result away')}
          aria-label={trans.__('Put the result away')}
          onClick={() => void commands.execute(NotebookCommands.putAway)}
        >
          <span aria-hidden="true">×</span>
        </button>
      </div>
      <p>
        <Said said={said} />
      </p>
      {work.error?.hint && <p>{work.error.hint}</p>}
      {changed.length > 0 && (
        <ul className="jp-govdata-nb-list">
          {changed.map(cell => (
            <li key={cell.cell} className="jp-govdata-nb-why">
              <button
                type="button"
                className="jp-govdata-nb-link"
                onClick={() => void commands.execute(NotebookCommands.goToCell, { cell: cell.cell })}
              >
                {placeOf(cell.cell, model, trans)}
              </button>{' '}
              <Said said={verdictSaid(cell.verdict, trans)} />
              {causesSaid(cell, trans) && `: ${causesSaid(cell, trans)}`}
            </li>
          ))}
        </ul>
      )}
      {work.job?.result?.out && (
        <button
          type="button"
          className="jp-govdata-nb-button"
          onClick={() => void commands.execute(NotebookCommands.openResult)}
        >
          {trans.__('Open %1', work.job.result.out.split('/').pop() ?? '')}
        </button>
      )}
    </div>
  );
}

function placeOf(cell: string, model: IParts['model'], trans: IParts['trans']): string {
  const found = model.pins?.cells.find(one => one.cell_id === cell);
  return found ? trans.__('Cell %1', String(found.index + 1)) : cell;
}
