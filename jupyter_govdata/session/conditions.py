"""How Python says which version and which rows. Runs in the kernel. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_govdata.errors import ConfigError
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
