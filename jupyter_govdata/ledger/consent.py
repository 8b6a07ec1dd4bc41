"""The consent register: whose consent covers which purpose, live. Runs in the gateway.

A person has ids in many domains (aliases) and consents per purpose; the latest record wins.

INVARIANT 7: no record, an unknown status, a record dated in the future, or an id that two
persons claim: no consent.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import (
    Connection,
    delete,
    func,
    insert,
    or_,
    select,
)

from jupyter_govdata.errors import CatalogError, ProtocolError, StaleDecisionError
from jupyter_govdata.ledger.consenting import MORE, NOBODY, ONE, Consenting, load, patched
from jupyter_govdata.ledger.records import timestamp, utc_now
from jupyter_govdata.ledger.schema import aliases, consents, registers
from jupyter_govdata.ledger.store import Store

Alias = tuple[str, str, str]
"""(domain, id value, person key)."""
ConsentRow = tuple[str, str, str, dt.datetime, str]
"""(person key, purpose, status, recorded at (aware), source)."""

STATUSES = ("given", "withdrawn")
CHUNK = 5_000


def self_key(domain: str, id_value: str) -> str:
    """Return the person key of an id without an alias.

    Raises:
        ProtocolError: A domain with ``|``, which would make two ids one person.
    """
    if "|" in domain:
        raise ProtocolError("an identifier domain cannot hold `|`")
    return f"{domain}|{id_value}"


class ConsentRegister:
    """Live lookups, cached; single consents change what is cached, registers replace it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._cache: dict[str, Consenting] = {}

    def consenting(self, domain: str, purpose: str) -> frozenset[str]:
        """Return ids of a domain; see `Ledger.consenting`."""
        return self._current(purpose).domains.get(domain, frozenset())

    def consenting_pairs(self, purpose: str) -> frozenset[tuple[str, str]]:
        """Return (domain, id) pairs; see `Ledger.consenting_pairs`."""
        return self._current(purpose).pairs

    def _current(self, purpose: str) -> Consenting:
        # INVARIANT: the epochs are read at every call, so a cached answer is never older than
        # the register at the moment of the call.
        epoch, version = self._store.epochs()
        with self._lock:
            found = self._cache.get(purpose)
            if found is not None and found.epoch >= version:
                if found.epoch < epoch:
                    self._cache[purpose] = replace(found, epoch=epoch)
                return found
            with self._store.read() as conn:
                now = None if found is None else patched(conn, purpose, found, epoch)
                now = now or load(conn, purpose, epoch)
            # A change between the two reads: right for this call, not for the cache.
            if self._store.epochs()[1] == version:
                self._cache[purpose] = now
            return now

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


def person_in(conn: Connection, domain: str, id_value: str) -> str:
    """Return the person key of an id: its alias, or the id itself.

    Raises:
        CatalogError: Two persons claim the id.
        ProtocolError: A domain with ``|``.
    """
    own = self_key(domain, id_value)
    found = conn.execute(select(aliases.c.person_key).where(aliases.c.self_key == own)).scalar()
    if found == NOBODY:
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
    found.update(dict.fromkeys(conflicts, NOBODY))
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
    stored, odd = _stored(rows)
    grew = _add(conn, stored)
    _mirror(conn, "consent", source)
    return (MORE if grew else "") + _summary("consent", source, len(stored), odd)


def add_consents_in(
    conn: Connection, rows: Iterable[ConsentRow], source: tuple[str, int], after: tuple[str, int]
) -> str:
    """Add what one snapshot of the register has more than another; return one line on it.

    Raises:
        StaleDecisionError: The mirror does not hold that other snapshot, or something that is as
            late as these rows: then only the whole register says what is the latest now.
    """
    held = conn.execute(
        select(registers.c.asset, registers.c.snapshot_id).where(registers.c.kind == "consent")
    ).one_or_none()
    if held is None or tuple(held) != after:
        raise StaleDecisionError("the consent register was mirrored meanwhile")
    stored, odd = _stored(rows)
    # SECURITY: after a clock was set back, what was said before would count as said later.
    latest = conn.execute(select(func.max(consents.c.recorded_at))).scalar()
    if latest is not None and any(row["recorded_at"] <= latest for row in stored):
        raise StaleDecisionError("the consent register holds what is dated later")
    _insert_all(conn, consents, stored)
    _mirror(conn, "consent", source)
    return MORE + _summary("consent", source, len(stored), odd)


def _stored(rows: Iterable[ConsentRow]) -> tuple[list[dict[str, str]], dict[str, int]]:
    """Return the rows of a register as they are kept, and how many were odd."""
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
    return stored, {"dated in the future": early, "unusable": unusable}


def _add(conn: Connection, stored: list[dict[str, str]]) -> bool:
    """Make the mirrored rows those of `stored`; return True if rows were only added."""
    names = ("person_key", "purpose", "status", "recorded_at", "source")
    mirrored = consents.c.origin == "register"
    before = Counter(
        map(tuple, conn.execute(select(*(consents.c[n] for n in names)).where(mirrored)).all())
    )
    new = []
    for row in stored:
        key = tuple(row[n] for n in names)
        if before[key]:
            before[key] -= 1
        else:
            new.append(row)
    grew = not any(before.values())
    if not grew:
        conn.execute(delete(consents).where(mirrored))
    _insert_all(conn, consents, new if grew else stored)
    return grew


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
    return f"{ONE}`{domain}` for purpose `{purpose}`: {status}"
