"""T85: access requests over the protocol. Who may decide, what opens, and who learns what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import (
    AccessDeniedError,
    CatalogError,
    GovDataError,
    NotVisibleError,
    ProtocolError,
    PurposeError,
)
from jupyter_govdata.gateway import request_actions
from jupyter_govdata.model.scan import Scan, ScanRequest
from tests.gateway.world import PATIENTS, POLICIES, PRINCIPALS, World, make_world

ASSET = "trials.patients"
PEOPLE = (
    PRINCIPALS
    + """
  dina2: {name: " dina ", groups: [stewards, clinical], purpose: research}
  ANA: {name: Ana Maria, groups: [stewards], purpose: research}
  rosa: {name: Rosa, groups: [stewards], purpose: research, attributes: {person: p7}}
  rosa.admin: {name: R. Lopez, groups: [stewards], purpose: research, attributes: {person: p7}}
  zoe: {name: Zoe, groups: [clinical], purpose: research, attributes: {study: S2}}
"""
)
TEMPLATES = """
@id("consented-rows") @request("read") @description("rows of consenting patients")
permit (principal == ?principal, action == Action::"select", resource in ?resource)
when { resource.subject.consents.contains(context.purpose) };

@id("columns") @request("read")
permit (principal == ?principal, action == Action::"reveal", resource in ?resource);

@id("big") @request("big")
permit (principal == ?principal, action in [Action::"select", Action::"reveal"],
        resource in ?resource)
when { resource.asset.name == "trials.big" };

@id("seniors") @request("seniors")
permit (principal == ?principal, action == Action::"select", resource in ?resource)
when { resource.age >= 60 };
"""
FINDS_HIDDEN = """
@id("nobody-finds") permit (principal == User::"nobody", action == Action::"discover",
  resource in Asset::"trials.patients");
@id("zoe-finds-for-training") permit (principal == User::"zoe", action == Action::"discover",
  resource in Asset::"trials.hidden") when { context.purpose == "model_training" };
@id("zoe-finds-big") permit (principal == User::"zoe", action == Action::"discover", resource)
when { resource.asset.name == "trials.big" };
"""
ALL = POLICIES + TEMPLATES + FINDS_HIDDEN


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("requesting"))
    made.apply(policies=ALL, principals=PEOPLE)
    yield made
    made.close()


@pytest.fixture
def world(lake: World) -> Iterator[World]:
    """The lake; what a test asked for is taken back after it."""
    yield lake
    lake.apply(policies=ALL, principals=PEOPLE)
    for state in ("open", "approved"):
        for request in lake.gateway.ledger.requests.find(now(), state=state)[1]:  # type: ignore[arg-type]
            lake.gateway.requesting.withdraw(request.principal, request.id)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def ask(who: Connection, asset: str = ASSET, **facts: Any) -> dict[str, Any]:
    answer: dict[str, Any] = who.act("request_access", {"asset": asset, **facts})
    return answer


def decide(
    who: Connection, request: dict[str, Any], outcome: str = "approved", **facts: Any
) -> dict[str, Any]:
    data = {"id": request["id"], "outcome": outcome, "reason": "see protocol 7", **facts}
    answer: dict[str, Any] = who.act("decide_request", data)
    return answer


def rows(who: Connection, purpose: str, asset: str = ASSET) -> pa.Table:
    return FlightScan(who, ScanRequest(Scan(asset), purpose)).reader().read_all()


def inbox(who: Connection) -> list[str]:
    return [r["id"] for r in who.act("requests", {"box": "inbox", "state": "open"})["requests"]]


def mine(who: Connection, request: dict[str, Any]) -> dict[str, Any]:
    found = who.act("requests", {"box": "mine"})["requests"]
    return next(r for r in found if r["id"] == request["id"])


# -- the way through -----------------------------------------------------------------------------


def test_request_approved_by_a_steward_opens_consented_rows_at_once(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    with pytest.raises(AccessDeniedError, match="no policy permits") as refused:
        rows(ana, "model_training")
    assert f"`%govdata request {ASSET} --purpose model_training`" in str(refused.value.hint)
    asked = ask(ana, purpose="model_training", reason="to train", scope="read")
    assert (asked["state"], asked["principal"], asked["can_decide"]) == ("open", "ana", False)
    assert inbox(dina) == [asked["id"]]
    with pytest.raises(AccessDeniedError):
        rows(ana, "model_training")
    done = decide(dina, asked)
    assert (done["state"], done["decided_by"], done["scope"]) == ("approved", "dina", "read")
    seen = rows(ana, "model_training")
    miko = rows(world.connect("miko"), "model_training")
    assert seen.num_rows == miko.num_rows > 0
    assert seen["patient"].to_pylist() == miko["patient"].to_pylist()
    assert "secret" not in seen.column_names
    assert not set(seen["patient"].to_pylist()) & set(PATIENTS["patient"].to_pylist())
    assert mine(ana, asked)["decision_reason"] == "see protocol 7"


def test_approval_opens_nothing_under_another_purpose_to_others_or_elsewhere(world: World) -> None:
    ana, dina, zoe = (world.connect(who) for who in ("ana", "dina", "zoe"))
    before = rows(ana, "research").drop(["score"])  # NaN is not equal to itself
    decide(dina, ask(ana, purpose="model_training", scope="read"))
    assert rows(ana, "research").drop(["score"]).equals(before)
    for who, purpose in ((ana, "marketing"), (zoe, "model_training")):
        with pytest.raises(AccessDeniedError):
            rows(who, purpose)
    with pytest.raises(NotVisibleError):
        rows(ana, "model_training", "trials.hidden")


def test_listings_follow_an_approval_and_its_end_at_once(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    nobody = world.connect("nobody")

    def access(who: Connection) -> str:
        found = who.act("ls", {"purpose": "model_training"})
        return next(s["access"] for s in found if s["name"] == ASSET)

    def browsed(who: Connection) -> list[str]:
        asked = {"purpose": "model_training", "readable": True}
        return [s["name"] for s in who.act("browse", asked)["assets"]]

    assert access(ana) == "none"
    assert ASSET not in browsed(ana)
    asked = ask(ana, purpose="model_training", scope="read")
    decide(dina, asked)
    assert access(ana) == "masked"
    assert ASSET in browsed(ana)
    assert access(nobody) == "none"
    assert ASSET not in browsed(nobody)
    decide(dina, asked, "refused")
    assert access(ana) == "none"
    assert ASSET not in browsed(ana)


@pytest.mark.attack("T61", surface="flight")
def test_consent_withdrawn_after_the_approval_takes_the_row_out(world: World) -> None:
    """T61: an approval is for an asset, never for a person."""
    ana, dina = world.connect("ana"), world.connect("dina")
    decide(dina, ask(ana, purpose="model_training", scope="read"))
    before = rows(ana, "model_training").num_rows
    consent = world.gateway.loading.consent
    consent("dina", "T:patient", "P001", "model_training", "withdrawn", "letter")
    try:
        assert rows(ana, "model_training").num_rows == before - 1
    finally:
        consent("dina", "T:patient", "P001", "model_training", "given", "letter")


def test_forbid_written_later_wins_over_an_approval(world: World) -> None:
    """T81."""
    ana, dina = world.connect("ana"), world.connect("dina")
    decide(dina, ask(ana, purpose="model_training", scope="read"))
    shut = '@id("shut") forbid (principal == User::"ana", action == Action::"select", resource);'
    world.apply(policies=ALL + shut, principals=PEOPLE)
    with pytest.raises(AccessDeniedError, match="shut"):
        rows(ana, "model_training")


# -- the end -------------------------------------------------------------------------------------


@pytest.mark.attack("T66", surface="flight")
def test_approval_ends_to_the_second_without_anything_being_done(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    until = now() + dt.timedelta(days=5)
    done = decide(dina, ask(ana, purpose="model_training", scope="read"), until=until.isoformat())
    end = dt.datetime.fromisoformat(done["until"])
    assert end == until.replace(microsecond=0)
    state = world.gateway.access.state()

    def at(moment: dt.datetime) -> bool:
        return state.decide("ana", "select", ASSET, "model_training", moment).permitted

    assert at(end - dt.timedelta(microseconds=1))
    assert not at(end)
    assert not at(end + dt.timedelta(days=1))
    assert at(end - dt.timedelta(seconds=1))


@pytest.mark.attack("T64", surface="flight")
@pytest.mark.parametrize("how", ["refused", "withdrawn"])
def test_approval_taken_back_ends_running_streams(world: World, how: str) -> None:
    """T64."""
    if not world.gateway.catalog.exists("trials.big"):
        world.load("trials.big", pa.table({"n": pa.array(range(3_000_000), pa.int64())}))
    zoe, dina = world.connect("zoe"), world.connect("dina")
    asked = ask(zoe, "trials.big", purpose="research")
    assert decide(dina, asked)["scope"] == "big"
    reader = FlightScan(zoe, ScanRequest(Scan("trials.big"), "research")).reader()
    assert reader.read_next_batch().num_rows
    if how == "refused":
        decide(dina, asked, "refused")
    else:
        zoe.act("withdraw_request", {"id": asked["id"]})
    with pytest.raises(Exception, match="changed while it was read"):
        for _ in reader:
            pass
    with pytest.raises(AccessDeniedError):
        rows(zoe, "research", "trials.big")


@pytest.mark.parametrize(
    "until",
    [
        dt.timedelta(seconds=-1),
        dt.timedelta(0),
        dt.timedelta(days=800),
        dt.timedelta(days=365 * 7000),
    ],
)
def test_end_that_is_past_or_too_far_is_refused(world: World, until: dt.timedelta) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    moment = (now() + until).isoformat()
    with pytest.raises(CatalogError, match="access ends in the future"):
        ask(ana, purpose="marketing", until=moment)
    asked = ask(ana, purpose="model_training", scope="read")
    with pytest.raises(CatalogError, match="access ends in the future"):
        decide(dina, asked, until=moment)
    assert mine(ana, asked)["state"] == "open"


def test_approval_without_an_end_lasts_ninety_days(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    done = decide(dina, ask(ana, purpose="model_training", scope="read"))
    length = dt.datetime.fromisoformat(done["until"]) - now()
    assert dt.timedelta(days=89) < length <= dt.timedelta(days=90)


# -- four eyes -----------------------------------------------------------------------------------


@pytest.mark.attack("T81", "T85", surface="flight")
@pytest.mark.parametrize(
    ("asker", "decider"),
    [
        ("dina", "dina"),
        ("dina2", "dina"),
        ("dina", "dina2"),
        ("ana", "ANA"),
        ("rosa", "rosa.admin"),
    ],
)
@pytest.mark.parametrize("outcome", ["approved", "refused"])
def test_nobody_decides_his_own_request_under_whatever_name(
    world: World, asker: str, decider: str, outcome: str
) -> None:
    narrow = ALL.replace(
        '@id("owners")\npermit (principal, action, resource)',
        '@id("owners")\npermit (principal, action in [Action::"discover", Action::"approve"],'
        " resource)",
    )
    assert narrow != ALL
    world.apply(policies=narrow, principals=PEOPLE)
    one, other = world.connect(asker), world.connect(decider)
    asked = ask(one, purpose="model_training", scope="read")
    assert asked["id"] not in inbox(other)
    with pytest.raises(AccessDeniedError, match="nobody decides his own request"):
        decide(other, asked, outcome)
    assert mine(one, asked)["state"] == "open"
    record = next(e.record for e in world.gateway.ledger.records(limit=5) if not e.record.permitted)
    assert (record.principal, record.action, record.reason) == (
        decider,
        "approve",
        "access_denied",
    )
    third = world.connect("rosa" if asker != "rosa" else "dina")
    assert asked["id"] in inbox(third)
    assert decide(third, asked)["state"] == "approved"


@pytest.mark.attack("T81", surface="flight")
def test_requester_who_became_steward_does_not_decide_what_he_asked_before(world: World) -> None:
    zoe = world.connect("zoe")
    asked = ask(zoe, purpose="model_training", scope="read")
    risen = PEOPLE.replace("zoe: {name: Zoe, groups: [clinical]", "zoe: {groups: [stewards]")
    world.apply(policies=ALL, principals=risen)
    with pytest.raises(AccessDeniedError, match="nobody decides his own"):
        decide(zoe, asked)


# -- who may decide, who learns what -------------------------------------------------------------


@pytest.mark.attack("T72", "T85", surface="flight")
@pytest.mark.parametrize("who", ["ana", "miko", "zoe", "nobody"])
def test_request_of_another_is_indistinguishable_from_none(world: World, who: str) -> None:
    """T72."""
    asked = ask(world.connect("zoe" if who == "ana" else "ana"), purpose="marketing")
    other = world.connect(who)
    answers = []
    for request in (asked["id"], "zzzzzz"):
        for action, data in (
            ("decide_request", {"outcome": "approved"}),
            ("decide_request", {"outcome": "refused", "reason": "no"}),
            ("withdraw_request", {}),
        ):
            with pytest.raises(NotVisibleError) as caught:
                other.act(action, {"id": request, **data})
            answers.append(str(caught.value.to_wire()).replace(request, "ID"))
    assert len(set(answers)) == 1
    for box in ("mine", "inbox"):
        page = other.act("requests", {"box": box})
        assert asked["id"] not in str(page)
        assert (page["to_decide"], page["decides"]) == (0, False)


@pytest.mark.attack("T72", "T85", surface="flight")
def test_asset_that_is_hidden_cannot_be_asked_for_like_one_that_is_missing(world: World) -> None:
    """T72: and nothing is kept of it."""
    ana = world.connect("ana")
    total = ana.act("requests", {})["total"]
    answers = set()
    for asset in ("trials.hidden", "trials.missing", "nodot", "a.b.c", "trials.Patients"):
        with pytest.raises(NotVisibleError) as caught:
            ask(ana, asset, purpose="research")
        answers.add(str(caught.value).replace(asset, "ASSET"))
    assert len(answers) == 1
    assert ana.act("requests", {})["total"] == total


def test_asset_found_under_another_purpose_can_be_asked_for(world: World) -> None:
    zoe = world.connect("zoe")
    assert ask(zoe, "trials.hidden", purpose="research")["state"] == "open"


@pytest.mark.attack("T73", "T85", surface="flight")
def test_inbox_holds_what_the_caller_may_decide_and_no_number_tells_of_more(world: World) -> None:
    """T73."""
    ana, zoe = world.connect("ana"), world.connect("zoe")
    one, two = ask(ana, purpose="marketing"), ask(zoe, purpose="marketing")
    opened = """
    @id("nobody-approves") permit (principal == User::"nobody", action == Action::"approve",
      resource in Asset::"trials.wide");
    """
    world.apply(policies=ALL + opened, principals=PEOPLE)
    nobody, dina = world.connect("nobody"), world.connect("dina")
    page = nobody.act("requests", {"box": "inbox"})
    assert (page["total"], page["requests"], page["to_decide"]) == (0, [], 0)
    assert {one["id"], two["id"]} <= set(inbox(dina))
    found = dina.act("requests", {"box": "inbox", "state": "open", "limit": 1})
    assert (found["total"], len(found["requests"])) == (2, 1)
    assert all(r["can_decide"] for r in found["requests"])
    own = ana.act("requests", {"box": "mine", "state": "open"})
    assert [r["id"] for r in own["requests"]] == [one["id"]]
    assert own["total"] == 1


def test_requester_is_told_of_nobody_elses_request(world: World) -> None:
    ana, zoe = world.connect("ana"), world.connect("zoe")
    first = ask(ana, purpose="marketing", reason="ana's words")
    second = ask(zoe, purpose="marketing", reason="zoe's words")
    assert first["id"] != second["id"]
    told = str(zoe.act("requests", {})) + str(second)
    assert "ana" not in told


# -- deciding ------------------------------------------------------------------------------------


def test_request_is_decided_once(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    asked = ask(ana, purpose="model_training", scope="read")
    decide(dina, asked)
    with pytest.raises(CatalogError, match="approved already"):
        decide(dina, asked)
    decide(dina, asked, "refused")
    for outcome in ("approved", "refused"):
        with pytest.raises(CatalogError, match="refused already"):
            decide(dina, asked, outcome)
    with pytest.raises(CatalogError, match="refused already"):
        ana.act("withdraw_request", {"id": asked["id"]})


def test_refusal_needs_a_reason(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    asked = ask(ana, purpose="marketing")
    for reason in ("", "   "):
        with pytest.raises(CatalogError, match="needs a reason"):
            decide(dina, asked, "refused", reason=reason)
    assert decide(dina, asked, "refused", reason="no")["state"] == "refused"


def test_approval_without_any_template_shows_what_to_write(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    asked = ask(ana, purpose="marketing")
    world.apply(policies=POLICIES, principals=PEOPLE)
    with pytest.raises(CatalogError, match="no request template") as caught:
        decide(dina, asked)
    assert "?principal" in str(caught.value.hint)
    assert "@request" in str(caught.value.hint)
    assert mine(ana, asked)["state"] == "open"


@pytest.mark.parametrize(
    ("who", "scope", "message"),
    [
        ("nobody", "seniors", "rows without a column"),
        ("ana", "big", "no policy permits it"),
        ("ana", "other", "no scope `other`"),
    ],
)
def test_approval_that_opens_nothing_is_refused_with_the_reason(
    world: World, who: str, scope: str, message: str
) -> None:
    dina = world.connect("dina")
    asked = ask(world.connect(who), purpose="marketing")
    with pytest.raises(CatalogError, match=message):
        decide(dina, asked, scope=scope)


def test_approver_chooses_where_several_scopes_would_open_it(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    asked = ask(ana, purpose="model_training")
    with pytest.raises(CatalogError, match="several scopes") as caught:
        decide(dina, asked)
    assert "--scope read" in str(caught.value.hint)
    assert "--scope seniors" in str(caught.value.hint)
    assert "big" not in str(caught.value.hint)
    assert decide(dina, asked, scope="seniors")["scope"] == "seniors"
    assert set(rows(ana, "model_training")["age"].to_pylist()) <= set(range(60, 200))


def test_template_that_is_gone_opens_nothing_and_the_request_says_so(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    asked = ask(ana, purpose="model_training", scope="read")
    decide(dina, asked)
    count = rows(ana, "model_training").num_rows
    world.apply(policies=POLICIES + FINDS_HIDDEN, principals=PEOPLE)
    with pytest.raises(AccessDeniedError):
        rows(ana, "model_training")
    assert "opens nothing" in mine(ana, asked)["note"]
    world.apply(policies=ALL, principals=PEOPLE)
    assert rows(ana, "model_training").num_rows == count
    assert mine(ana, asked)["note"] == ""


def test_request_of_somebody_who_left_is_not_approved(world: World) -> None:
    zoe, dina = world.connect("zoe"), world.connect("dina")
    asked = ask(zoe, purpose="model_training", scope="read")
    left = PEOPLE[: PEOPLE.index("  zoe:")]
    world.apply(policies=POLICIES + TEMPLATES, principals=left)
    with pytest.raises(GovDataError, match="`zoe` is not known"):
        decide(dina, asked)


# -- asking --------------------------------------------------------------------------------------


def test_request_without_a_purpose_takes_the_principals_own(world: World) -> None:
    assert ask(world.connect("zoe"))["purpose"] == "research"
    with pytest.raises(PurposeError):
        ask(world.connect("zoe"), purpose="curiosity")


def test_request_for_what_is_open_already_says_so(world: World) -> None:
    with pytest.raises(CatalogError, match="you may read all of"):
        ask(world.connect("ana"), "trials.wide", purpose="marketing")


@pytest.mark.attack("T74", surface="flight")
@pytest.mark.parametrize(
    "reason",
    ["\x1b[31mred", "a\u202eb", "zero\u200bwidth", "nul\x00", "bell\x07", "\ud800"],
)
def test_text_that_could_steer_a_terminal_is_refused(world: World, reason: str) -> None:
    """T74."""
    ana = world.connect("ana")
    with pytest.raises((CatalogError, ProtocolError, UnicodeEncodeError)):
        ask(ana, purpose="marketing", reason=reason)
    assert not ana.act("requests", {"state": "open"})["total"]


def test_reason_is_one_line_and_bounded(world: World) -> None:
    """T82."""
    ana = world.connect("ana")
    longest = request_actions.MAX_REASON
    with pytest.raises(CatalogError, match=f"at most {longest}"):
        ask(ana, purpose="marketing", reason="x" * (longest + 1))
    made = ask(ana, purpose="marketing", reason="first\r\n  second\tline ")
    assert made["reason"] == "first second line"


@pytest.mark.attack("T82", surface="flight")
@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("request_access", {"asset": 5}),
        ("request_access", {"asset": ASSET, "until": "soon"}),
        ("request_access", {"asset": ASSET, "until": "2030-01-01T00:00:00"}),
        ("request_access", {"asset": ASSET, "scope": ["read"]}),
        ("request_access", {"asset": ASSET, "purpose": {"a": 1}}),
        ("requests", {"box": "all"}),
        ("requests", {"state": "pending"}),
        ("requests", {"limit": 501}),
        ("requests", {"limit": 0}),
        ("requests", {"limit": True}),
        ("requests", {"offset": -1}),
        ("decide_request", {"id": "abc234", "outcome": "open"}),
        ("decide_request", {"id": 7, "outcome": "approved"}),
        ("withdraw_request", {"id": "x" * 300}),
    ],
)
def test_malformed_message_is_refused(world: World, action: str, data: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        world.connect("ana").act(action, data)


def test_id_that_is_no_id_is_like_one_that_is_unknown(world: World) -> None:
    for odd in ("", "../x", "abc234'; --", "ABC234", "x" * 150):
        with pytest.raises(NotVisibleError, match="does not exist or is not yours"):
            world.connect("ana").act("withdraw_request", {"id": odd})


@pytest.mark.attack("T75", surface="flight")
def test_whole_life_is_in_the_audit_chain(world: World) -> None:
    ana, dina = world.connect("ana"), world.connect("dina")
    asked = ask(ana, purpose="model_training", scope="read", reason="patient 0815")
    decide(dina, asked)
    decide(dina, asked, "refused", reason="patient 0815")
    lines = [e.record for e in world.gateway.ledger.records(limit=30)]
    found = [(r.action, r.principal) for r in reversed(lines) if asked["id"] in str(r.detail)]
    assert found == [
        ("request_access", "ana"),
        ("approve_request", "dina"),
        ("refuse_request", "dina"),
    ]
    assert "0815" not in str(lines)
    assert world.gateway.verify_audit().ok
