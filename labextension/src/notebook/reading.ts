/**
 * What the active notebook read, and the work that is done about it. Knows nothing of JupyterLab:
 * it is given notebooks, a client and the status, and says when something changed.
 */
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { ApiError } from '../api/client';
import type { ExportForm, Held, Job, JudgedCell, NotebookClient, Pins } from '../api/notebook';
import type { StatusModel } from '../status/model';

/** An open notebook, as far as it matters here. */
export interface INotebook {
  readonly path: string;
  readonly name: string;
  /** The notebook with its stamps and without other outputs, as the editor has it. */
  view(): unknown;
  /** What a request would say that it did not say before; equal texts need no new request. */
  fingerprint(): string;
  /** First line of a cell's query. */
  preview(cellId: string): string;
  save(): Promise<void>;
}

export type Action = 'rerun-stamped' | 'rerun-current' | 'verify' | 'export';

/** Work on one notebook. It stays after its end, until the next or until it is put away. */
export interface IWork {
  readonly action: Action;
  readonly job: Job | null;
  readonly error: ApiError | null;
  readonly isStopping: boolean;
}

/** Milliseconds between two looks at a job that runs. */
const LOOK_AGAIN = 400;

export class ReadingModel {
  constructor(
    private readonly client: NotebookClient,
    private readonly status: StatusModel,
    private readonly lookAgain = LOOK_AGAIN
  ) {
    status.viewChanged.connect(() => this.refresh(true), this);
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Emitted when work has ended. */
  get ended(): ISignal<this, IWork> {
    return this._ended;
  }

  get notebook(): INotebook | null {
    return this._notebook;
  }

  get pins(): Pins | null {
    return this._pins;
  }

  get error(): ApiError | null {
    return this._error;
  }

  get isLoading(): boolean {
    return this._loading;
  }

  /** The work on the active notebook. */
  get work(): IWork | null {
    return this._notebook ? (this._works.get(this._notebook.path) ?? null) : null;
  }

  get isRunning(): boolean {
    const { work } = this;
    return !!work && !work.error && (work.job?.state ?? 'running') === 'running';
  }

  /** What the last work on the active notebook found of a cell. */
  verdictOf(cellId: string): JudgedCell | null {
    const cells = this.work?.job?.result?.cells ?? [];
    return cells.find(cell => cell.cell === cellId || `#${cell.place}` === cellId) ?? null;
  }

  /** Whether somebody looks; nothing is asked while nobody does. */
  set isShown(shown: boolean) {
    this._shown = shown;
    this.refresh();
  }

  show(notebook: INotebook | null): void {
    if (notebook?.path !== this._notebook?.path) {
      this._pins = null;
      this._error = null;
      this._asked = '';
    }
    this._notebook = notebook;
    this._changed.emit();
    this.refresh();
  }

  /** Ask again if the notebook, or what one may see, has changed; `anyway`: in any case. */
  refresh(anyway = false): void {
    const notebook = this._notebook;
    if (!notebook || !this._shown || this._disposed) {
      if (anyway) {
        this._asked = '';
      }
      return;
    }
    const asked = JSON.stringify([notebook.path, this.status.purpose, notebook.fingerprint()]);
    if (anyway || asked !== this._asked) {
      this._asked = asked;
      void this.load(notebook, asked);
    }
  }

  /** The purpose that a rerun asks under: that of the stamps, or the chosen one if they differ. */
  get purpose(): string {
    const [only, ...others] = this._pins?.purposes ?? [];
    return only !== undefined && !others.length ? only : this.status.purpose;
  }

  /** Save the notebook and start work on it; a notebook has one work at a time. */
  async start(action: Action, form: ExportForm = 'ro-crate'): Promise<void> {
    const notebook = this._notebook;
    if (!notebook || this.isRunning) {
      return;
    }
    const { path } = notebook;
    this.set(path, { action, job: null, error: null, isStopping: false });
    try {
      await notebook.save();
      const job = await this.begin(action, path, form);
      this.set(path, { action, job, error: null, isStopping: false });
      await this.follow(path);
    } catch (reason) {
      this.fail(path, reason);
    }
  }

  async stop(): Promise<void> {
    const path = this._notebook?.path;
    const work = path === undefined ? undefined : this._works.get(path);
    if (path === undefined || !work?.job || work.job.state !== 'running') {
      return;
    }
    this.set(path, { ...work, isStopping: true });
    try {
      await this.client.stop(work.job.id);
    } catch (reason) {
      this.fail(path, reason);
    }
  }

  /** Put the last work's result away. */
  putAway(): void {
    if (this._notebook && !this.isRunning) {
      this._works.delete(this._notebook.path);
      this._changed.emit();
    }
  }

  async hold(until: string, name: string): Promise<Held> {
    if (!this._notebook) {
      return { held: [], refused: [] };
    }
    const notebook = this._notebook;
    await notebook.save();
    const held = await this.client.hold(notebook.path, until, name, this.purpose);
    this.refresh(true);
    return held;
  }

  dispose(): void {
    this._disposed = true;
    this._timers.forEach(timer => clearTimeout(timer));
    Signal.clearData(this);
  }

  private async load(notebook: INotebook, asked: string): Promise<void> {
    this._loading = true;
    this._changed.emit();
    let pins: Pins | null = null;
    let error: ApiError | null = null;
    try {
      pins = await this.client.pins(notebook.path, notebook.view(), this.status.purpose);
      const told = pins.error;
      error = told && new ApiError('unreachable', told.code, told.message, told.hint);
    } catch (reason) {
      error = asApiError(reason);
      this.status.report(reason);
    }
    if (this._disposed || asked !== this._asked) {
      return; // a later question is under way
    }
    this._loading = false;
    this._error = error;
    // What was known stays while the gateway is away; a refusal takes it along.
    const isAway = error?.failure === 'offline' || error?.failure === 'unreachable';
    this._pins = isAway ? (this._pins ?? pins) : pins;
    if (isAway) {
      this._asked = '';
    }
    this._changed.emit();
  }

  private begin(action: Action, path: string, form: ExportForm): Promise<Job> {
    const output = path.replace(/(\.ipynb)?$/, '.rerun.ipynb');
    switch (action) {
      case 'rerun-stamped':
        return this.client.rerun(path, 'stamped', output, this.purpose);
      case 'rerun-current':
        return this.client.rerun(path, 'current', output, this.purpose);
      case 'verify':
        return this.client.verify(path, this.purpose);
      case 'export':
        return this.client.export(path, form);
    }
  }

  private async follow(path: string): Promise<void> {
    for (;;) {
      const work = this._works.get(path);
      if (!work?.job || this._disposed) {
        return;
      }
      if (work.job.state !== 'running') {
        this._ended.emit(work);
        this.refresh(true);
        return;
      }
      await this.pause();
      try {
        const job = await this.client.job(work.job.id);
        const now = this._works.get(path);
        if (now) {
          this.set(path, { ...now, job });
        }
      } catch (reason) {
        const error = asApiError(reason);
        if (error.failure !== 'offline') {
          throw reason;
        }
        this.status.report(reason); // the job goes on; it is asked for again
      }
    }
  }

  private pause(): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        this._timers.delete(timer);
        resolve();
      }, this.lookAgain);
      this._timers.add(timer);
    });
  }

  private fail(path: string, reason: unknown): void {
    const work = this._works.get(path);
    if (work) {
      this.set(path, { ...work, error: asApiError(reason), isStopping: false });
    }
  }

  private set(path: string, work: IWork): void {
    this._works.set(path, work);
    this._changed.emit();
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _ended = new Signal<this, IWork>(this);
  private readonly _works = new Map<string, IWork>();
  private readonly _timers = new Set<ReturnType<typeof setTimeout>>();
  private _notebook: INotebook | null = null;
  private _pins: Pins | null = null;
  private _error: ApiError | null = null;
  private _asked = '';
  private _loading = false;
  private _shown = false;
  private _disposed = false;
}

function asApiError(reason: unknown): ApiError {
  if (reason instanceof ApiError) {
    return reason;
  }
  const message = reason instanceof Error ? reason.message : String(reason);
  return new ApiError('failed', 'failed', message);
}
