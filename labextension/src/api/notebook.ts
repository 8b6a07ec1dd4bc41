/** What the server extension answers about notebooks: pins, jobs, holds. */
import { list, nullable, number, object, oneOf, optional, text } from './guards';
import type { Guarded } from './guards';
import type { Client } from './client';
import { part } from './client';

const cellAsset = object({ asset: text, snapshot_id: text });

const pinnedCell = object({
  cell_id: text,
  index: number,
  status: optional(text, ''),
  assets: optional(list(cellAsset), []),
  problems: optional(list(text), [])
});
export type PinnedCell = Guarded<typeof pinnedCell>;

const pinnedAsset = object({
  asset: text,
  snapshot_id: text,
  cells: optional(list(text), []),
  committed_at: nullable(text),
  newer: nullable(number),
  newest_snapshot_id: nullable(text),
  until: nullable(text),
  why: optional(text, '')
});
export type PinnedAsset = Guarded<typeof pinnedAsset>;

const verifiedCell = object({ cell_id: text, status: text, why: optional(text, '') });

const pins = object({
  purposes: optional(list(text), []),
  cells: list(pinnedCell),
  assets: list(pinnedAsset),
  verification: nullable(object({ status: text, cells: optional(list(verifiedCell), []) })),
  error: nullable(
    object({ code: optional(text, ''), message: optional(text, ''), hint: optional(text, '') })
  )
});
/** What a notebook read, beside what the lake has now. */
export type Pins = Guarded<typeof pins>;

/** A cell of a job's result: of a rerun or of a verification. */
const judgedCell = object({
  cell: text,
  place: optional(number, 0),
  verdict: text,
  causes: optional(list(text), []),
  why: optional(text, ''),
  notes: optional(list(text), []),
  assets: optional(list(text), [])
});
export type JudgedCell = Guarded<typeof judgedCell>;

const result = object({
  verdict: optional(text, ''),
  out: optional(text, ''),
  error: optional(text, ''),
  cells: optional(list(judgedCell), [])
});
export type JobResult = Guarded<typeof result>;

export const KINDS = ['rerun', 'verify', 'export', 'other'] as const;

const job = object({
  id: text,
  kind: oneOf(KINDS, 'other'),
  state: oneOf(['running', 'done', 'failed', 'stopped'], 'failed'),
  exit_status: nullable(number),
  result: nullable(result),
  log_tail: optional(text, '')
});
/** Work of the server that takes long; it goes on when nobody looks. */
export type Job = Guarded<typeof job>;

const started = object({ job });

const held = object({
  held: optional(list(object({ asset: text, snapshot_id: text, until: nullable(text) })), []),
  refused: optional(list(object({ asset: text, message: optional(text, '') })), [])
});
export type Held = Guarded<typeof held>;

export const EXPORTS = ['ro-crate', 'openlineage', 'prov'] as const;
export type ExportForm = (typeof EXPORTS)[number];

/** The part of the server extension that is about notebooks. */
export class NotebookClient {
  constructor(private readonly client: Client) {}

  /** Ask what a notebook read; `content` is what the editor has, saved or not. */
  async pins(path: string, content: unknown, purpose: string): Promise<Pins> {
    return this.client.post('notebooks/pins', pins, { path, content, purpose });
  }

  /** Run a notebook again in a copy that is thrown away, and compare. */
  async verify(path: string, purpose: string): Promise<Job> {
    return this.start('notebooks/verify', { path, purpose });
  }

  async rerun(
    path: string,
    pins: 'stamped' | 'current',
    output: string,
    purpose: string
  ): Promise<Job> {
    return this.start('notebooks/rerun', { path, pins, output, purpose });
  }

  async export(path: string, to: ExportForm): Promise<Job> {
    return this.start('notebooks/export', { path, to });
  }

  async hold(path: string, until: string, name: string, purpose: string): Promise<Held> {
    return this.client.post('notebooks/hold', held, { path, until, name, purpose });
  }

  async job(id: string): Promise<Job> {
    return this.client.get(`jobs/${part(id)}`, job, {}, { fresh: true });
  }

  async stop(id: string): Promise<Job> {
    return this.client.delete(`jobs/${part(id)}`, job);
  }

  private async start(path: string, body: object): Promise<Job> {
    return (await this.client.post(path, started, body)).job;
  }
}
