/** The dialog that asks for access: purpose and scope filled in, the reason in one's own words. */
import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import React from 'react';

import { ApiError } from '../api/client';
import type { AccessRequest } from '../api/types';
import type { Env } from '../env';
import { Icon } from '../icons';
import { failureSaid } from '../words';
import type { Wish } from './model';

/** Ask until it is sent or given up; returns the request that was made. */
export async function requestAccess(env: Env, asset: string): Promise<AccessRequest | null> {
  const { requests, status, trans } = env;
  let wish: Wish = { asset, purpose: status.purpose, reason: '' };
  let error = '';
  for (;;) {
    const body = new WishForm(env, wish, error);
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
    private wish: Wish,
    private readonly error: string
  ) {
    super();
    this.addClass('jp-govdata-wish');
  }

  getValue(): Wish {
    return this.wish;
  }

  protected override render(): JSX.Element {
    return (
      <Form
        env={this.env}
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
    <div className="jp-govdata-form">
      {props.error && (
        <p role="alert" className="jp-govdata-error">
          <Icon name="warning" />
          {props.error}
        </p>
      )}
      <div className="jp-govdata-field">
        <span>{trans.__('Asset')}</span>
        <code>{wish.asset}</code>
      </div>
      <label className="jp-govdata-field">
        <span>{trans.__('Purpose')}</span>
        <select
          className="jp-govdata-input"
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
      <label className="jp-govdata-field">
        <span>{trans.__('Why you need it')}</span>
        <textarea
          className="jp-govdata-input"
          rows={4}
          maxLength={2000}
          value={wish.reason}
          placeholder={trans.__('Project, question, and what you will do with the data')}
          onChange={event => set({ reason: event.target.value })}
        />
      </label>
      <label className="jp-govdata-field">
        <span>{trans.__('Scope, if the steward named one')}</span>
        <input
          className="jp-govdata-input"
          maxLength={200}
          value={wish.scope ?? ''}
          onChange={event => set({ scope: event.target.value || undefined })}
        />
      </label>
      <label className="jp-govdata-field">
        <span>{trans.__('Until (optional)')}</span>
        <input
          type="date"
          className="jp-govdata-input"
          min={tomorrow}
          value={wish.until?.slice(0, 10) ?? ''}
          onChange={event => set({ until: event.target.value ? `${event.target.value}T00:00:00Z` : undefined })}
        />
      </label>
    </div>
  );
}
