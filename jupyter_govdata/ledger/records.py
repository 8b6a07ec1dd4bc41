"""What the ledger keeps, as frozen values, and the canonical form that the audit chain hashes.

Runs in the gateway. Trusts no text: everything that is recorded is made printable and bounded
first, so a record can neither break a line nor steer a terminal (T74).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_govdata.errors import ProtocolError
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.request import AccessRequest
from jupyter_govdata.model.wire import canonical_json

GENESIS = "0" * 64
"""`previous` of the first audit record."""
MAX_TEXT = 200
MAX_DETAIL = 8_192
"""Bytes of a record's `detail` as canonical JSON; a larger one is replaced by its digest."""
MAX_INTEGER = 2**63 - 1
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class GovernanceState:
    """Everything that decisions are made from, in one epoch.

    Args:
        epoch: Version of the state.
        files: Governance files, relative path -> text.
        cards: Asset name -> card.
        approved: Access requests that were approved and had not ended when this was read.
    """

    epoch: int
    files: Mapping[str, str]
    cards: Mapping[str, Asset]
    approved: tuple[AccessRequest, ...] = ()


@dataclass(frozen=True, slots=True)
class GovernanceChange:
    """One change of the state: what made an epoch.

    Args:
        epoch: The epoch that the change made.
        when: UTC.
        by: Principal id.
        what: One line for people, without cell values.
        digest: SHA-256 (hex) of what changed; for consent, of its provenance only.
    """

    epoch: int
    when: dt.datetime
    by: str
    what: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One answer of the gateway, before it is chained.

    Args:
        when: Aware; stored in UTC with microseconds.
        principal: Who asked.
        action: What was asked.
        asset: On what.
        purpose: Declared purpose, or empty.
        decision_id: `Decision.decision_id`; empty for a refusal before any decision.
        permitted: The answer.
        reason: ``permitted``, the code of the refusal, or ``changed``.
        epoch: Version of the policy state that was decided on.
        snapshot_id: What was read, 0 if nothing.
        detail: Plain JSON data; never cell values.
    """

    when: dt.datetime
    principal: str
    action: str
    asset: str
    purpose: str
    decision_id: str
    permitted: bool
    reason: str
    epoch: int
    snapshot_id: int = 0
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An audit record in its place in the chain.

    Args:
        seq: 1 for the first, without gaps.
        hash: SHA-256 (hex) over `entry_hash`'s canonical form.
        previous: `hash` of the record before, `GENESIS` for the first.
        record: As stored, that is printable and bounded.
    """

    seq: int
    hash: str
    previous: str
    record: AuditRecord

    def line(self) -> str:
        """Return the entry as exactly one printable line."""
        r = self.record
        answer = "permitted" if r.permitted else "refused"
        return (
            f"{self.seq} {timestamp(r.when)} {r.principal} {r.action} {r.asset} "
            f"purpose={r.purpose} {answer} reason={r.reason} epoch={r.epoch} "
            f"snapshot={r.snapshot_id} decision={r.decision_id[:12]} hash={self.hash[:12]}"
        )


@dataclass(frozen=True, slots=True)
class Anchor:
    """The head of the chain at a moment, kept where the database's writer cannot reach it.

    Args:
        seq: Last record; 0 for an empty chain.
        hash: Its hash.
        epoch: Version of the policy state at that moment.
    """

    seq: int
    hash: str
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What `Ledger.verify` found.

    Args:
        ok: The chain is whole.
        entries: Records that were read.
        head: Last good record.
        problem: ``altered``, ``missing``, ``truncated`` or ``forked``; empty when `ok`.
        seq: Where the problem is, or None.
        message: One line for people.
    """

    ok: bool
    entries: int
    head: Anchor
    problem: str = ""
    seq: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load into an asset.

    Args:
        asset: Asset name.
        snapshot_id: The snapshot it made.
        source: Where the data came from, as the loader said.
        sha256: SHA-256 (hex) of the source, or empty.
        rows: Rows read from the source.
        rejected: Rows that were left out.
        by: Principal id.
        when: UTC.
    """

    asset: str
    snapshot_id: int
    source: str
    sha256: str
    rows: int
    rejected: int
    by: str
    when: dt.datetime


def utc_now() -> dt.datetime:
    """Return the present moment in UTC."""
    return dt.datetime.now(dt.UTC)


def timestamp(moment: dt.datetime) -> str:
    """Return the stored form of an aware moment: UTC, microseconds, sorts as text.

    Raises:
        ProtocolError: The moment has no time zone.
    """
    if moment.tzinfo is None:
        raise ProtocolError("a moment needs a time zone")
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def visible(text: str, limit: int = MAX_TEXT) -> str:
    r"""Return `text` on one line, printable and at most `limit` characters.

    Control characters, line separators, bidirectional overrides and other invisible characters
    become ``\u....``, and a backslash is doubled, so that no two short texts look the same.

    >>> visible("ana\x1b[31m")
    'ana\\u001b[31m'
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and "\\" not in text:
        return text
    out: list[str] = []
    for char in text[: limit + 1]:
        if char == "\\":
            out.append("\\\\")
        elif unicodedata.category(char) in _UNSAFE:
            code = ord(char)
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
        else:
            out.append(char)
    shown = "".join(out)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _printable(data: Any, depth: int = 0) -> Any:
    if depth > 16:
        raise ProtocolError("the `detail` of an audit record is nested too deeply")
    if isinstance(data, str):
        return visible(data, 1_000)
    if isinstance(data, Mapping):
        return {visible(str(k)): _printable(v, depth + 1) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_printable(v, depth + 1) for v in data]
    return data


def stored_detail(detail: Mapping[str, Any]) -> str:
    """Return the canonical JSON text of a record's detail, printable and bounded.

    Raises:
        ProtocolError: Not plain JSON data.
    """
    try:
        data = canonical_json(_printable(detail))
    except (TypeError, ValueError) as exc:
        raise ProtocolError("the `detail` of an audit record is not plain JSON data") from exc
    if len(data) > MAX_DETAIL:
        digest = hashlib.sha256(data).hexdigest()
        data = canonical_json({"bytes": len(data), "sha256": digest, "shortened": True})
    return data.decode()


def storable(record: AuditRecord) -> AuditRecord:
    """Return the record as it is stored: UTC, printable, bounded.

    Raises:
        ProtocolError: A moment without time zone, a number out of range, detail that is no JSON.
    """
    if not (0 <= record.epoch <= MAX_INTEGER and abs(record.snapshot_id) <= MAX_INTEGER):
        raise ProtocolError("an audit record holds a number out of range")
    timestamp(record.when)
    return replace(
        record,
        when=record.when.astimezone(dt.UTC),
        principal=visible(record.principal),
        action=visible(record.action),
        asset=visible(record.asset),
        purpose=visible(record.purpose),
        decision_id=visible(record.decision_id),
        permitted=bool(record.permitted),
        reason=visible(record.reason),
        detail=json.loads(stored_detail(record.detail)),
    )


def entry_row(seq: int, previous: str, record: AuditRecord) -> dict[str, Any]:
    """Return the stored columns of a storable record at its place, with its hash.

    INVARIANT: the hash is SHA-256 over the canonical JSON of all other columns (``detail`` as
    the text that is stored) and ``v`` 1, so an auditor can recompute it without this package.
    """
    row: dict[str, Any] = {
        "seq": seq,
        "when": timestamp(record.when),
        "principal": record.principal,
        "action": record.action,
        "asset": record.asset,
        "purpose": record.purpose,
        "decision_id": record.decision_id,
        "permitted": record.permitted,
        "reason": record.reason,
        "epoch": record.epoch,
        "snapshot_id": record.snapshot_id,
        "detail": canonical_json(record.detail).decode(),
        "previous": previous,
    }
    return {**row, "hash": row_hash(row)}


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the hash of an audit row; its own column ``hash`` is left out."""
    content = {k: v for k, v in row.items() if k != "hash"}
    return hashlib.sha256(canonical_json({"v": 1, **content})).hexdigest()


def entry_from_row(row: Mapping[Any, Any]) -> AuditEntry:
    """Return the entry that a stored row holds."""
    record = AuditRecord(
        when=dt.datetime.fromisoformat(row["when"]),
        principal=row["principal"],
        action=row["action"],
        asset=row["asset"],
        purpose=row["purpose"],
        decision_id=row["decision_id"],
        permitted=row["permitted"],
        reason=row["reason"],
        epoch=row["epoch"],
        snapshot_id=row["snapshot_id"],
        detail=json.loads(row["detail"]),
    )
    return AuditEntry(row["seq"], row["hash"], row["previous"], record)
