"""The consent register: whose consent covers which purpose, live. Runs in the gateway.

A person has ids in many domains (aliases) and consents per purpose; the latest record wins.

INVARIANT 7: no record, an unknown status, a record dated in the future, or an id that two
persons claim: no consent.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import (
    CTE,
    Connection,
    case,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
)

from jupyter_govdata.errors import CatalogError, ProtocolError
from jupyter_govdata.ledger.records import timestamp, utc_now
from jupyter_govdata.ledger.schema import aliases, consents, registers
from jupyter_govdata.ledger.store import Store

Alias = tuple[str, str, str]
"""(domain, id value, person key)."""
ConsentRow = tuple[str, str, str, dt.datetime, str]
"""(person key, purpose, status, recorded at (aware), source)."""

STATUSES = ("given", "withdrawn")
CHUNK = 5_000
_NOBODY = ""
"""Person key of an id that two persons claim; it never has a consent."""


def self_key(domain: str, id_value: str) -> str:
    """Return the person key of an id without an alias.

    Raises:
        ProtocolError: A domain with ``|``, which would make two ids one person.
    """
    if "|" in domain:
        raise ProtocolError("an identifier domain cannot hold `|`")
    return f"{domain}|{id_value}"


@dataclass(frozen=True, slots=True)
class _Consenting:
    pairs: frozenset[tuple[str, str]]
    domains: dict[str, frozenset[str]] = field(default_factory=dict)


class ConsentRegister:
    """Live lookups, cached until aliases or consents change."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._version = -1
        self._cache: dict[str, _Consenting] = {}

    def consenting(self, domain: str, purpose: str) -> frozenset[str]:
        """Return ids of a domain; see `Ledger.consenting`."""
        return self._current(purpose).domains.get(domain, frozenset())

    def consenting_pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        """Return (domain, id) pairs; see `Ledger.consenting_pairs`."""
        return self._current(purpose).pairs

    def _current(self, purpose: str) -> _Consenting:
        # INVARIANT: the version is read at every call, so a cached answer is never older than
        # the register at the moment of the call.
        version = self._store.epochs()[1]
        with self._lock:
            if version > self._version:
                self._cache.clear()
                self._version = version
            found = self._cache.get(purpose)
            if found is None:
                with self._store.read() as conn:
                    found = _load(conn, purpose)
                # A change between the two reads: right for this call, not for the cache.
                if self._store.epochs()[1] == version:
                    self._cache[purpose] = found
            return found

    def source(self, kind: str) -> tuple[str, int] | None:
        """Return what a register was mirrored from; see `Ledger.register_source`."""
        with self._store.read() as conn:
            row = conn.execute(
                select(registers.c.asset, registers.c.snapshot_id).where(registers.c.kind == kind)
            ).one_or_none()
            return None if row is None else (row[0], row[1])

    def person(self, domain: str, id_value: str) -> str:
        """Return the person key of an id; see `Ledger.person_of`."""
        with self._store.read() as conn:
            return person_in(conn, domain, id_value)


def _persons(purpose: str) -> CTE:
    """Return the persons whose latest record for the purpose is `given`."""
    # A record kept under an id's own key counts for the person that the id belongs to by now.
    person = func.coalesce(aliases.c.person_key, consents.c.person_key)
    rank = func.row_number().over(
        partition_by=person,
        order_by=(
            consents.c.recorded_at.desc(),
            case((consents.c.status == "given", 1), else_=0),
        ),
    )
    ranked = (
        select(person.label("person"), consents.c.status, rank.label("rank"))
        .select_from(consents.outerjoin(aliases, aliases.c.self_key == consents.c.person_key))
        .where(consents.c.purpose == purpose)
        .subquery()
    )
    return (
        select(ranked.c.person)
        .where(ranked.c.rank == 1, ranked.c.status == "given", ranked.c.person != _NOBODY)
        .cte("persons")
    )


def _load(conn: Connection, purpose: str) -> _Consenting:
    persons = _persons(purpose)
    aliased = select(aliases.c.domain, aliases.c.id_value).join(
        persons, persons.c.person == aliases.c.person_key
    )
    # All rows at once: fetching them one by one takes twice as long.
    pairs = {(row[0], row[1]) for row in conn.execute(aliased).all()}
    other = aliases.alias()
    alone = select(persons.c.person).where(
        persons.c.person.contains("|"),
        ~select(literal(1)).where(other.c.self_key == persons.c.person).exists(),
    )
    for (person,) in conn.execute(alone).all():
        domain, _, id_value = person.partition("|")
        pairs.add((domain, id_value))
    domains: dict[str, set[str]] = {}
    for domain, id_value in pairs:
        domains.setdefault(domain, set()).add(id_value)
    return _Consenting(frozenset(pairs), {d: frozenset(ids) for d, ids in domains.items()})


def person_in(conn: Connection, domain: str, id_value: str) -> str:
    """Return the person key of an id: its alias, or the id itself.

    Raises:
        CatalogError: Two persons claim the id.
        ProtocolError: A domain with ``|``.
    """
    own = self_key(domain, id_value)
    found = conn.execute(select(aliases.c.person_key).where(aliases.c.self_key == own)).scalar()
    if found == _NOBODY:
        raise CatalogError(
            f"an id of domain `{domain[:200]}` belongs to more than one person",
            hint="correct the crosswalk first",
        )
    return own if found is None else str(found)


def _mirror(conn: Connection, kind: str, source: tuple[str, int] | None) -> None:
    conn.execute(delete(registers).where(registers.c.kind == kind))
    if source is not None:
        conn.execute(insert(registers).values(kind=kind, asset=source[0], snapshot_id=source[1]))


def _insert_all(conn: Connection, table: object, rows: list[dict[str, str]]) -> None:
    for start in range(0, len(rows), CHUNK):
        conn.execute(insert(table), rows[start : start + CHUNK])  # type: ignore[arg-type]


def replace_aliases_in(
    conn: Connection, rows: Iterable[Alias], source: tuple[str, int] | None
) -> str:
    """Replace all aliases; return one line on what was stored."""
    found: dict[tuple[str, str], str] = {}
    conflicts: set[tuple[str, str]] = set()
    left_out = 0
    for domain, id_value, person in rows:
        if "|" in domain or "\x00" in f"{domain}{id_value}{person}":
            left_out += 1
        elif found.setdefault((domain, id_value), person) != person:
            conflicts.add((domain, id_value))
    found.update(dict.fromkeys(conflicts, _NOBODY))
    conn.execute(delete(aliases))
    _insert_all(
        conn,
        aliases,
        [
            {"domain": d, "id_value": i, "person_key": p, "self_key": self_key(d, i)}
            for (d, i), p in found.items()
        ],
    )
    _mirror(conn, "crosswalk", source)
    return _summary(
        "crosswalk", source, len(found), {"in conflict": len(conflicts), "unusable": left_out}
    )


def replace_consents_in(
    conn: Connection, rows: Iterable[ConsentRow], source: tuple[str, int] | None
) -> str:
    """Replace the mirrored consents, keep those set here; return one line on what was stored."""
    now = utc_now()
    stored: list[dict[str, str]] = []
    early = unusable = 0
    for person, purpose, status, moment, told in rows:
        given = status == "given"
        if moment.tzinfo is None:
            raise ProtocolError("the moment of a consent needs a time zone")
        if "\x00" in f"{person}{purpose}{told}":
            unusable += 1
            continue
        if moment > now:
            early += 1
            if given:
                continue  # not given yet
        stored.append(
            {
                "person_key": person,
                "purpose": purpose,
                # SECURITY: whatever is not plainly given counts as withdrawn.
                "status": "given" if given else "withdrawn",
                "recorded_at": timestamp(min(moment, now)),
                "source": told,
                "origin": "register",
            }
        )
    conn.execute(delete(consents).where(consents.c.origin == "register"))
    _insert_all(conn, consents, stored)
    _mirror(conn, "consent", source)
    return _summary(
        "consent", source, len(stored), {"dated in the future": early, "unusable": unusable}
    )


def _summary(kind: str, source: tuple[str, int] | None, rows: int, odd: dict[str, int]) -> str:
    origin = f" of `{source[0]}` snapshot {source[1]}" if source else ""
    notes = "".join(f", {count} {what}" for what, count in odd.items() if count)
    return f"{kind} register{origin}: {rows} rows{notes}"


def set_consent_in(
    conn: Connection, domain: str, id_value: str, purpose: str, status: str, source: str
) -> str:
    """Record one consent as the latest of its person; return one line on it, without the id.

    Raises:
        ProtocolError: Another status than ``given`` or ``withdrawn``.
        CatalogError: Two persons claim the id.
    """
    if status not in STATUSES:
        raise ProtocolError("the `status` of a consent is `given` or `withdrawn`")
    if "\x00" in f"{domain}{id_value}{purpose}{source}":
        raise ProtocolError("a consent cannot hold a NUL character")
    person = person_in(conn, domain, id_value)
    own = self_key(domain, id_value)
    latest = conn.execute(
        select(func.max(consents.c.recorded_at)).where(
            consents.c.purpose == purpose,
            or_(
                consents.c.person_key.in_([person, own]),
                consents.c.person_key.in_(
                    select(aliases.c.self_key).where(aliases.c.person_key == person)
                ),
            ),
        )
    ).scalar()
    moment = utc_now()
    if latest is not None:
        # What is said now is the latest, even if the clock was set back.
        after = dt.datetime.fromisoformat(latest) + dt.timedelta(microseconds=1)
        moment = max(moment, after)
    conn.execute(
        insert(consents).values(
            person_key=person,
            purpose=purpose,
            status=status,
            recorded_at=timestamp(moment),
            source=source,
            origin="set",
        )
    )
    return f"one consent of domain `{domain}` for purpose `{purpose}`: {status}"
