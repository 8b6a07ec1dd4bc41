/** One model of who asks, for which purpose, and how the gateway is; every part listens to it. */
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api/client';
import type { Client } from '../api/client';
import { status } from '../api/types';
import type { Status } from '../api/types';

/**
 * State of the way to the data: `loading` before the first answer, `offline` without Jupyter server,
 * `absent` where that server lacks our extension.
 */
export type Link = Status['state'] | 'loading' | 'offline' | 'absent' | 'failed';

export interface IPurposeStore {
  load(): Promise<string | null>;
  save(purpose: string): Promise<void>;
}

/** Milliseconds until the next look, by state: a gateway that is away is looked for more often. */
const LOOK_AGAIN: Record<Link, number> = {
  loading: 1000,
  starting: 1000,
  ready: 30000,
  unreachable: 3000,
  offline: 3000,
  absent: 30000,
  failed: 10000,
  unconfigured: 30000
};

export class StatusModel {
  constructor(
    private readonly client: Client,
    private readonly store: IPurposeStore | null = null
  ) {}

  /** Emitted whenever anything here changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when what one may see may have changed: principal, purpose or epoch, or it is back. */
  get viewChanged(): ISignal<this, void> {
    return this._viewChanged;
  }

  get link(): Link {
    return this._link;
  }

  /** The last answer; null before the first. It stays while the gateway is away. */
  get status(): Status | null {
    return this._status;
  }

  /** Why the link is not ready. */
  get error(): ApiError | null {
    return this._error;
  }

  /** The purpose that requests are made under; empty: the principal's own. */
  get purpose(): string {
    const chosen = this._chosen;
    return chosen && (!this._status || this._status.purposes.includes(chosen))
      ? chosen
      : (this._status?.purpose ?? '');
  }

  get isDisposed(): boolean {
    return this._disposed;
  }

  /** Load the choice of purpose, look, and go on looking until disposed. */
  async start(): Promise<void> {
    try {
      this._chosen = (await this.store?.load()) ?? '';
    } catch {
      this._chosen = '';
    }
    await this.refresh();
  }

  /** Choose a purpose; nothing is sent, the next requests carry it. */
  async choose(purpose: string): Promise<void> {
    if (purpose === this.purpose) {
      return;
    }
    this._chosen = purpose;
    this._changed.emit();
    this._viewChanged.emit();
    await this.store?.save(purpose);
  }

  /** Look now. */
  async refresh(): Promise<void> {
    if (this._looking) {
      return this._looking;
    }
    this._looking = this.look().finally(() => {
      this._looking = null;
      this.schedule();
    });
    return this._looking;
  }

  dispose(): void {
    if (this._disposed) {
      return;
    }
    this._disposed = true;
    clearTimeout(this._timer);
    Signal.clearData(this);
  }

  /** Take what a failed request says about the link; other failures are the asker's own. */
  report(reason: unknown): void {
    if (
      reason instanceof ApiError &&
      (reason.failure === 'offline' || reason.failure === 'unreachable')
    ) {
      this.settle(reason.failure, this._status, reason);
      this.schedule();
    }
  }

  private async look(): Promise<void> {
    try {
      const answer = await this.client.get('status', status, {}, { fresh: true });
      const told = answer.error;
      const error =
        answer.state === 'ready' || !told
          ? null
          : new ApiError('unreachable', told.code, told.message, told.hint);
      this.settle(answer.state, answer.state === 'ready' ? answer : (this._status ?? answer), error);
    } catch (reason) {
      const error =
        reason instanceof ApiError
          ? reason
          : new ApiError('failed', 'failed', 'the state of the gateway is not known');
      this.settle(linkOf(error), this._status, error);
    }
  }

  private settle(link: Link, next: Status | null, error: ApiError | null): void {
    if (this._disposed) {
      return;
    }
    const before = this.view();
    const said = this.said();
    this._link = link;
    this._status = next;
    this._error = error;
    if (this.said() !== said) {
      this._changed.emit();
    }
    if (link === 'ready' && this.view() !== before) {
      this._viewChanged.emit();
    }
  }

  private view(): string {
    const { principal = '', epoch = 0, lake = '' } = this._status ?? {};
    return JSON.stringify([this._link === 'ready', principal, epoch, lake, this.purpose]);
  }

  private said(): string {
    const { status: now, error, link } = this;
    return JSON.stringify([link, now, error?.code, error?.message]);
  }

  private schedule(): void {
    clearTimeout(this._timer);
    if (!this._disposed) {
      this._timer = setTimeout(() => void this.refresh(), LOOK_AGAIN[this._link]);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _viewChanged = new Signal<this, void>(this);
  private _link: Link = 'loading';
  private _status: Status | null = null;
  private _error: ApiError | null = null;
  private _chosen = '';
  private _looking: Promise<void> | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
}

/** What a failed look says about the link. */
function linkOf(error: ApiError): Link {
  switch (error.failure) {
    case 'offline':
    case 'unreachable':
      return error.failure;
    case 'missing':
      return 'absent';
    case 'refused':
    case 'invalid':
    case 'unauthenticated':
    case 'failed':
      return 'failed';
  }
}
