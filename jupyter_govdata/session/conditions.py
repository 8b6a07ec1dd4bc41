"""How Python says which version and which rows. Runs in the kernel. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.predicate import OPS, Compare, In, IsNull, Predicate, Value, all_of
from jupyter_govdata.model.scan import At

Where = Predicate | Mapping[str, Value | None] | Sequence[tuple[str, str, Any]]
"""A condition: a predicate, ``{"sex": "F"}``, or ``[("age", ">=", 60), ("site", "in", [...])]``."""


def version(at: At | int | str | None) -> At | None:
    """Return the version that a snapshot id, a tag or an `At` names; None is now."""
    if isinstance(at, int):
        return At(snapshot_id=at)
    return At(tag=at) if isinstance(at, str) else at


def condition(where: Where) -> Predicate:
    """Return a condition as a predicate.

    Raises:
        ConfigError: An operator that there is not.
    """
    if isinstance(where, Mapping):
        return all_of(*(IsNull(c) if v is None else Compare(c, "=", v) for c, v in where.items()))
    if not isinstance(where, Sequence):
        return where
    parts: list[Predicate] = []
    for column, op, value in where:
        if op.lower() in ("in", "not in"):
            parts.append(In(column, tuple(value), negated=op.lower() == "not in"))
        elif op in OPS:
            parts.append(Compare(column, op, value))
        else:
            raise ConfigError(f"unknown operator `{op}`", hint=f"{', '.join(OPS)}, in, not in")
    return all_of(*parts)


def with_moment(pins: Pins, as_of: dt.datetime | None) -> Pins:
    """Return pins under which everything else is read as it was at that moment.

    Raises:
        ConfigError: The moment has no time zone.
    """
    if as_of is None:
        return pins
    if as_of.tzinfo is None:
        raise ConfigError("`as_of` needs a time zone", hint="`dt.datetime(..., tzinfo=dt.UTC)`")
    return replace(pins, as_of=as_of)
