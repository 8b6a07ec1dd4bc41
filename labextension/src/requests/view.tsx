/** Requests: those that wait for my decision, and what became of mine. */
import React from 'react';

import { ApiError } from '../api/client';
import type { AccessRequest, Scope } from '../api/types';
import { useEnv, useSignals } from '../env';
import { Icon } from '../icons';
import { Button, Failed, Loading, Notice } from '../parts';
import { Commands } from '../tokens';
import { ScopeChoice } from './scope';
import { day, failureSaid, moment, requestSaid } from '../words';

export function RequestsView(): JSX.Element {
  const { trans, requests } = useEnv();
  useSignals(requests.changed);
  React.useEffect(() => {
    requests.watched = true;
    return () => {
      requests.watched = false;
    };
  }, [requests]);
  const { mine, inbox, error } = requests;
  if (error && !mine) {
    return <Failed error={error} again={() => void requests.refresh()} />;
  }
  if (!mine || !inbox) {
    return <Loading />;
  }
  const waiting = inbox.filter(r => r.state === 'open' && r.can_decide);
  const decided = inbox.filter(r => !waiting.includes(r));
  return (
    <div className="jp-GovCatalog-requests" tabIndex={-1}>
      {waiting.length > 0 && (
        <RequestList title={trans.__('Waiting for your decision')} requests={waiting} by />
      )}
      <RequestList title={trans.__('My requests')} requests={mine}>
        <Notice
          title={trans.__('You asked for nothing yet')}
          text={trans.__('An asset that you may not read has a button “Request access” on its card.')}
        />
      </RequestList>
      {decided.length > 0 && <RequestList title={trans.__('Decided')} requests={decided} by />}
    </div>
  );
}

/** Requests under a title; `children` stand there where there are none. */
function RequestList(props: {
  title: string;
  requests: readonly AccessRequest[];
  by?: boolean;
  children?: React.ReactNode;
}): JSX.Element {
  const { title, requests, by } = props;
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {requests.length ? (
        <ul>
          {requests.map(r => (
            <RequestEntry key={r.id} request={r} by={by} />
          ))}
        </ul>
      ) : (
        props.children
      )}
    </section>
  );
}

function RequestEntry(props: { request: AccessRequest; by?: boolean }): JSX.Element {
  const { request, by } = props;
  const { trans, run, requests } = useEnv();
  const said = requestSaid(trans, request.state);
  return (
    <li className={`jp-GovCatalog-request jp-mod-${request.state}`}>
      <p className="jp-GovCatalog-versionhead">
        <button
          type="button"
          className="jp-GovCatalog-link"
          onClick={() => run(Commands.openAsset, { asset: request.asset })}
        >
          {request.asset}
        </button>
        <span className="jp-GovCatalog-access" title={said.sentence}>
          <Icon name={said.icon} />
          {said.word}
        </span>
      </p>
      <p>
        {by ? trans.__('%1 asks for %2', request.principal, request.purpose) : trans.__('for %1', request.purpose)}
        {request.scope && ` · ${request.scope}`}
      </p>
      {request.reason && <blockquote>{request.reason}</blockquote>}
      {request.decision_reason && (
        <p>{trans.__('%1 said: %2', request.decided_by, request.decision_reason)}</p>
      )}
      {request.note && <p className="jp-GovCatalog-why">{request.note}</p>}
      <p className="jp-GovCatalog-why">
        {trans.__('asked %1', moment(request.requested_at))}
        {request.until && ' · ' + trans.__('until %1', day(request.until))}
      </p>
      {request.state === 'open' && by && request.can_decide && <Decide request={request} />}
      {request.state === 'open' && !by && (
        <Attempt label={trans.__('Withdraw')} act={() => requests.withdraw(request.id)} />
      )}
    </li>
  );
}

function Decide(props: { request: AccessRequest }): JSX.Element {
  const { id, until } = props.request;
  const { trans, requests } = useEnv();
  const [reason, setReason] = React.useState('');
  const [scope, setScope] = React.useState(props.request.scope);
  const [scopes, setScopes] = React.useState<readonly Scope[]>([]);
  React.useEffect(() => {
    let wanted = true;
    requests.scopes().then(
      found => wanted && setScopes(found),
      () => wanted && setScopes([])
    );
    return () => {
      wanted = false;
    };
  }, [requests]);
  const [end, setEnd] = React.useState(until?.slice(0, 10) ?? '');
  const said = reason.trim();
  return (
    <div className="jp-GovCatalog-form">
      <label className="jp-GovCatalog-field">
        <span>{trans.__('Reason')}</span>
        <input
          className="jp-GovCatalog-input"
          maxLength={1000}
          value={reason}
          placeholder={trans.__('The requester reads this')}
          onChange={event => setReason(event.target.value)}
        />
      </label>
      {scopes.length > 0 && (
        <label className="jp-GovCatalog-field">
          <span>{trans.__('Scope')}</span>
          <ScopeChoice trans={trans} scopes={scopes} value={scope} onChange={setScope} />
        </label>
      )}
      <label className="jp-GovCatalog-field">
        <span>{trans.__('Access until (optional)')}</span>
        <input
          type="date"
          className="jp-GovCatalog-input"
          value={end}
          onChange={event => setEnd(event.target.value)}
        />
      </label>
      <div className="jp-GovCatalog-actions">
        <Attempt
          primary
          label={trans.__('Approve')}
          disabled={!said}
          act={() =>
            requests.approve(id, {
              reason: said,
              scope: scope || undefined,
              until: end ? `${end}T00:00:00Z` : undefined
            })
          }
        />
        <Attempt label={trans.__('Refuse')} disabled={!said} act={() => requests.refuse(id, said)} />
      </div>
    </div>
  );
}

/** A button that sends something, and says what went wrong beside itself. */
function Attempt(props: {
  label: string;
  primary?: boolean;
  disabled?: boolean;
  act: () => Promise<void>;
}): JSX.Element {
  const { trans, status } = useEnv();
  const [state, setState] = React.useState<'idle' | 'busy' | ApiError>('idle');
  const mounted = React.useRef(true);
  React.useEffect(() => {
    mounted.current = true;
    return () => {
      mounted.current = false;
    };
  }, []);
  const start = async () => {
    setState('busy');
    let next: 'idle' | ApiError = 'idle';
    try {
      await props.act();
    } catch (reason) {
      status.report(reason);
      next = reason instanceof ApiError ? reason : new ApiError('failed', 'failed', trans.__('that did not work'));
    }
    if (mounted.current) {
      setState(next);
    }
  };
  return (
    <>
      <Button
        label={props.label}
        primary={props.primary}
        disabled={props.disabled === true || state === 'busy'}
        onClick={() => void start()}
      />
      {state instanceof ApiError && (
        <span role="alert" className="jp-GovCatalog-error">
          <Icon name="warning" />
          {failureSaid(trans, state).text}
        </span>
      )}
    </>
  );
}
