"""The audit chain: durable, printable, and broken by whoever touches it (T74, T75)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from jupyter_govdata.errors import ProtocolError, StorageError
from jupyter_govdata.ledger import Anchor, AuditRecord, Ledger
from jupyter_govdata.ledger.records import MAX_DETAIL, stored_detail, visible
from tests.ledger.conftest import driver_url

Execute = Callable[..., None]
NOON = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)


def record(number: int = 0, **changes: Any) -> AuditRecord:
    base = AuditRecord(
        when=NOON + dt.timedelta(seconds=number),
        principal="ana",
        action="select",
        asset="trials.outcomes",
        purpose="research",
        decision_id="d" * 64,
        permitted=True,
        reason="permitted",
        epoch=3,
        snapshot_id=2**62 + number,
        detail={"columns": ["age"], "number": number},
    )
    return replace(base, **changes)


def fill(ledger: Ledger, count: int = 8) -> Anchor:
    for number in range(1, count + 1):
        ledger.append(record(number))
    return ledger.anchor()


# -- append ------------------------------------------------------------------------------------


def test_append_chains_each_record_to_the_one_before(ledger: Ledger) -> None:
    first, second = ledger.append(record(1)), ledger.append(record(2))
    assert (first.seq, first.previous) == (1, "0" * 64)
    assert (second.seq, second.previous) == (2, first.hash)
    assert ledger.records() == (second, first)
    assert ledger.anchor() == Anchor(2, second.hash, 0)


def test_hash_can_be_recomputed_by_an_auditor_without_this_package(
    ledger: Ledger, store_url: str
) -> None:
    fill(ledger, 3)
    engine = create_engine(driver_url(store_url))
    with engine.connect() as conn:
        rows = [
            dict(r)
            for r in conn.exec_driver_sql("SELECT * FROM govdata_audit ORDER BY seq").mappings()
        ]
    engine.dispose()
    previous = "0" * 64
    for row in rows:
        assert row["previous"] == previous
        stored = row.pop("hash")
        content = {"v": 1, **row, "permitted": bool(row["permitted"])}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert previous == stored


def test_append_keeps_utc_whatever_the_zone(ledger: Ledger) -> None:
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    entry = ledger.append(record(when=NOON.astimezone(zone)))
    assert entry.record.when == NOON
    assert entry.record.when.utcoffset() == dt.timedelta(0)
    assert ledger.records()[0] == entry


@pytest.mark.parametrize(
    "changes",
    [
        {"when": dt.datetime(2025, 6, 1)},
        {"detail": {"value": object()}},
        {"detail": {"value": float("nan")}},
        {"epoch": -1},
        {"epoch": 2**63},
        {"snapshot_id": 2**64},
    ],
)
def test_append_of_what_cannot_be_kept_is_refused_and_leaves_no_gap(
    ledger: Ledger, changes: dict[str, Any]
) -> None:
    with pytest.raises(ProtocolError):
        ledger.append(record(**changes))
    assert ledger.append(record()).seq == 1


def test_append_of_endlessly_nested_detail_is_refused(ledger: Ledger) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ProtocolError):
        ledger.append(record(detail={"loop": loop}))


def test_append_shortens_what_is_too_long(ledger: Ledger) -> None:
    entry = ledger.append(
        record(asset="a" * 10_000, detail={"columns": ["c" * 60] * 1_000, "text": "x"})
    )
    assert len(entry.record.asset) == 200
    assert entry.record.detail["shortened"] is True
    assert len(entry.record.detail["sha256"]) == 64
    assert ledger.verify().ok


def test_append_that_cannot_be_made_durable_raises(ledger: Ledger, execute: Execute) -> None:
    ledger.append(record())
    execute("DELETE FROM govdata_head")
    with pytest.raises(StorageError):
        ledger.append(record())


def test_append_after_the_head_was_set_back_is_refused(ledger: Ledger, execute: Execute) -> None:
    fill(ledger, 4)
    execute("UPDATE govdata_head SET seq = 2")
    with pytest.raises(StorageError):
        ledger.append(record())


def test_append_after_the_chain_was_cut_is_refused(ledger: Ledger, execute: Execute) -> None:
    fill(ledger, 4)
    kept = ledger.records(limit=10)[-2]
    execute(
        "DELETE FROM govdata_audit WHERE seq > 2",
        f"UPDATE govdata_head SET seq = 2, hash = '{kept.hash}'",
    )
    with pytest.raises(StorageError, match="shorter than it was"):
        ledger.append(record())


def test_append_from_many_threads_and_gateways_makes_one_chain(
    ledger: Ledger, store_url: str
) -> None:
    per_thread, results, failures = 25, [], []
    with Ledger.open(store_url) as second:

        def work(to: Ledger, name: str) -> None:
            try:
                for number in range(per_thread):
                    entry = to.append(record(number, principal=name))
                    results.append((entry.seq, entry.hash, name, number))
            except BaseException as exc:
                failures.append(exc)

        threads = [
            threading.Thread(target=work, args=((ledger, second)[i % 2], f"p{i}")) for i in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
    assert sorted(r[0] for r in results) == list(range(1, 8 * per_thread + 1))
    report = ledger.verify()
    assert report.ok, report
    stored = {
        (e.seq, e.hash, e.record.principal, e.record.detail["number"])
        for e in ledger.records(limit=1_000)
    }
    assert stored == set(results)


FULL_DISK = """
import datetime as dt, resource, sys
from jupyter_govdata.errors import StorageError
from jupyter_govdata.ledger import AuditRecord, Ledger
from pathlib import Path

def record(text):
    return AuditRecord(dt.datetime.now(dt.UTC), "ana", "select", "a.b", "r", "d", True,
        "permitted", 0, 1, {"text": [text] * 7})

ledger = Ledger.open(sys.argv[1])
done = ledger.append(record("x")).seq
wal = Path(sys.argv[1].removeprefix("sqlite:///") + "-wal")
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 3_000, hard))
refused = 0
for _ in range(3):
    try:
        done = ledger.append(record("y" * 900)).seq
    except StorageError:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
last = ledger.append(record("z")).seq
assert refused == 3, refused
assert last == done + 1, (last, done)
assert ledger.verify().ok
"""


@pytest.mark.attack("T82", surface="storage")
def test_append_on_a_full_disk_is_refused_and_goes_on_when_there_is_space(
    store_url: str, ledger: Ledger
) -> None:
    if not store_url.startswith("sqlite"):
        pytest.skip("the disk is the server's")
    ledger.append(record())
    ledger.close()
    # A limit on the size of a file stands for a full disk: the write fails in the same place.
    subprocess.run([sys.executable, "-c", FULL_DISK, store_url], check=True)


CHILD = """
import datetime as dt, sys
from jupyter_govdata.ledger import AuditRecord, Ledger
ledger = Ledger.open(sys.argv[1])
number = 0
while True:
    number += 1
    entry = ledger.append(AuditRecord(dt.datetime.now(dt.UTC), "ana", "select", "a.b", "r",
        "d", True, "permitted", 0, number))
    sys.stdout.write(f"{entry.seq} {entry.hash}\\n")
    sys.stdout.flush()
"""


def test_record_that_was_answered_survives_a_kill(store_url: str, ledger: Ledger) -> None:
    ledger.close()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, store_url], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(25)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    child.stdout.close()
    whole = [line.split() for line in lines if line.endswith("\n")]
    with Ledger.open(store_url) as opened:
        stored = {e.seq: e.hash for e in opened.records(limit=100_000)}
        assert len(whole) >= 25
        assert all(stored[int(seq)] == value for seq, value in whole)
        assert opened.verify().ok
        assert opened.append(record()).seq == len(stored) + 1


# -- read --------------------------------------------------------------------------------------


def test_records_are_filtered_and_newest_first(ledger: Ledger) -> None:
    ledger.append(record(1))
    ledger.append(record(2, principal="bo\n", asset="lab.runs"))
    ledger.append(record(3, asset="lab.runs"))
    seqs = [
        [e.seq for e in found]
        for found in (
            ledger.records(),
            ledger.records(limit=2),
            ledger.records(principal="bo\n"),
            ledger.records(asset="lab.runs"),
            ledger.records(asset="lab.runs", principal="ana"),
            ledger.records(since=NOON + dt.timedelta(seconds=2)),
            ledger.records(limit=0),
            ledger.records(limit=-1),
        )
    ]
    assert seqs == [[3, 2, 1], [3, 2], [2], [3, 2], [3], [3, 2], [], []]
    with pytest.raises(ProtocolError):
        ledger.records(since=dt.datetime(2025, 6, 1))


EVIL = "ana\n2025-01-01 bo select permitted\r\x1b[2K\x1b[1A\x9b31m\u2028\u202e\u200b\x00\ud800\\x"


@pytest.mark.attack("T74", surface="storage")
def test_records_cannot_break_a_line_or_steer_a_terminal(ledger: Ledger) -> None:
    entry = ledger.append(
        record(
            principal=EVIL,
            action=EVIL,
            asset=EVIL,
            purpose=EVIL,
            decision_id=EVIL,
            reason=EVIL,
            detail={EVIL: [EVIL, {"k": EVIL}]},
        )
    )
    (stored,) = ledger.records()
    assert stored == entry
    for text in (
        stored.line(),
        repr(stored),
        json.dumps(dict(stored.record.detail), ensure_ascii=False),
    ):
        assert text.isprintable()
        assert len(text.splitlines()) == 1
        text.encode()
    assert ledger.verify().ok


@given(st.text(max_size=60))
def test_visible_text_is_printable_and_tells_texts_apart(text: str) -> None:
    shown = visible(text, 1_000)
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert len(shown.splitlines()) <= 1
    shown.encode()
    assert visible(text + "\x07", 1_000) != shown


def test_visible_text_of_two_spellings_differs() -> None:
    assert visible("a\n") == "a\\u000a"
    assert visible("a\\u000a") == "a\\\\u000a"
    assert visible("\U000e0001") != visible("\ue0001")
    assert visible("héllo") == "héllo"
    assert len(visible("\x00" * 500)) == 200


def test_stored_detail_of_equal_data_is_equal() -> None:
    assert stored_detail({"b": 1, "a": (1, 2)}) == stored_detail({"a": [1, 2], "b": 1})
    assert len(stored_detail({"a": "x" * (2 * MAX_DETAIL)})) < MAX_DETAIL


# -- verify ------------------------------------------------------------------------------------


def test_verify_of_an_empty_and_of_a_whole_chain_is_ok(ledger: Ledger) -> None:
    assert ledger.verify().ok
    assert ledger.verify(ledger.anchor()).ok
    early = fill(ledger, 3)
    anchor = fill(ledger, 3)
    for given_anchor in (None, early, anchor):
        report = ledger.verify(given_anchor)
        assert (report.ok, report.entries, report.problem) == (True, 6, "")
    assert report.head == anchor


def test_store_refuses_to_change_or_delete_records_by_accident(
    ledger: Ledger, store_url: str
) -> None:
    fill(ledger, 2)
    engine = create_engine(driver_url(store_url))
    for statement in ("UPDATE govdata_audit SET purpose = 'x'", "DELETE FROM govdata_audit"):
        with pytest.raises(Exception, match="append-only"), engine.begin() as conn:
            conn.exec_driver_sql(statement)
    engine.dispose()
    assert ledger.verify().ok


TAMPERED = {
    "altered": ("UPDATE govdata_audit SET principal = 'bo' WHERE seq = 4", "altered", 4),
    "answer": ("UPDATE govdata_audit SET permitted = NOT permitted WHERE seq = 4", "altered", 4),
    "detail": ("UPDATE govdata_audit SET detail = '{}' WHERE seq = 4", "altered", 4),
    "moment": ("UPDATE govdata_audit SET \"when\" = '2020' WHERE seq = 4", "altered", 4),
    "hash": (f"UPDATE govdata_audit SET hash = '{'a' * 64}' WHERE seq = 4", "altered", 4),
    "first deleted": ("DELETE FROM govdata_audit WHERE seq = 1", "missing", 1),
    "deleted": ("DELETE FROM govdata_audit WHERE seq = 4", "missing", 4),
    "truncated": ("DELETE FROM govdata_audit WHERE seq > 5", "truncated", 6),
    "emptied": ("DELETE FROM govdata_audit", "truncated", 1),
}


@pytest.mark.attack("T74", surface="storage")
@pytest.mark.parametrize("how", TAMPERED)
def test_verify_shows_where_a_chain_was_touched(ledger: Ledger, execute: Execute, how: str) -> None:
    fill(ledger)
    statement, problem, seq = TAMPERED[how]
    execute(statement)
    report = ledger.verify()
    assert (report.ok, report.problem, report.seq) == (False, problem, seq)
    assert report.entries == seq - 1
    assert str(seq) in report.message


@pytest.mark.attack("T74", surface="storage")
def test_verify_shows_reordered_records(ledger: Ledger, execute: Execute) -> None:
    fill(ledger)
    execute(
        "UPDATE govdata_audit SET seq = 99 WHERE seq = 3",
        "UPDATE govdata_audit SET seq = 3 WHERE seq = 4",
        "UPDATE govdata_audit SET seq = 4 WHERE seq = 99",
    )
    report = ledger.verify()
    assert not report.ok
    assert report.seq == 3


def _rewritten(tmp_path: Path, count: int, principal: str) -> list[dict[str, Any]]:
    """Return the rows of a whole chain that tells another story, with hashes that fit."""
    with Ledger.open(f"sqlite:///{tmp_path / 'forged.db'}", create=True) as forged:
        for number in range(1, count + 1):
            name = principal if number == 4 else "ana"
            forged.append(record(number, principal=name))
    engine = create_engine(f"sqlite:///{tmp_path / 'forged.db'}")
    with engine.connect() as conn:
        rows = conn.exec_driver_sql("SELECT * FROM govdata_audit ORDER BY seq").mappings()
        found = [dict(r) for r in rows]
    engine.dispose()
    return found


def _replace_chain(execute: Execute, rows: list[dict[str, Any]]) -> None:
    statements = ["DELETE FROM govdata_audit"]
    for row in rows:
        row["permitted"] = bool(row["permitted"])
        names = ", ".join(f'"{k}"' for k in row)
        values = ", ".join(
            str(v) if isinstance(v, bool | int) else "'" + v.replace("'", "''") + "'"
            for v in row.values()
        )
        statements.append(f"INSERT INTO govdata_audit ({names}) VALUES ({values})")
    last = rows[-1]
    statements.append(f"UPDATE govdata_head SET seq = {last['seq']}, hash = '{last['hash']}'")
    execute(*statements)


@pytest.mark.attack("T74", surface="storage")
def test_verify_against_an_anchor_shows_a_chain_rewritten_as_a_whole(
    ledger: Ledger, store_url: str, execute: Execute, tmp_path: Path
) -> None:
    anchor = fill(ledger)
    _replace_chain(execute, _rewritten(tmp_path, 10, "bo"))
    assert ledger.verify().ok, "the forgery is consistent in itself"
    report = ledger.verify(anchor)
    assert (report.ok, report.problem, report.seq) == (False, "forked", 8)
    with pytest.raises(StorageError, match="does not continue"):
        ledger.require_continues(anchor)


@pytest.mark.attack("T74", surface="storage")
def test_verify_against_an_anchor_shows_a_store_restored_from_a_backup(
    ledger: Ledger, store_url: str, execute: Execute, tmp_path: Path
) -> None:
    early = fill(ledger, 5)
    anchor = fill(ledger, 3)
    with Ledger.open(f"sqlite:///{tmp_path / 'backup.db'}", create=True) as backup:
        fill(backup, 5)
        assert backup.verify(early).ok
        backup.require_continues(early)
        report = backup.verify(anchor)
        assert (report.ok, report.problem, report.seq) == (False, "truncated", 6)
        with pytest.raises(StorageError, match="does not continue"):
            backup.require_continues(anchor)


def test_anchor_shows_an_epoch_that_went_back(ledger: Ledger, execute: Execute) -> None:
    ledger.apply({"a": "1"}, {}, "ana")
    ledger.apply({"a": "2"}, {}, "ana")
    anchor = ledger.anchor()
    assert anchor.epoch == 2
    execute("UPDATE govdata_epoch SET epoch = 1")
    assert ledger.verify(anchor).problem == "truncated"
    with pytest.raises(StorageError):
        ledger.require_continues(anchor)


def test_require_continues_accepts_a_chain_that_went_on(ledger: Ledger) -> None:
    ledger.require_continues(ledger.anchor())
    anchor = fill(ledger, 3)
    fill(ledger, 2)
    ledger.require_continues(anchor)


def test_verify_notices_any_single_change_of_any_stored_text(
    ledger: Ledger, execute: Execute, store_url: str
) -> None:
    """One random character of one random column at a time, put back afterwards."""
    fill(ledger, 5)
    chooser = random.Random(4)
    engine = create_engine(driver_url(store_url))
    with engine.connect() as conn:
        rows = [dict(r) for r in conn.exec_driver_sql("SELECT * FROM govdata_audit").mappings()]
    engine.dispose()
    for _ in range(15):
        row = chooser.choice(rows)
        column = chooser.choice([k for k, v in row.items() if isinstance(v, str) and v])
        text = row[column]
        place = chooser.randrange(len(text))
        changed = text[:place] + ("x" if text[place] != "x" else "y") + text[place + 1 :]
        execute(f"UPDATE govdata_audit SET \"{column}\" = '{changed}' WHERE seq = {row['seq']}")
        report = ledger.verify()
        assert (report.ok, report.seq) == (False, row["seq"]), column
        execute(f"UPDATE govdata_audit SET \"{column}\" = '{text}' WHERE seq = {row['seq']}")
    assert ledger.verify().ok


def test_verify_while_records_are_appended_sees_one_moment(ledger: Ledger) -> None:
    done = threading.Event()
    fill(ledger, 5)

    def write() -> None:
        while not done.is_set():
            ledger.append(record())

    writer = threading.Thread(target=write)
    writer.start()
    reports = [ledger.verify() for _ in range(10)]
    done.set()
    writer.join()
    assert all(r.ok for r in reports), [r for r in reports if not r.ok]


def test_begin_returns_before_the_record_is_durable_and_wait_after(ledger: Ledger) -> None:
    pending = [ledger.begin(record(asset=f"trials.a{n}")) for n in range(300)]
    entries = [p.wait() for p in pending]
    assert [e.seq for e in entries] == sorted(e.seq for e in entries)
    stored = {e.seq: e for e in ledger.records(limit=1_000)}
    assert all(stored[e.seq] == e for e in entries)
    assert ledger.verify().ok


def test_begin_without_anybody_waiting_is_committed_all_the_same(ledger: Ledger) -> None:
    ledger.begin(record(asset="trials.unwatched"))
    # `append` waits for its own record, which comes after the other one.
    last = ledger.append(record(asset="trials.last"))
    assert [e.record.asset for e in ledger.records(limit=2)] == ["trials.last", "trials.unwatched"]
    assert ledger.verify().head.seq == last.seq


def test_begin_on_a_store_that_cannot_be_written_fails_in_wait(tmp_path: Path) -> None:
    with Ledger.open(f"sqlite:///{tmp_path / 'store.db'}", create=True) as ledger:
        ledger.append(record())
        (tmp_path / "store.db").unlink()
        with pytest.raises(StorageError):
            ledger.begin(record()).wait()
