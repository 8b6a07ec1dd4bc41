"""What a governed scan reads, and where each of its conditions runs. Runs in the gateway.

INVARIANT 1: rows are filtered on raw values first, then columns are masked, then the user's
condition sees masked values. A condition on columns without a mask gives the same rows on either
side of the masks and cannot fail on a row (it is structured and type-checked, nothing is cast),
so it runs inside the reading engine together with the row filter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from jupyter_govdata.model.decision import Mask
from jupyter_govdata.model.predicate import FALSE, TRUE, And, Consent, Predicate, columns_of, walk
from jupyter_govdata.storage.binding import bind_predicate, field_of, template_columns
from jupyter_govdata.storage.masking import Masker


@dataclass(frozen=True, slots=True)
class Shape:
    """What happens to the rows.

    Args:
        raw: Columns that leave the reader: shown ones, and what masks and `late` need.
        blind: Columns that are shown without their values being read.
        early: Row filter and conditions on unmasked columns, bound to raw types.
        late: Conditions that touch a masked column, bound to shown types.
    """

    raw: tuple[str, ...]
    blind: tuple[str, ...]
    early: Predicate
    late: Predicate


def split_predicate(
    predicate: Predicate, masked: Mapping[str, Mask]
) -> tuple[Predicate, Predicate]:
    """Split a user's condition into what may run on raw values and what needs masked ones.

    Only the first part may prune files (`Catalog.plan`).
    """
    parts = predicate.args if isinstance(predicate, And) else (predicate,)
    early = tuple(p for p in parts if not columns_of(p) & masked.keys())
    late = tuple(p for p in parts if columns_of(p) & masked.keys())
    return And(early) if early else TRUE, And(late) if late else TRUE


def shape_of(
    columns: Sequence[str],
    row_filter: Predicate,
    predicate: Predicate,
    schema: pa.Schema,
    shown: pa.Schema,
    masker: Masker,
    unmasked: Iterable[str],
) -> Shape:
    """Return what happens to the rows of a scan."""
    early, late = split_predicate(predicate, masker.masks)
    late = bind_predicate(late, shown)
    early = bind_predicate(And((row_filter, early)), schema)
    needed = dict.fromkeys((*columns, *sorted(columns_of(late))))
    kinds = {name: field_of(name, schema).type for name in needed}
    blind = tuple(name for name in needed if masker.blind(name, kinds[name]))
    raw = dict.fromkeys(name for name in needed if name not in blind)
    raw.update((field_of(name, schema).name, None) for name in unmasked)
    for name in tuple(raw):
        raw.update((field_of(other, schema).name, None) for other in masker.reads(name))
    return Shape(tuple(raw), blind, FALSE if late == FALSE else early, late)


def filter_columns(predicate: Predicate) -> frozenset[str]:
    """Return the columns that a condition reads, those in templated domains included."""
    found = set(columns_of(predicate))
    for node in walk(predicate):
        if isinstance(node, Consent):
            found.update(template_columns(node.domain))
    return frozenset(found)
