/** The dialog that asks for access: purpose and scope filled in, the reason in one's own words. */
import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import { ApiError } from '../api/client';
import type { AccessRequest, Scope } from '../api/types';
import type { Env } from '../env';
import { Icon } from '../icons';
import { failureSaid } from '../words';
import type { Wish } from './model';
import { ScopeChoice } from './scope';

/** Ask until it is sent or given up; returns the request that was made. */
export async function requestAccess(env: Env, asset: string): Promise<AccessRequest | null> {
  const { requests, status, trans } = env;
  const scopes = await requests.scopes().catch(() => []);
  let wish: Wish = { asset, purpose: status.purpose, scope: scopes[0]?.name, reason: '' };
  let error = '';
  for (;;) {
    const body = new WishForm(env, scopes, wish, error);
    const answer = await new Dialog<Wish>({
      title: trans.__('Request access'),
      body,
      buttons: [
        Dialog.cancelButton({ label: trans.__('Cancel') }),
        Dialog.okButton({ label: trans.__('Send request') })
      ],
      focusNodeSelector: 'textarea'
    }).launch();
    if (!answer.button.accept || !answer.value) {
      return null;
    }
    wish = answer.value;
    if (!wish.reason.trim()) {
      error = trans.__('Say why you need it: a steward reads this.');
      continue;
    }
    try {
      return await requests.ask(wish);
    } catch (reason) {
      status.report(reason);
      error = reason instanceof ApiError ? sentence(env, reason) : trans.__('That did not work.');
    }
  }
}

function sentence(env: Env, error: ApiError): string {
  const { title, text } = failureSaid(env.trans, error);
  return `${title}: ${text}`;
}

class WishForm extends ReactWidget {
  constructor(
    private readonly env: Env,
    private readonly scopes: readonly Scope[],
    private wish: Wish,
    private readonly error: string
  ) {
    super();
    this.addClass('jp-GovCatalog-wish');
  }

  getValue(): Wish {
    return this.wish;
  }

  protected override render(): JSX.Element {
    return (
      <Form
        env={this.env}
        scopes={this.scopes}
        wish={this.wish}
        error={this.error}
        onChange={wish => {
          this.wish = wish;
        }}
      />
    );
  }
}

function Form(props: {
  env: Env;
  scopes: readonly Scope[];
  wish: Wish;
  error: string;
  onChange: (wish: Wish) => void;
}): JSX.Element {
  const { trans, status } = props.env;
  const [wish, setWish] = React.useState(props.wish);
  const set = (change: Partial<Wish>) => {
    const next = { ...wish, ...change };
    setWish(next);
    props.onChange(next);
  };
  const purposes = status.status?.purposes ?? [];
  const listed = purposes.includes(wish.purpose) ? purposes : [wish.purpose, ...purposes];
  const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
  return (
    <div className="jp-GovCatalog-form">
      {props.error && (
        <p role="alert" className="jp-GovCatalog-error">
          <Icon name="warning" />
          {props.error}
        </p>
      )}
      <div className="jp-GovCatalog-field">
        <span>{trans.__('Asset')}</span>
        <code>{wish.asset}</code>
      </div>
      <label className="jp-GovCatalog-field">
        <span>{trans.__('Purpose')}</span>
        <select
          className="jp-GovCatalog-input"
          value={wish.purpose}
          onChange={event => set({ purpose: event.target.value })}
        >
          {listed.map(purpose => (
            <option key={purpose} value={purpose}>
              {purpose || trans.__('(choose one)')}
            </option>
          ))}
        </select>
      </label>
      <label className="jp-GovCatalog-field">
        <span>{trans.__('Why you need it')}</span>
        <textarea
          className="jp-GovCatalog-input"
          rows={4}
          maxLength={2000}
          value={wish.reason}
          placeholder={trans.__('Project, question, and what you will do with the data')}
          onChange={event => set({ reason: event.target.value })}
        />
      </label>
      {props.scopes.length > 0 && (
        <label className="jp-GovCatalog-field">
          <span>{trans.__('Scope')}</span>
          <ScopeChoice
            trans={trans}
            scopes={props.scopes}
            value={wish.scope ?? ''}
            onChange={scope => set({ scope: scope || undefined })}
          />
        </label>
      )}
      <label className="jp-GovCatalog-field">
        <span>{trans.__('Until (optional)')}</span>
        <input
          type="date"
          className="jp-GovCatalog-input"
          min={tomorrow}
          value={wish.until?.slice(0, 10) ?? ''}
          onChange={event => set({ until: event.target.value ? `${event.target.value}T00:00:00Z` : undefined })}
        />
      </label>
    </div>
  );
}
