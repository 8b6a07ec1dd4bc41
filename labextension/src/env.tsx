/** What every component needs, handed down once; and how a component listens to a model. */
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { ISignal } from '@lumino/signaling';
import React from 'react';

import type { Client } from './api/client';
import type { RequestsModel } from './requests/model';
import type { StatusModel } from './status/model';

export interface Env {
  readonly trans: TranslationBundle;
  readonly client: Client;
  readonly status: StatusModel;
  readonly requests: RequestsModel;
  /** Draws lineage; null where there is none (then the lists say it alone). */
  readonly rendermime: IRenderMimeRegistry | null;
  /** Run a command of the application. */
  readonly run: (command: string, args?: Record<string, string>) => void;
}

const Context = React.createContext<Env | null>(null);

export const EnvProvider = Context.Provider;

export function useEnv(): Env {
  const env = React.useContext(Context);
  if (!env) {
    throw new Error('there is no environment around this component');
  }
  return env;
}

/** Render again whenever one of some signals is emitted. */
export function useSignals(...signals: readonly ISignal<unknown, unknown>[]): void {
  const [, again] = React.useReducer((n: number) => n + 1, 0);
  React.useEffect(() => {
    const slot = () => again();
    signals.forEach(signal => signal.connect(slot));
    again(); // it may have changed between rendering and listening
    return () => signals.forEach(signal => signal.disconnect(slot));
  }, signals);
}
