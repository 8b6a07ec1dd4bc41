/**
 * What the server extension answers, as guards, and the types that follow from them.
 *
 * Snapshot ids are text (64 bits do not fit a JSON number); times are ISO 8601 in UTC.
 */
import { flag, list, mapping, nullable, number, object, oneOf, optional, text } from './guards';
import type { Guarded } from './guards';

export const ACCESS = ['all', 'filtered', 'masked', 'none'] as const;
/** How a principal sees an asset; `none`: it is visible, but reading is refused. */
export type Access = (typeof ACCESS)[number];

export const status = object({
  state: oneOf(['ready', 'starting', 'unreachable', 'unconfigured'], 'unreachable'),
  principal: optional(text, ''),
  name: optional(text, ''),
  groups: optional(list(text), []),
  purpose: optional(text, ''),
  purposes: optional(list(text), []),
  wall: optional(text, ''),
  epoch: optional(number, 0),
  lake: optional(text, ''),
  version: optional(text, ''),
  stewards: optional(flag, false),
  error: nullable(object({ code: optional(text, ''), message: optional(text, ''), hint: optional(text, '') }))
});
export type Status = Guarded<typeof status>;

export const tags = optional(mapping(text), new Map<string, string>());

export const summary = object({
  name: text,
  kind: optional(text, 'table'),
  description: optional(text, ''),
  access: oneOf(ACCESS, 'none'),
  owner: optional(text, ''),
  steward: optional(text, ''),
  tags,
  matched: optional(list(text), []),
  pending_request: optional(flag, false)
});
export type Summary = Guarded<typeof summary>;

const facet = object({ value: text, count: number });
export type Facet = Guarded<typeof facet>;

export const catalog = object({
  epoch: optional(number, 0),
  total: number,
  namespaces: list(object({ name: text, count: number })),
  facets: optional(
    object({
      modality: optional(list(facet), []),
      tag: optional(list(facet), []),
      owner: optional(list(facet), [])
    }),
    { modality: [], tag: [], owner: [] }
  ),
  assets: list(summary)
});
export type Catalog = Guarded<typeof catalog>;

const snapshot = object({
  snapshot_id: text,
  committed_at: optional(text, ''),
  operation: optional(text, ''),
  added_rows: nullable(number),
  removed_rows: nullable(number),
  total_rows: nullable(number),
  tags: optional(list(text), []),
  provenance: optional(mapping(text), new Map<string, string>())
});

const change = object({
  column: text,
  change: oneOf(['added', 'removed', 'renamed', 'retyped'], 'retyped'),
  from: optional(text, ''),
  to: optional(text, '')
});
export type Change = Guarded<typeof change>;

const column = object({
  name: text,
  type: optional(text, ''),
  unit: optional(text, ''),
  description: optional(text, ''),
  tags,
  mask: nullable(text),
  policy: optional(text, '')
});
export type Column = Guarded<typeof column>;

export const card = object({
  name: text,
  kind: optional(text, 'table'),
  description: optional(text, ''),
  access: oneOf(ACCESS, 'none'),
  owner: optional(text, ''),
  steward: optional(text, ''),
  tags,
  licence: optional(text, ''),
  source: optional(text, ''),
  generated_by: optional(text, ''),
  transformations: optional(text, ''),
  quality: optional(list(text), []),
  suitable_for: optional(text, ''),
  limitations: optional(text, ''),
  intended_use: optional(text, ''),
  risk_class: optional(text, ''),
  columns: optional(list(column), []),
  row_filter: optional(text, ''),
  why: optional(list(text), []),
  policies: optional(list(text), []),
  purpose: optional(text, ''),
  epoch: optional(number, 0),
  snapshot: nullable(snapshot),
  completeness: nullable(
    object({
      filled: optional(list(text), []),
      missing: optional(list(text), []),
      share: number
    })
  )
});
export type Card = Guarded<typeof card>;

const version = object({
  snapshot_id: text,
  committed_at: optional(text, ''),
  operation: optional(text, ''),
  added_rows: nullable(number),
  removed_rows: nullable(number),
  total_rows: nullable(number),
  tags: optional(list(text), []),
  schema: optional(list(change), [])
});
export type Version = Guarded<typeof version>;

export const versions = object({ total: number, versions: list(version) });

export const comparison = object({
  added_rows: nullable(number),
  removed_rows: nullable(number),
  schema: optional(list(change), [])
});
export type Comparison = Guarded<typeof comparison>;

export const preview = object({
  columns: list(object({ name: text, type: optional(text, ''), mask: nullable(text) })),
  rows: list(list(nullable(text))),
  snapshot_id: nullable(text)
});
export type Preview = Guarded<typeof preview>;

const file = object({
  key: text,
  name: text,
  path: optional(text, ''),
  format: optional(text, ''),
  size: nullable(number)
});
/** A file that one may open; `key` names it in requests. */
export type GovernedFile = Guarded<typeof file>;

export const files = object({
  total: number,
  bytes: nullable(number),
  formats: optional(mapping(number), new Map<string, number>()),
  thumbnails: optional(flag, false),
  files: list(file)
});
export type Files = Guarded<typeof files>;

export const lineage = object({
  nodes: list(object({ id: text, name: text, kind: optional(text, '') })),
  edges: list(object({ from: text, to: text, by: optional(text, '') })),
  complete: optional(flag, true)
});
export type Lineage = Guarded<typeof lineage>;

export const citation = object({ text, bibtex: optional(text, '') });
export type Citation = Guarded<typeof citation>;

export const request = object({
  id: text,
  asset: text,
  principal: optional(text, ''),
  purpose: optional(text, ''),
  scope: optional(text, ''),
  reason: optional(text, ''),
  state: oneOf(['open', 'approved', 'refused', 'withdrawn', 'expired'], 'expired'),
  requested_at: optional(text, ''),
  until: nullable(text),
  decided_by: optional(text, ''),
  decided_at: nullable(text),
  decision_reason: optional(text, ''),
  can_decide: optional(flag, false),
  note: optional(text, '')
});
export type AccessRequest = Guarded<typeof request>;

export const requests = object({
  total: number,
  requests: list(request),
  to_decide: optional(number, 0),
  decides: optional(flag, false)
});

export const scopes = object({
  scopes: list(object({ name: text, description: optional(text, '') }))
});
export type Scope = Guarded<typeof scopes>['scopes'][number];
