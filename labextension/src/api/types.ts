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
