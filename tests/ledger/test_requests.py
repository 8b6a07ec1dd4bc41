"""Access requests in the store: asked once, decided once, with a record of each step."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from jupyter_govdata.errors import CatalogError, LimitError, StaleDecisionError
from jupyter_govdata.ledger import Ledger, schema
from jupyter_govdata.ledger import requests as module
from jupyter_govdata.model.request import AccessRequest
from tests.ledger.conftest import driver_url

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
END = NOW + dt.timedelta(days=30)


def draft(**changes: Any) -> AccessRequest:
    facts = {
        "id": "",
        "asset": "trials.outcomes",
        "principal": "ana",
        "purpose": "research",
        "reason": "Überleben, 'protocol 7'",
        "state": "open",
        "requested_at": NOW,
    }
    return AccessRequest(**{**facts, **changes})


def settle(ledger: Ledger, was: AccessRequest, outcome: Any, **changes: Any) -> AccessRequest:
    facts = {"by": "dina", "reason": "", "now": NOW, "epoch": ledger.epoch(), **changes}
    return ledger.requests.settle(was, outcome, **facts)


def approve(ledger: Ledger, was: AccessRequest, **changes: Any) -> AccessRequest:
    return settle(ledger, was, "approved", **{"scope": "read", "until": END, **changes})


def actions(ledger: Ledger) -> list[str]:
    return [entry.record.action for entry in reversed(ledger.records())]


def test_request_is_kept_as_it_was_asked(ledger: Ledger) -> None:
    made = ledger.requests.ask(draft(until=END, scope="read"))
    assert len(made.id) == 6
    assert ledger.requests.get(made.id, NOW) == made
    assert ledger.requests.find(NOW) == (1, (made,))
    assert ledger.requests.assets() == ("trials.outcomes",)
    assert ledger.requests.get("zzzzzz", NOW) is None
    assert ledger.epoch() == 0


def test_request_that_is_open_already_is_returned_again(ledger: Ledger) -> None:
    first = ledger.requests.ask(draft())
    again = ledger.requests.ask(draft(reason="please", requested_at=NOW + dt.timedelta(hours=1)))
    assert again == first
    assert ledger.requests.ask(draft(purpose="care")).id != first.id
    assert ledger.requests.ask(draft(principal="miko")).id != first.id
    settle(ledger, first, "refused", reason="no")
    assert ledger.requests.ask(draft()).id != first.id
    assert actions(ledger).count("request_access") == 4


def test_request_asked_by_many_at_once_is_kept_once(ledger: Ledger) -> None:
    barrier = threading.Barrier(6)
    found: list[str] = []

    def ask() -> None:
        barrier.wait()
        found.append(ledger.requests.ask(draft()).id)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert ledger.requests.find(NOW)[0] == 1


def test_open_requests_of_one_principal_are_limited(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T82."""
    monkeypatch.setattr(module, "MOST_OPEN", 3)
    made = [ledger.requests.ask(draft(asset=f"a.b{i}")) for i in range(3)]
    with pytest.raises(LimitError, match="3 open requests"):
        ledger.requests.ask(draft())
    ledger.requests.ask(draft(principal="miko"))
    settle(ledger, made[0], "withdrawn", by="ana")
    ledger.requests.ask(draft())


def test_ids_say_nothing_about_how_many_there_are(ledger: Ledger) -> None:
    """T85."""
    ids = [ledger.requests.ask(draft(asset=f"a.b{i}")).id for i in range(30)]
    assert len(set(ids)) == 30
    assert sorted(ids) != ids


def test_approval_raises_the_epoch_and_is_part_of_the_state(ledger: Ledger) -> None:
    until = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=30)
    asked = ledger.requests.ask(draft(requested_at=dt.datetime.now(dt.UTC)))
    assert ledger.state().approved == ()
    before = ledger.epoch()
    done = approve(ledger, asked, until=until, now=dt.datetime.now(dt.UTC), reason="ok")
    assert ledger.epoch() == before + 1
    assert ledger.state().approved == (done,)
    assert (done.state, done.decided_by, done.scope, done.until) == (
        "approved",
        "dina",
        "read",
        until,
    )
    back = settle(ledger, done, "refused", reason="over", now=dt.datetime.now(dt.UTC))
    assert ledger.epoch() == before + 2
    assert ledger.state().approved == ()
    assert back.until == until


def test_refusal_and_withdrawal_of_an_open_request_change_no_permission(ledger: Ledger) -> None:
    one, two = ledger.requests.ask(draft()), ledger.requests.ask(draft(purpose="care"))
    before = ledger.epoch()
    settle(ledger, one, "refused", reason="no")
    settle(ledger, two, "withdrawn", by="ana")
    assert ledger.epoch() == before
    assert [r.state for r in ledger.requests.find(NOW)[1] if r.id == two.id] == ["withdrawn"]


def test_withdrawal_of_an_approved_request_takes_it_out_of_the_state(ledger: Ledger) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    done = approve(ledger, ledger.requests.ask(draft()), until=later)
    before = ledger.epoch()
    settle(ledger, done, "withdrawn", by="ana")
    assert ledger.epoch() == before + 1
    assert ledger.state().approved == ()


@pytest.mark.parametrize("outcome", ["approved", "refused", "withdrawn"])
def test_request_that_somebody_decided_meanwhile_is_not_decided_again(
    ledger: Ledger, outcome: str
) -> None:
    asked = ledger.requests.ask(draft())
    refused = settle(ledger, asked, "refused", reason="no")
    with pytest.raises(CatalogError, match="decided meanwhile"):
        settle(ledger, asked, outcome, scope="read", until=END)
    assert ledger.requests.get(asked.id, NOW) == refused
    assert ledger.state().approved == ()


def test_decision_of_an_older_epoch_is_not_written(ledger: Ledger) -> None:
    """T50: permission that changed between the decision and its record."""
    asked = ledger.requests.ask(draft())
    with pytest.raises(StaleDecisionError):
        approve(ledger, asked, epoch=ledger.epoch() - 1)
    assert ledger.requests.get(asked.id, NOW) == asked


@pytest.mark.parametrize(
    ("moment", "open_state", "approved_state"),
    [
        (END - dt.timedelta(microseconds=1), "open", "approved"),
        (END, "expired", "expired"),
        (END + dt.timedelta(days=1), "expired", "expired"),
    ],
)
def test_request_past_its_end_is_expired_without_anybody_sweeping(
    ledger: Ledger, moment: dt.datetime, open_state: Any, approved_state: Any
) -> None:
    waiting = ledger.requests.ask(draft(until=END))
    given = approve(ledger, ledger.requests.ask(draft(purpose="care")))
    refused = ledger.requests.ask(draft(purpose="audit", until=END))
    settle(ledger, refused, "refused", reason="no")
    states = {r.id: r.state for r in ledger.requests.find(moment)[1]}
    assert states == {waiting.id: open_state, given.id: approved_state, refused.id: "refused"}
    for state in ("open", "approved", "expired", "refused"):
        total, found = ledger.requests.find(moment, state=state)  # type: ignore[arg-type]
        assert total == len(found) == list(states.values()).count(state)
        assert {r.id for r in found} == {i for i, s in states.items() if s == state}


def test_request_that_expired_while_open_may_be_asked_again(ledger: Ledger) -> None:
    first = ledger.requests.ask(draft(until=END))
    assert ledger.requests.ask(draft(requested_at=END)).id != first.id


def test_requests_are_found_by_page_principal_asset_and_without_principals(ledger: Ledger) -> None:
    for i in range(5):
        moment = NOW + dt.timedelta(minutes=i)
        who = "ana" if i % 2 else "miko"
        ledger.requests.ask(draft(asset=f"a.b{i}", principal=who, requested_at=moment))
    total, page = ledger.requests.find(NOW, offset=1, limit=2)
    assert (total, [r.asset for r in page]) == (5, ["a.b3", "a.b2"])
    assert ledger.requests.find(NOW, principal="ana")[0] == 2
    assert ledger.requests.find(NOW, without=["ana"])[0] == 3
    assert ledger.requests.find(NOW, assets=["a.b0", "a.b1"])[0] == 2
    assert ledger.requests.find(NOW, assets=[]) == (0, ())


def test_every_step_is_in_the_audit_chain_without_the_reasons(ledger: Ledger) -> None:
    asked = ledger.requests.ask(draft(reason="because of patient 0815"))
    done = approve(ledger, asked, reason="see patient 0815")
    settle(ledger, done, "refused", reason="patient 0815 left")
    other = ledger.requests.ask(draft(purpose="care"))
    settle(ledger, other, "withdrawn", by="ana")
    assert actions(ledger) == [
        "request_access",
        "approve_request",
        "refuse_request",
        "request_access",
        "withdraw_request",
    ]
    records = [entry.record for entry in ledger.records()]
    assert {r.asset for r in records} == {"trials.outcomes"}
    assert all(asked.id in str(r.detail) or other.id in str(r.detail) for r in records)
    assert "0815" not in str(records)
    assert ledger.verify().ok


def test_step_that_fails_leaves_neither_change_nor_record(ledger: Ledger) -> None:
    """T75: an answer without a record; here a record without its change."""
    asked = ledger.requests.ask(draft())
    before = (ledger.epoch(), len(ledger.records()))
    with pytest.raises(StaleDecisionError):
        settle(ledger, asked, "refused", reason="x", epoch=99)
    assert (ledger.epoch(), len(ledger.records())) == before


def test_store_of_the_first_version_gets_the_table_and_keeps_the_rest(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    monkeypatch.setattr("jupyter_govdata.ledger.store.MIGRATIONS", schema.MIGRATIONS)
    engine = create_engine(driver_url(store_url))
    with Ledger.open(store_url, create=True) as old:
        epoch = old.drop_card("a.b", "dina")
        assert not inspect(engine).has_table("govdata_request")
    monkeypatch.undo()
    assert len(schema.MIGRATIONS) > 1
    with Ledger.open(store_url) as new:
        assert new.epoch() == epoch
        asked = new.requests.ask(draft())
        assert new.requests.find(NOW) == (1, (asked,))
        assert new.verify().ok
    with Ledger.open(store_url) as again:
        assert again.requests.find(NOW)[0] == 1
    engine.dispose()
