"""Policy state: epochs only go up, states are whole, a store that goes back in time is refused."""

from __future__ import annotations

import shutil
import stat
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from jupyter_govdata.errors import (
    ConfigError,
    LakeVersionError,
    MissingExtraError,
    ProtocolError,
    StorageError,
)
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.asset import Asset, Column, Subject
from tests.ledger.conftest import driver_url

CARD = Asset(
    name="trials.outcomes",
    owner="ana",
    steward="dina",
    description="Überleben",
    tags={"modality": "clinical", "bare": ""},
    columns=(
        Column("patient_id", "string", 1, tags={"identifier": "direct"}, domain="T:p"),
        Column("age", "long", 2, unit="a"),
    ),
    subject=Subject("patient_id", "T:p"),
    licence="CC-BY-4.0",
)


def test_open_without_create_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no governance store"):
        Ledger.open(f"sqlite:///{tmp_path / 'none.db'}")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(ConfigError, match="no governance store"):
        Ledger.open(f"sqlite:///{tmp_path / 'empty.db'}")


@pytest.mark.parametrize("url", ["", "store.db", "sqlite://", "sqlite:///:memory:", "mysql://h/d"])
def test_open_of_another_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not a URL of a governance store"):
        Ledger.open(url, create=True)


def test_open_of_a_file_that_is_no_database_is_refused_without_its_path(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is not a database, not at all" * 50)
    with pytest.raises(StorageError) as caught:
        Ledger.open(f"sqlite:///{path}", create=True)
    assert str(tmp_path) not in str(caught.value)


def test_open_of_postgres_without_its_driver_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match="postgres"):
        Ledger.open("postgresql://nobody@127.0.0.1:1/none", create=True)


def test_open_of_an_unreachable_postgres_tells_no_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StorageError) as caught:
        Ledger.open("postgresql://nobody:canary-secret@127.0.0.1:1/none", create=True)
    assert "canary" not in str(caught.value)


def test_open_of_a_newer_store_is_refused_with_the_way_out(
    store_url: str, ledger: Ledger, execute: object
) -> None:
    ledger.close()
    execute("UPDATE govdata_meta SET value = '99' WHERE key = 'version'")  # type: ignore[operator]
    with pytest.raises(LakeVersionError, match="version 99") as caught:
        Ledger.open(store_url)
    assert "pip install -U" in str(caught.value)


def test_open_by_many_at_once_makes_one_store(store_url: str) -> None:
    barrier = threading.Barrier(6)
    epochs: list[int] = []

    def open_one() -> None:
        barrier.wait()
        with Ledger.open(store_url, create=True) as opened:
            epochs.append(opened.put_card(CARD, "ana"))

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(epochs) == [1, 2, 3, 4, 5, 6]


def test_file_of_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    odd = tmp_path / "a b?c#d%20"
    odd.mkdir()
    with Ledger.open(f"sqlite:///{odd / 'store.db'}", create=True) as opened:
        opened.put_card(CARD, "ana")
        assert {p.name for p in odd.iterdir()} == {"store.db", "store.db-wal", "store.db-shm"}
        for path in odd.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_state_of_a_new_store_is_empty_at_epoch_zero(ledger: Ledger) -> None:
    assert ledger.epoch() == 0
    state = ledger.state()
    assert (state.epoch, dict(state.files), dict(state.cards)) == (0, {}, {})


def test_apply_replaces_files_and_overlays_cards(ledger: Ledger, store_url: str) -> None:
    other = Asset(name="lab.runs")
    assert ledger.apply({"a.yaml": "1", "b.yaml": "ü\r\n"}, {CARD.name: CARD}, "ana") == 1
    assert ledger.apply({"a.yaml": "2"}, {other.name: other}, "dina") == 2
    with Ledger.open(store_url) as again:
        state = again.state()
    assert state.epoch == 2
    assert dict(state.files) == {"a.yaml": "2"}
    assert dict(state.cards) == {CARD.name: CARD, other.name: other}


def test_state_cannot_be_changed_by_who_reads_it(ledger: Ledger) -> None:
    ledger.apply({"a": "1"}, {CARD.name: CARD}, "ana")
    state = ledger.state()
    with pytest.raises(TypeError):
        state.files["a"] = "2"  # type: ignore[index]
    with pytest.raises(TypeError):
        state.cards["x.y"] = CARD  # type: ignore[index]


def test_cards_are_put_replaced_and_dropped_each_in_an_epoch(ledger: Ledger) -> None:
    assert ledger.put_card(CARD, "ana") == 1
    changed = Asset(name=CARD.name, description="new")
    assert ledger.put_card(changed, "ana") == 2
    assert ledger.state().cards == {CARD.name: changed}
    assert ledger.drop_card(CARD.name, "dina") == 3
    assert ledger.state().cards == {}
    assert ledger.drop_card(CARD.name, "dina") == ledger.epoch() == 4


def test_history_tells_who_made_which_epoch(ledger: Ledger) -> None:
    ledger.apply({"a": "1"}, {}, "ana")
    ledger.put_card(CARD, "dina")
    ledger.drop_card(CARD.name, "e\x1b[2Jve\n")
    history = ledger.history()
    assert [c.epoch for c in history] == [3, 2, 1]
    assert [c.by for c in history] == ["e\\u001b[2Jve\\u000a", "dina", "ana"]
    assert "trials.outcomes" in history[1].what
    assert len({c.digest for c in history}) == 3
    assert all(c.when.utcoffset() is not None for c in history)
    assert ledger.history(limit=1) == history[:1]


def test_every_change_leaves_an_audit_record_of_its_epoch(ledger: Ledger) -> None:
    ledger.apply({"a": "1"}, {}, "ana")
    ledger.set_consent("d", "1", "research", "given", "dina", "form 7")
    records = [e.record for e in ledger.records()]
    assert [(r.action, r.epoch, r.principal) for r in records] == [
        ("set_consent", 2, "dina"),
        ("apply", 1, "ana"),
    ]
    digests = [c.digest for c in ledger.history()]
    assert [r.detail["digest"] for r in records] == digests
    assert ledger.verify().ok


def test_change_that_fails_leaves_the_epoch_and_the_state(ledger: Ledger) -> None:
    ledger.put_card(CARD, "ana")
    with pytest.raises(ProtocolError):
        ledger.set_consent("d", "1", "research", "maybe", "ana", "")
    assert ledger.epoch() == 1
    assert len(ledger.history()) == len(ledger.records()) == 1
    assert ledger.put_card(CARD, "ana") == 2


def test_two_writers_at_once_are_both_kept_in_order(store_url: str, ledger: Ledger) -> None:
    rounds = 15
    made: dict[str, list[int]] = {"a": [], "b": []}
    with Ledger.open(store_url) as second:

        def write(name: str, to: Ledger) -> None:
            made[name].extend(
                to.put_card(Asset(name=f"{name}.x{i}", description=name), name)
                for i in range(rounds)
            )

        threads = [
            threading.Thread(target=write, args=("a", ledger)),
            threading.Thread(target=write, args=("b", second)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert second.epoch() == ledger.epoch() == 2 * rounds
        assert second.state() == ledger.state()
    assert made["a"] == sorted(made["a"])
    assert made["b"] == sorted(made["b"])
    assert sorted(made["a"] + made["b"]) == list(range(1, 2 * rounds + 1))
    assert len(ledger.state().cards) == 2 * rounds
    assert ledger.verify().ok


def test_state_read_while_it_changes_is_never_a_mixture(store_url: str, ledger: Ledger) -> None:
    done = threading.Event()
    seen: list[tuple[int, str, str]] = []

    def watch() -> None:
        with Ledger.open(store_url) as reader:
            while not done.is_set():
                state = reader.state()
                if state.epoch:
                    card = state.cards[CARD.name]
                    seen.append((state.epoch, state.files["n"], card.description))

    ledger.apply({"n": "1"}, {CARD.name: Asset(name=CARD.name, description="1")}, "ana")
    watcher = threading.Thread(target=watch)
    watcher.start()
    for n in range(2, 40):
        text = str(n)
        ledger.apply({"n": text}, {CARD.name: Asset(name=CARD.name, description=text)}, "ana")
    done.set()
    watcher.join()
    assert seen
    assert all(str(epoch) == files == card for epoch, files, card in seen)
    assert [s[0] for s in seen] == sorted(s[0] for s in seen)


def test_epoch_read_by_many_threads_while_it_rises_never_alarms(ledger: Ledger) -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def watch() -> None:
        last = 0
        try:
            while not done.is_set():
                now = ledger.epoch()
                assert now >= last
                last = now
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=watch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(30):
        ledger.put_card(CARD, "ana")
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.attack("T65", surface="storage")
def test_epoch_that_went_back_is_refused(ledger: Ledger, execute: object) -> None:
    for _ in range(3):
        ledger.put_card(CARD, "ana")
    assert ledger.epoch() == 3
    execute("UPDATE govdata_epoch SET epoch = 2")  # type: ignore[operator]
    with pytest.raises(StorageError, match="went back from epoch 3 to 2"):
        ledger.epoch()
    with pytest.raises(StorageError):
        ledger.state()
    with pytest.raises(StorageError):
        ledger.consenting("d", "research")


def test_epoch_behind_the_last_change_is_refused_at_the_first_read(
    ledger: Ledger, execute: object
) -> None:
    ledger.put_card(CARD, "ana")
    assert ledger.put_card(CARD, "ana") == 2
    execute("UPDATE govdata_epoch SET epoch = 1")  # type: ignore[operator]
    with pytest.raises(StorageError, match="went back from epoch 2 to 1"):
        ledger.epoch()


def test_connections_that_the_server_cut_are_made_anew(store_url: str, ledger: Ledger) -> None:
    if not store_url.startswith("postgresql"):
        pytest.skip("SQLite has no server")
    for _ in range(2):
        ledger.put_card(CARD, "ana")
        assert ledger.epoch() == ledger.state().epoch
        engine = create_engine(driver_url(store_url), isolation_level="AUTOCOMMIT")
        with engine.connect() as conn:
            conn.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = current_schema() AND pid <> pg_backend_pid()"
            )
        engine.dispose()
    assert ledger.epoch() == 2
    assert ledger.put_card(CARD, "ana") == 3
    assert ledger.verify().ok


@pytest.mark.attack("T65", surface="storage")
def test_store_without_its_epoch_answers_nothing(ledger: Ledger, execute: object) -> None:
    execute("DELETE FROM govdata_epoch")  # type: ignore[operator]
    with pytest.raises(StorageError):
        ledger.epoch()
    with pytest.raises(StorageError):
        ledger.put_card(CARD, "ana")


@pytest.mark.attack("T65", surface="storage")
def test_store_file_replaced_by_an_older_one_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Ledger.open(f"sqlite:///{path}", create=True) as first:
        first.put_card(CARD, "ana")
    shutil.copy(path, tmp_path / "old.db")
    with Ledger.open(f"sqlite:///{path}") as opened:
        opened.put_card(CARD, "ana")
        (tmp_path / "old.db").replace(path)
        for call in (opened.epoch, opened.state, lambda: opened.put_card(CARD, "ana")):
            with pytest.raises(StorageError, match="replaced or removed"):
                call()


def test_store_file_removed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with Ledger.open(f"sqlite:///{path}", create=True) as opened:
        path.unlink()
        with pytest.raises(StorageError, match="replaced or removed"):
            opened.epoch()


def test_card_that_was_damaged_in_the_store_is_refused(ledger: Ledger, execute: object) -> None:
    ledger.put_card(CARD, "ana")
    execute(  # type: ignore[operator]
        'UPDATE govdata_card SET card = \'{"name": "trials.outcomes", "colour": 1}\'',
        "UPDATE govdata_epoch SET epoch = 5",
    )
    with pytest.raises(StorageError, match="card"):
        ledger.state()


def test_loads_are_kept_newest_first(ledger: Ledger) -> None:
    ledger.record_load("lab.runs", 2**62, "runs.csv", "ab" * 32, 10, 1, "ana")
    ledger.record_load("lab.runs", 7, "x\x1b]0;t\x07.csv", "", 10**30, -1, "ana")
    ledger.record_load("lab.other", 8, "", "", 0, 0, "ana")
    newest, oldest = ledger.loads("lab.runs")
    assert (oldest.snapshot_id, oldest.rows, oldest.rejected) == (2**62, 10, 1)
    assert newest.source == "x\\u001b]0;t\\u0007.csv"
    assert (newest.rows, newest.rejected) == (2**63 - 1, 0)
    assert ledger.loads("lab.none") == ()
