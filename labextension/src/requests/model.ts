/** Access requests: mine, and those that wait for my decision. */
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError, part } from '../api/client';
import type { Client } from '../api/client';
import { request, requests, scopes } from '../api/types';
import type { AccessRequest, Scope } from '../api/types';
import type { StatusModel } from '../status/model';

/** Milliseconds between looks while something is undecided, or while the list is in sight. */
const LOOK_AGAIN = 5000;

export interface Wish {
  asset: string;
  purpose: string;
  reason: string;
  scope?: string;
  until?: string;
}

/** An approval; a scope names what is granted, an end overrides what was asked for. */
export interface Decision {
  reason: string;
  scope?: string;
  until?: string;
}

export class RequestsModel {
  constructor(
    private readonly client: Client,
    private readonly status: StatusModel
  ) {
    status.viewChanged.connect(this.onView, this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted with a request of mine that somebody decided. */
  get decided(): ISignal<this, AccessRequest> {
    return this._decided;
  }

  /** Newest first; null before the first answer. */
  get mine(): readonly AccessRequest[] | null {
    return this._mine;
  }

  get inbox(): readonly AccessRequest[] | null {
    return this._inbox;
  }

  /** Open requests that wait for my decision. */
  get toDecide(): number {
    return this._toDecide;
  }

  get error(): ApiError | null {
    return this._error;
  }

  /** Whether the list is in sight; it is kept fresh then. */
  set watched(watched: boolean) {
    this._watched = watched;
    if (watched) {
      void this.refresh();
    }
  }

  async refresh(): Promise<void> {
    this._looking ??= this.look().finally(() => {
      this._looking = null;
      this.schedule();
    });
    return this._looking;
  }

  /** What can be asked for; nothing where the lake names nothing. */
  async scopes(): Promise<readonly Scope[]> {
    return (await this.client.get('requests/scopes', scopes)).scopes;
  }

  /** Ask for access. */
  async ask(wish: Wish): Promise<AccessRequest> {
    const made = await this.client.post('requests', request, wish);
    await this.again();
    return made;
  }

  async approve(id: string, decision: Decision): Promise<void> {
    await this.client.post(`requests/${part(id)}/approve`, request, decision);
    await this.again();
  }

  async refuse(id: string, reason: string): Promise<void> {
    await this.client.post(`requests/${part(id)}/refuse`, request, { reason });
    await this.again();
  }

  async withdraw(id: string): Promise<void> {
    await this.client.post(`requests/${part(id)}/withdraw`, request);
    await this.again();
  }

  /** The open request of mine for an asset under the chosen purpose, if there is one. */
  pending(asset: string): AccessRequest | null {
    const { purpose } = this.status;
    return this.open().find(r => r.asset === asset && r.purpose === purpose) ?? null;
  }

  /** What I have asked for and nobody has decided. */
  open(): readonly AccessRequest[] {
    return this._mine?.filter(r => r.state === 'open') ?? [];
  }

  dispose(): void {
    this._disposed = true;
    clearTimeout(this._timer);
    this.status.viewChanged.disconnect(this.onView, this);
    Signal.clearData(this);
  }

  private onView(): void {
    void this.refresh();
  }

  private async again(): Promise<void> {
    await this._looking;
    await this.refresh();
    // A decision makes a new epoch: who listens to the status reads anew.
    await this.status.refresh();
  }

  private async look(): Promise<void> {
    try {
      const [mine, inbox] = await Promise.all([
        this.client.get('requests', requests, { box: 'mine', limit: 100 }, { fresh: true }),
        this.client.get('requests', requests, { box: 'inbox', limit: 100 }, { fresh: true })
      ]);
      const before = this._mine;
      this._mine = mine.requests;
      this._inbox = inbox.requests;
      this._toDecide = inbox.to_decide || inbox.requests.filter(r => r.can_decide && r.state === 'open').length;
      this._error = null;
      this.tell(before);
    } catch (reason) {
      this.status.report(reason);
      this._error =
        reason instanceof ApiError ? reason : new ApiError('failed', 'failed', 'the requests could not be read');
    }
    if (!this._disposed) {
      this._changed.emit();
    }
  }

  private tell(before: readonly AccessRequest[] | null): void {
    const decided = (this._mine ?? []).filter(
      now =>
        (now.state === 'approved' || now.state === 'refused') &&
        before?.some(then => then.id === now.id && then.state === 'open')
    );
    decided.forEach(one => this._decided.emit(one));
    if (decided.length) {
      void this.status.refresh();
    }
  }

  private schedule(): void {
    clearTimeout(this._timer);
    const undecided = this._mine?.some(r => r.state === 'open');
    if (!this._disposed && this.status.link === 'ready' && (this._watched || undecided)) {
      this._timer = setTimeout(() => void this.refresh(), LOOK_AGAIN);
    }
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _decided = new Signal<this, AccessRequest>(this);
  private _mine: readonly AccessRequest[] | null = null;
  private _inbox: readonly AccessRequest[] | null = null;
  private _toDecide = 0;
  private _error: ApiError | null = null;
  private _watched = false;
  private _looking: Promise<void> | null = null;
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _disposed = false;
}
