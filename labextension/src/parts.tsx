/** Small parts that several views are made of. */
import React from 'react';

import type { ApiError } from './api/client';
import { useEnv } from './env';
import { Icon } from './icons';
import type { IconName } from './icons';
import { failureSaid } from './words';

export function Button(props: {
  label: string;
  icon?: IconName;
  /** Show the icon alone; the label is its name and tooltip. */
  bare?: boolean;
  title?: string;
  disabled?: boolean;
  primary?: boolean;
  pressed?: boolean;
  onClick: () => void;
}): JSX.Element {
  const kind = props.bare ? 'jp-mod-bare' : props.primary ? 'jp-mod-primary' : '';
  return (
    <button
      type="button"
      className={`jp-GovCatalog-button ${kind}`}
      aria-label={props.bare ? props.label : undefined}
      aria-pressed={props.pressed}
      title={props.title ?? (props.bare ? props.label : undefined)}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      {props.icon && <Icon name={props.icon} />}
      {!props.bare && <span>{props.label}</span>}
    </button>
  );
}

/** A state instead of content: empty, away, refused, failed. */
export function Notice(props: {
  icon?: IconName;
  title: string;
  text?: string;
  alert?: boolean;
  children?: React.ReactNode;
}): JSX.Element {
  return (
    <div className="jp-GovCatalog-notice" role={props.alert ? 'alert' : 'status'}>
      {props.icon && <Icon name={props.icon} />}
      <div>
        <strong>{props.title}</strong>
        {props.text && <p>{props.text}</p>}
        {props.children && <div className="jp-GovCatalog-actions">{props.children}</div>}
      </div>
    </div>
  );
}

/** Why something is not there, and the way out. */
export function Failed(props: { error: ApiError; again?: () => void }): JSX.Element {
  const { trans } = useEnv();
  const { title, text } = failureSaid(trans, props.error);
  const calm = props.error.failure === 'missing';
  return (
    <Notice icon={calm ? undefined : 'warning'} title={title} text={text} alert={!calm}>
      {props.again && !calm && (
        <Button label={trans.__('Try again')} icon="refresh" onClick={props.again} />
      )}
    </Notice>
  );
}

/** Where an answer is awaited. It is drawn only after a moment, so that fast answers do not flash. */
export function Loading(): JSX.Element {
  const { trans } = useEnv();
  return (
    <div className="jp-GovCatalog-loading" role="status">
      <span className="jp-GovCatalog-bar" aria-hidden="true" />
      <span>{trans.__('Loading…')}</span>
    </div>
  );
}

/** A name that may be broken behind its dots and underscores. */
export function Name(props: { name: string }): JSX.Element {
  return (
    <>
      {props.name.split(/(?<=[._])/).map((piece, i) => (
        <React.Fragment key={i}>
          {piece}
          <wbr />
        </React.Fragment>
      ))}
    </>
  );
}

/** A sentence of the gateway: what stands in backticks is a name. It is text all the same. */
export function Sentence(props: { text: string }): JSX.Element {
  const [first = '', ...rest] = props.text;
  const pieces = (first.toLocaleUpperCase() + rest.join('')).split('`');
  return (
    <p className="jp-GovCatalog-sentence">
      {pieces.map((piece, i) => (i % 2 ? <code key={i}>{piece}</code> : piece))}
    </p>
  );
}
