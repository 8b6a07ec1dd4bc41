"""What a principal may see of all assets at once: access and columns. Runs in the gateway.

Nothing here decides anew: rows and columns that no policy can tell apart (`Likeness`) share one
answer, so 100,000 assets cost as many evaluations as there are kinds. What it says is what
`PolicyEngine.decide` says of each asset alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.predicate import FALSE, TRUE
from jupyter_govdata.policy.columns import shown_as
from jupyter_govdata.policy.discovery import Discovery, Mask
from jupyter_govdata.policy.evaluation import Evaluator, Question, namespace_in
from jupyter_govdata.policy.index import target_of
from jupyter_govdata.policy.likeness import Likeness
from jupyter_govdata.policy.sorting import ColumnTable, Numbers, Sorting

NO_ROWS, SOME_ROWS, ALL_ROWS = 0, 1, 2
AS_STORED, MASKED, HIDDEN = 0, 1, 2
Access = Literal["all", "filtered", "masked", "none"]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class Sight:
    """What one question sees; positions are those of `Overview.names`.

    Args:
        visible: Assets that may be discovered.
        rows: `NO_ROWS`, `SOME_ROWS` or `ALL_ROWS` of each asset; `NO_ROWS` where not visible.
        now_dependent: True if it holds only for the second it was made in.
    """

    visible: Mask
    rows: Bytes
    now_dependent: bool


class Overview:
    """Answer for all assets of an epoch.

    Args:
        evaluator: Of the epoch.
        before: Of an older epoch with the same policies: spares what did not change.
    """

    def __init__(self, evaluator: Evaluator, before: Overview | None = None) -> None:
        self._evaluator = evaluator
        self._likeness: Likeness = before._likeness if before is not None else Likeness(evaluator)
        # Only what was found is kept of an older epoch: no chain of epochs grows.
        known = before.discovery.known if before is not None else None
        self.discovery: Discovery = Discovery(evaluator, self._likeness, known)
        self._known_rows: Sorting | None = before.known_rows if before is not None else None
        self._known_columns = before.known_columns if before is not None else None

    @property
    def known_rows(self) -> Sorting | None:
        """The newest sorting of rows that there is, without making one."""
        return vars(self).get("_rows", self._known_rows)

    @property
    def known_columns(self) -> ColumnTable | None:
        """The newest table of columns that there is, without making one."""
        return vars(self).get("columns", self._known_columns)

    @property
    def names(self) -> Sequence[str]:
        """Names of all assets, sorted."""
        return self.discovery.sorting.names

    @property
    def cards(self) -> Sequence[Asset]:
        """Cards of all assets, by name."""
        return self.discovery.sorting.cards

    def prepare(self) -> None:
        """Sort assets, rows and columns into kinds now, not when somebody asks first."""
        for made in (self.discovery.sorting, self._rows, self.columns):
            assert made is not None

    def sight(self, ask: Question | None, visible: Mask) -> Sight:
        """Return what `select` gives of each asset; nothing where there is no purpose.

        Args:
            ask: The question of `select`, or None.
            visible: Assets that may be discovered under it.
        """
        rows = np.zeros(len(visible), np.uint8)
        if ask is None:
            return Sight(visible, rows, now_dependent=False)
        sorting = self._rows
        answers = np.zeros(len(sorting.kinds), np.uint8)
        now_dependent = False
        for kind in np.unique(sorting.kind_of[visible]).tolist():
            card = self._evaluator.assets[sorting.examples[kind]]
            entities = self._evaluator.entities(card, namespace_in(card.name), ask.principal)
            answer = self._evaluator.rows(ask, "select", card, entities)
            now_dependent |= answer.now_dependent
            if answer.row_filter != FALSE:
                answers[kind] = ALL_ROWS if answer.row_filter == TRUE else SOME_ROWS
        rows[visible] = answers[sorting.kind_of[visible]]
        return Sight(visible, rows, now_dependent)

    def shown(self, ask: Question, kinds: Numbers) -> tuple[Bytes, bool]:
        """Return how columns of these kinds are shown, and whether that depends on the time.

        Args:
            ask: The question.
            kinds: Numbers of kinds, each once.

        Returns:
            `AS_STORED`, `MASKED` or `HIDDEN` by kind number; `HIDDEN` for those not asked for.
        """
        table = self.columns
        found = np.full(table.kinds, HIDDEN, np.uint8)
        now_dependent = False
        by_asset: dict[int, list[tuple[int, Column]]] = {}
        for kind in kinds.tolist():
            place = int(table.example[kind])
            member = (kind, table.columns[place])
            by_asset.setdefault(int(table.asset[place]), []).append(member)
        for number, members in by_asset.items():
            card = self.cards[number]
            entities = self._evaluator.entities(card, namespace_in(card.name), ask.principal)
            targets = [target_of("Column", card.name, column.name) for _, column in members]
            answers = self._evaluator.answers(ask, "reveal", targets, entities)
            for (kind, column), answer in zip(members, answers, strict=True):
                now_dependent |= answer.now_dependent
                mask = shown_as(self._evaluator, answer, column)
                if mask is None:
                    found[kind] = AS_STORED
                elif mask != "hidden":
                    found[kind] = MASKED
        return found, now_dependent

    @cached_property
    def _rows(self) -> Sorting:
        return Sorting.of(self._evaluator.assets, self._likeness.rows, self._known_rows)

    @cached_property
    def columns(self) -> ColumnTable:
        """All columns, sorted into kinds."""
        return ColumnTable.of(self.cards, self._likeness, self._known_columns)
