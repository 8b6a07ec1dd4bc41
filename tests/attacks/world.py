"""A lake full of canaries, and what is compared before and after an attack."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from jupyter_govdata.session import Session, connect, init_lake
from tests.attacks.payloads import SQL, TEXTS
from tests.canaries import MARK, canary
from tests.gateway.world import FILES

ASSET = "trials.visits"
HIDDEN = "trials.unseen"
EVIL = "trials.evil"
ROWS = 40
MINE = tuple(range(0, ROWS, 4))
"""Rows of study S1: what `ana` may see."""

CARDS = {
    "assets": {
        ASSET: {
            "owner": "dina",
            "steward": "stewards",
            "description": "Visits of two studies.",
            "subject": {"column": "patient", "domain": "T:patient"},
            "columns": {
                "patient": {"domain": "T:patient", "tags": {"identifier": "direct"}},
                "birth": {"tags": {"identifier": "quasi"}},
                "phone": {"tags": {"contact": "number"}},
                "amount": {"tags": {"contact": "amount"}},
                "secret": {"tags": {"sensitivity": "secret"}},
                "nested": {"tags": {"sensitivity": "secret"}},
            },
        },
        HIDDEN: {"owner": "dina", "steward": "stewards", "description": canary("unseen", "card")},
        EVIL: {
            "owner": "dina",
            "steward": "stewards",
            "description": "\n".join(TEXTS),
            "source": TEXTS[0],
            "columns": {
                f"c{i}": {"description": text, "unit": text[:40]} for i, text in enumerate(TEXTS)
            },
        },
    }
}
TAGS = {
    "tags": {
        "identifier": {"scope": ["column"], "values": ["direct", "quasi"]},
        "register": {"scope": ["asset"], "values": ["consent", "crosswalk"]},
        "sensitivity": {"scope": ["column"], "values": ["secret"]},
        "contact": {"scope": ["column"], "values": ["number", "amount"]},
    }
}
POLICIES = """
@id("visit-look")
permit (principal in Group::"clinical", action in [Action::"discover", Action::"reveal"],
        resource in Asset::"trials.visits");

@id("visit-rows")
permit (principal in Group::"clinical", action == Action::"select",
        resource in Asset::"trials.visits")
when { resource.study == principal.study && resource.secret like "gd*"
       && context.purpose == "research" };

@id("evil-for-all")
permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],
        resource in Asset::"trials.evil");

@id("phones") @mask("last4")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("contact") && resource.getTag("contact") == "number" }
unless { principal in Group::"stewards" };

@id("amounts") @mask("null")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("contact") && resource.getTag("contact") == "amount" }
unless { principal in Group::"stewards" };
"""


def visits() -> pa.Table:
    """Return rows: those of others hold `denied`, masked columns `masked`, hidden ones `hidden`."""
    mine = set(MINE)
    return pa.table(
        {
            "patient": [canary("masked", i) for i in range(ROWS)],
            "study": [("S1", "S2", None, "S3")[i % 4] for i in range(ROWS)],
            "n": pa.array(range(ROWS), pa.int64()),
            "note": [f"fine {i}" if i in mine else canary("denied", i) for i in range(ROWS)],
            "word": [str(i) if i in mine else canary("denied", i) for i in range(ROWS)],
            "birth": [dt.date(1940 + i, 1 + i % 12, 2 + i % 27) for i in range(ROWS)],
            "phone": [f"{canary('masked', i)}-{i:04}" for i in range(ROWS)],
            "amount": pa.array([7_000_000 + i for i in range(ROWS)], pa.int64()),
            "secret": [canary("hidden", i) for i in range(ROWS)],
            "nested": [{"a": canary("hidden", i), "b": [canary("hidden", i)]} for i in range(ROWS)],
        }
    )


def governance() -> dict[str, str]:
    """Return the governance files of the lake."""
    return FILES | {
        "tags.yaml": yaml.safe_dump(TAGS),
        "assets/attacks.yaml": yaml.safe_dump(CARDS, allow_unicode=True),
        "policies/attacks.cedar": POLICIES,
    }


def build(folder: Path) -> Path:
    """Make the lake the way a steward does."""
    for name, text in governance().items():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = init_lake(folder / "lake", folder / "source", "dina")
    evil = {f"c{i}": [text] for i, text in enumerate(TEXTS)}
    with connect(lake, user="dina") as dina:
        dina.load(visits(), ASSET)
        dina.load(pa.table({"x": [canary("unseen")]}), HIDDEN)
        dina.load(pa.table(evil), EVIL)
    return lake


@dataclass(frozen=True)
class State:
    """All of a lake that an attack must leave as it is; the audit chain may only grow."""

    epoch: int
    versions: dict[str, list[str]]
    files: dict[str, str]
    rows: dict[str, int]
    audited: int
    head: str


def state(dina: Session, lake: Path) -> State:
    """Return the state of a lake as its steward and its disk show it."""
    names = sorted(dina.names())
    rows, audited = _rows(lake)
    data = {
        path.relative_to(lake).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("warehouse", "keys")
        for path in sorted((lake / folder).rglob("*"))
        if path.is_file()
    }
    data.pop("keys/audit.anchor", None)  # moves on whenever the chain was verified
    return State(
        dina.epoch(),
        {
            name: [str(v.snapshot.snapshot_id) for v in dina.versions(name).versions]
            for name in names
        },
        data,
        rows,
        audited,
        audit_hash(lake, audited),
    )


def audit_hash(lake: Path, number: int) -> str:
    """Return the hash of a record of the audit chain."""
    with _store(lake) as store:
        asked = store.execute("SELECT hash FROM govdata_audit WHERE seq = ?", (number,))
        return str(asked.fetchone()[0])


def _store(lake: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"file:{lake}/store.db?mode=ro", uri=True))


def _rows(lake: Path) -> tuple[dict[str, int], int]:
    with _store(lake) as store:
        found = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        counts = {
            name: store.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for (name,) in found.fetchall()
        }
    return counts, counts.pop("govdata_audit")


def told(value: Any) -> str:
    """Return all the text of an answer, an error or an output."""
    if isinstance(value, pa.Table):
        return repr(value.to_pylist()) + repr(value.schema.metadata)
    if isinstance(value, BaseException):
        detail = getattr(value, "detail", None)
        return f"{value!r} {value} {json.dumps(detail, default=repr)}"
    return value if isinstance(value, str) else repr(value)


# Amounts are 7,000,000 and a bit; a digest or a fraction of a second may hold such digits.
_AMOUNT = re.compile(r"(?<![0-9a-f.])70000\d\d(?![0-9a-f])")


def leaks(*values: Any) -> list[str]:
    """Return where a canary, or a masked number, stands in what was answered."""
    found = []
    for value in values:
        text = told(value)
        at = text.find(MARK)
        if at >= 0:
            found.append(text[max(0, at - 60) : at + 60])
        if _AMOUNT.search(text):
            found.append("a masked amount")
    return found


assert set(SQL) <= {f"T{i:02}" for i in range(1, 83)}
