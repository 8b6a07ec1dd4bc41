"""Who asks: principals as the governance folder declares them. Runs everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AttributeValue = bool | int | str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Principal:
    """A user or service.

    Args:
        id: Stable id, the `User` id in policies.
        name: Name for people.
        groups: Groups the principal is in, sorted.
        attributes: What policies may ask, e.g. ``{"study": "SUMMIT-BTC"}``; a tuple is a set of
            strings.
        purpose: Purpose that applies when a session declares none, or None.
    """

    id: str
    name: str = ""
    groups: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    purpose: str | None = None
