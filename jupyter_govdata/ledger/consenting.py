"""Who consents to a purpose: read as a whole, or followed consent by consent. Runs in the gateway.

A single consent changes one person in a register of many: reading all of them again would make
every reader wait for each withdrawal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import CTE, Connection, case, func, literal, null, or_, select

from jupyter_govdata.ledger.schema import aliases, changes, consents

PATCHED = 200
"""Most changes and most consents that are followed; after more of them all is read again."""
ONE = "one consent of domain "
"""How the line on the change of a single consent begins, and no other line."""
MORE = "rows added: "
"""How the line on a register begins that only grew, and no other line."""
NOBODY = ""
"""Person key of an id that two persons claim; it never has a consent."""


@dataclass(frozen=True, slots=True)
class Consenting:
    """Who consents to a purpose.

    Args:
        epoch: It is right from here on until aliases or consents change.
        seq: Last row of the register that counts in it.
        pairs: (domain, id).
        domains: The ids by domain.
    """

    epoch: int
    seq: int
    pairs: frozenset[tuple[str, str]]
    domains: dict[str, frozenset[str]] = field(default_factory=dict)


def _persons(purpose: str, among: list[str] | None = None) -> CTE:
    """Return the persons whose latest record for the purpose is `given`.

    Args:
        purpose: Purpose id.
        among: Only these persons.
    """
    # A record kept under an id's own key counts for the person that the id belongs to by now.
    person = func.coalesce(aliases.c.person_key, consents.c.person_key)
    rank = func.row_number().over(
        partition_by=person,
        order_by=(
            consents.c.recorded_at.desc(),
            case((consents.c.status == "given", 1), else_=0),
        ),
    )
    records = (
        select(person.label("person"), consents.c.status, rank.label("rank"))
        .select_from(consents.outerjoin(aliases, aliases.c.self_key == consents.c.person_key))
        .where(consents.c.purpose == purpose)
    )
    if among is not None:
        own = select(aliases.c.self_key).where(aliases.c.person_key.in_(among))
        kept_under = or_(consents.c.person_key.in_(among), consents.c.person_key.in_(own))
        records = records.where(kept_under, person.in_(among))
    ranked = records.subquery()
    return (
        select(ranked.c.person)
        .where(ranked.c.rank == 1, ranked.c.status == "given", ranked.c.person != NOBODY)
        .cte("persons")
    )


def _pairs(conn: Connection, persons: CTE) -> set[tuple[str, str]]:
    """Return the (domain, id) of persons: their aliases, and the id that a key without one is."""
    aliased = select(aliases.c.domain, aliases.c.id_value).join(
        persons, persons.c.person == aliases.c.person_key
    )
    other = aliases.alias()
    alone = select(null(), persons.c.person).where(
        persons.c.person.contains("|"),
        ~select(literal(1)).where(other.c.self_key == persons.c.person).exists(),
    )
    # One statement, for the store ranks all consents once then; all rows at once, for fetching
    # them one by one takes twice as long.
    rows = conn.execute(aliased.union_all(alone)).all()
    return {_split(row[1]) if row[0] is None else (row[0], row[1]) for row in rows}


def _split(key: str) -> tuple[str, str]:
    domain, _, id_value = key.partition("|")
    return domain, id_value


def _by_domain(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    domains: dict[str, set[str]] = {}
    for domain, id_value in pairs:
        domains.setdefault(domain, set()).add(id_value)
    return {d: frozenset(ids) for d, ids in domains.items()}


def load(conn: Connection, purpose: str, epoch: int) -> Consenting:
    """Return who consents to a purpose, read as a whole.

    Args:
        conn: Of the store.
        purpose: Purpose id.
        epoch: Of the store, read before.
    """
    # The row is read first: what comes later counts twice then, never not at all.
    seq = conn.execute(select(func.max(consents.c.seq))).scalar() or 0
    pairs = _pairs(conn, _persons(purpose))
    return Consenting(epoch, seq, frozenset(pairs), _by_domain(pairs))


def patched(conn: Connection, purpose: str, before: Consenting, epoch: int) -> Consenting | None:
    """Return `before` with the consents that were set since; None if all has to be read again.

    Args:
        conn: Of the store.
        purpose: Purpose id.
        before: Right at its epoch.
        epoch: Of the store, read before.
    """
    # SECURITY: aliases and a register that did not only grow are written anew. What comes after
    # `seq` is all that changed only while every change is known to have added consents.
    if not _only_added(conn, before.epoch, epoch):
        return None
    owned = consents.outerjoin(aliases, aliases.c.self_key == consents.c.person_key)
    person = func.coalesce(aliases.c.person_key, consents.c.person_key)
    new = select(consents.c.seq, person).select_from(owned)
    new = new.where(consents.c.seq > before.seq, consents.c.purpose == purpose)
    rows = conn.execute(new.limit(PATCHED + 1)).all()
    if len(rows) > PATCHED:
        return None
    if not rows:
        return replace(before, epoch=epoch)
    among = sorted({row[1] for row in rows})
    gone, given = _ids(conn, among), _pairs(conn, _persons(purpose, among))
    without, plus, none = _by_domain(gone), _by_domain(given), frozenset[str]()
    domains = before.domains | {
        d: (before.domains.get(d, none) - without.get(d, none)) | plus.get(d, none)
        for d in without.keys() | plus.keys()
    }
    seq = max(row[0] for row in rows)
    return Consenting(epoch, seq, (before.pairs - gone) | given, domains)


def _only_added(conn: Connection, since: int, epoch: int) -> bool:
    """Return True if all changes after an epoch added consents, and each change is known."""
    query = select(changes.c.epoch, changes.c.what).where(changes.c.epoch > since)
    lines = conn.execute(query.order_by(changes.c.epoch).limit(PATCHED + 1)).all()
    return (
        epoch - since <= len(lines) <= PATCHED
        and all(line[0] == since + i for i, line in enumerate(lines, 1))
        and all(line[1].startswith((ONE, MORE)) for line in lines)
    )


def _ids(conn: Connection, persons: list[str]) -> set[tuple[str, str]]:
    """Return all (domain, id) of persons."""
    known = select(aliases.c.domain, aliases.c.id_value).where(aliases.c.person_key.in_(persons))
    taken = select(aliases.c.self_key).where(aliases.c.self_key.in_(persons))
    others = set(conn.execute(taken).scalars())
    alone = {_split(key) for key in persons if "|" in key and key not in others}
    return alone.union((row[0], row[1]) for row in conn.execute(known).all())
