"""Small tables that a statement joins with: consenting ids, long lists of constants, positions.

Runs in the gateway. Values travel as Arrow and never as SQL text, and a join with a hundred
thousand of them costs milliseconds where a list in the text costs seconds.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import duckdb
import pyarrow as pa

from jupyter_govdata.errors import QueryError
from jupyter_govdata.storage.binding import template_parts


class Consents(Protocol):
    """Who has consented, as of now."""

    def __call__(self, domain: str, purpose: str) -> frozenset[str]:
        """Return the ids of a domain whose subjects' live consent covers the purpose."""


@runtime_checkable
class PairConsents(Consents, Protocol):
    """The same, also for domains that differ from row to row."""

    def pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        """Return (domain, id) of all subjects whose live consent covers the purpose."""


def is_template(domain: str) -> bool:
    """Return True if the domain names columns of the row."""
    return any(name is not None for _, name in template_parts(domain))


def plain_domain(domain: str) -> str:
    """Return a domain without columns as it is looked up: doubled braces are single ones."""
    return "".join(piece for piece, _ in template_parts(domain))


def pair_key(domain: str, subject: str) -> str:
    """Return one text for a domain and an id; different pairs give different texts.

    >>> pair_key("a:b", "c")
    '3:a:bc'
    """
    return f"{len(domain)}:{domain}{subject}"


# The gateway hands out the same sets until a consent changes; an equal set is the same answer.
@functools.lru_cache(maxsize=16)
def _ids(found: frozenset[str]) -> pa.Array:
    return pa.array(found, pa.string())


@functools.lru_cache(maxsize=4)
def _keys(pairs: frozenset[tuple[str, str]]) -> pa.Array:
    return pa.array([pair_key(d, i) for d, i in pairs], pa.string())


@dataclass(slots=True)
class SideTables:
    """The tables of one statement.

    Args:
        consents: Who has consented; templated domains are refused unless it has `pairs`.
        tables: Name -> table with one column `v`, without NULLs.
    """

    consents: Consents
    tables: dict[str, pa.Table] = field(default_factory=dict)
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)

    def values(self, array: pa.Array) -> str:
        """Keep values and return the name of their table."""
        name = f"__side_{len(self.tables)}"
        self.tables[name] = pa.table({"v": array})
        return name

    def ids(self, domain: str, purpose: str) -> str:
        """Return the name of the table of consenting ids, or of `pair_key` for a template."""
        key = domain, purpose
        if key not in self._ids:
            self._ids[key] = self.values(self._consenting(domain, purpose))
        return self._ids[key]

    def _consenting(self, domain: str, purpose: str) -> pa.Array:
        if not is_template(domain):
            return _ids(self.consents(plain_domain(domain), purpose))
        if not isinstance(self.consents, PairConsents):
            raise QueryError(f"consent for the identifier domain `{domain}` cannot be looked up")
        return _keys(self.consents.pairs(purpose))

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables known to a connection."""
        for name, table in self.tables.items():
            connection.register(name, table)
