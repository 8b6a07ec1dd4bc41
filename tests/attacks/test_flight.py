"""What an analyst who owns the kernel can try: speak the protocol directly with a valid token.

Numbers (T..) are those of THREAT_MODEL.md.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import socket
import threading
import time
from typing import Any

import jwt
import pyarrow as pa
import pytest
from pyarrow import flight

from jupyter_govdata.client.connection import Connection, raised
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.config import Limits
from jupyter_govdata.errors import (
    AccessDeniedError,
    AuthenticationError,
    BusyError,
    ColumnNotFoundError,
    GatewayError,
    GovDataError,
    LimitError,
    NotVisibleError,
    ProtocolError,
    PurposeError,
    QueryError,
    RefusalError,
    StaleDecisionError,
)
from jupyter_govdata.gateway.state import COMPILED
from jupyter_govdata.model.predicate import And, Compare, In, IsNull, Predicate
from jupyter_govdata.model.scan import At, Filter, Fragment, Limit, Project, Scan, ScanRequest
from jupyter_govdata.model.wire import canonical_json, fragment_to_wire
from jupyter_govdata.stamps.verify import verify_receipt
from tests.canaries import canary
from tests.gateway.world import CARDS, CONSENTED, FILES, PATIENTS, POLICIES, World, make_world


def read(connection: Connection, fragment: Fragment, purpose: str | None = None) -> pa.Table:
    scan = FlightScan(connection, ScanRequest(fragment, purpose))
    return scan.reader().read_all()


def where(predicate: Predicate, *columns: str) -> Fragment:
    below = Filter(Scan("trials.patients"), predicate)
    return Project(below, columns) if columns else below


def raw_call(world: World, token: str, call: Any) -> GovDataError:
    """Make one call with any token and return the error that comes back."""
    client = flight.FlightClient(world.server.address)
    options = flight.FlightCallOptions(headers=[(b"authorization", token.encode())])
    try:
        with pytest.raises(pa.ArrowException) as caught:
            call(client, options)
        return raised(caught.value)
    finally:
        client.close()


def command(data: Any) -> flight.FlightDescriptor:
    body = data if isinstance(data, bytes) else canonical_json(data)
    return flight.FlightDescriptor.for_command(body)


def bearer(world: World, user: str) -> str:
    from jupyter_govdata.client.token import mint_embedded

    return "Bearer " + mint_embedded(world.lake, user, 600)


# -- other assets, hidden names ----------------------------------------------------------------


@pytest.mark.attack("T01", "T20", "T46", "T72", surface="flight")
@pytest.mark.parametrize(
    "name",
    [
        "trials.hidden",
        "trials.missing",
        "nowhere.x",
        "TRIALS.HIDDEN",
        "trials.hidden ",
        "trials.hidden\u200b",
        "trials.*",
        "../trials.hidden",
        "trials.hidden/metadata",
        "trials.hidden.snapshots",
        "trials.hidden$files",
        "file:///etc/passwd",
        "s3://bucket/key",
        "*",
        "trials",
        "",
    ],
)
@pytest.mark.parametrize("user", ["ana", "nobody"])
def test_scan_of_an_asset_not_for_me_and_of_a_missing_one_give_the_same_answer(world, name, user):
    """T46, T72: a hidden asset cannot be told from a missing one."""
    with pytest.raises(NotVisibleError) as caught:
        read(world.connect(user), Scan(name))
    expected = NotVisibleError.for_asset(name)
    assert caught.value.to_wire() == expected.to_wire()


@pytest.mark.attack("T72", "T73", surface="flight")
@pytest.mark.parametrize("action", ["view", "versions"])
@pytest.mark.parametrize("name", ["trials.hidden", "trials.missing"])
def test_catalog_call_on_a_hidden_asset_answers_as_for_a_missing_one(world, action, name):
    """T72, T73: cards and versions do not betray names either."""
    with pytest.raises(NotVisibleError) as caught:
        world.connect("ana").act(action, {"asset": name})
    assert caught.value.to_wire() == NotVisibleError.for_asset(name).to_wire()


@pytest.mark.attack("T73", surface="flight")
def test_listing_and_search_show_only_what_may_be_discovered(world):
    """T73."""
    ana = world.connect("ana")
    assert [s["name"] for s in ana.act("ls")] == ["trials.patients", "trials.wide"]
    assert ana.act("search", {"text": "nobody else"}) == []
    assert [s["name"] for s in world.connect("nobody").act("ls")] == ["trials.wide"]
    assert ana.act("names")["names"] == ["trials.patients", "trials.wide"]
    assert world.connect("nobody").act("names")["names"] == ["trials.wide"]


@pytest.mark.attack("T81", surface="flight")
def test_explain_as_somebody_else_without_manage_is_refused(world):
    with pytest.raises(RefusalError):
        world.connect("ana").act("explain_as", {"asset": "trials.patients", "as": "dina"})


# -- columns and masks -------------------------------------------------------------------------


@pytest.mark.attack("T22", "T23", surface="flight")
@pytest.mark.parametrize("column", ["secret", "no_such_column", "rowid", "filename", "*", ""])
def test_projection_of_a_hidden_and_of_a_missing_column_give_the_same_answer(world, column):
    """T22, T23: hidden columns do not exist."""
    with pytest.raises(ColumnNotFoundError) as caught:
        read(world.connect("ana"), Project(Scan("trials.patients"), (column,)))
    assert caught.value.message == f"`trials.patients` shows you no column `{column}`"


@pytest.mark.attack("T26", "T38", surface="flight")
def test_predicate_on_a_hidden_column_is_refused_before_anything_is_read(world):
    """T26, T38."""
    with pytest.raises(ColumnNotFoundError):
        read(world.connect("ana"), where(Compare("secret", "=", canary("hidden", 1)), "study"))


@pytest.mark.attack("T26", surface="flight")
def test_predicate_on_a_masked_column_sees_the_mask_not_the_value(world):
    """T26: a raw identifier matches nothing, neither by equality nor by range nor by NULL."""
    ana = world.connect("ana")
    mine = read(ana, Project(Scan("trials.patients"), ("patient",)))
    assert read(ana, where(Compare("patient", "=", "P001"))).num_rows == 0
    assert read(ana, where(In("patient", tuple(f"P{i:03d}" for i in range(41))))).num_rows == 0
    shown = mine.column("patient").to_pylist()
    assert all(not value.startswith("P0") for value in shown)
    assert read(ana, where(Compare("patient", "=", shown[0]))).num_rows == 1
    exact = dt.date(1940, 1, 1)
    assert read(ana, where(Compare("birth", "=", dt.date(1944, 5, 5)))).num_rows == 0
    assert read(ana, where(Compare("birth", "=", exact))).num_rows == 1


@pytest.mark.attack("T26", "T27", surface="flight")
def test_range_probes_on_a_masked_column_do_not_narrow_down_the_value(world):
    """T26, T27: bisecting birth dates finds 1 January only."""
    ana = world.connect("ana")
    found = read(ana, where(Compare("birth", ">", dt.date(1944, 1, 1)), "birth"))
    assert {d.as_py() for d in found.column("birth")} == {
        dt.date(1940 + i, 1, 1) for i in range(5, 40) if i % 4 == 0
    }


@pytest.mark.attack("T24", surface="flight")
def test_constant_of_another_type_is_refused_and_never_cast(world):
    """T24: no cast, so no cast error that tells of a denied row."""
    for predicate in (
        Compare("age", "=", "20"),
        Compare("study", "=", 1),
        Compare("seen", "<", dt.datetime(2024, 1, 1)),
        Compare("birth", "=", 7),
        Compare("dose", "=", "x"),
    ):
        with pytest.raises(QueryError):
            read(world.connect("ana"), where(predicate))


@pytest.mark.attack("T11", "T12", surface="flight")
@pytest.mark.parametrize(
    "fragment",
    [
        {"filter": {"sql": "1=1"}, "input": {"scan": "trials.patients"}},
        {"filter": {"like": ["x"], "column": "study"}, "input": {"scan": "trials.patients"}},
        {
            "filter": {"consent": "research", "column": "study", "domain": "x"},
            "input": {"scan": "trials.patients"},
        },
        {
            "filter": {"compare_columns": "=", "left": "study", "right": "secret"},
            "input": {"scan": "trials.patients"},
        },
        {
            "filter": {"compare": "; DROP TABLE", "column": "study", "value": ["str", "x"]},
            "input": {"scan": "trials.patients"},
        },
        {"aggregate": ["count"], "input": {"scan": "trials.patients"}},
        {"scan": "trials.patients", "masks": {}},
        {"scan": "trials.patients", "at": {"path": "/etc/passwd"}},
        {"scan": ["trials.patients"]},
        {"limit": -1, "input": {"scan": "trials.patients"}},
        {"limit": True, "input": {"scan": "trials.patients"}},
        {"project": "study", "input": {"scan": "trials.patients"}},
        None,
        [],
        "trials.patients",
    ],
)
def test_fragment_outside_the_protocol_is_refused(world, fragment):
    """T11, T12: nothing but the known nodes; no SQL text has a way in."""
    error = raw_call(
        world,
        bearer(world, "ana"),
        lambda c, o: c.get_flight_info(command({"v": 1, "fragment": fragment, "purpose": None}), o),
    )
    assert isinstance(error, ProtocolError)


@pytest.mark.attack("T12", "T21", surface="flight")
def test_names_with_quotes_and_sql_are_only_names(world):
    """T12, T21."""
    for name in ('study" OR 1=1 --', "study'; ATTACH ':memory:'", "study\x00", "a" * 1_000):
        with pytest.raises((ColumnNotFoundError, ProtocolError)):
            read(world.connect("ana"), Project(Scan("trials.patients"), (name,)))
    hostile = "S1' OR '1'='1"
    assert read(world.connect("ana"), where(Compare("study", "=", hostile))).num_rows == 0


@pytest.mark.attack("T82", surface="flight")
def test_deeply_nested_and_oversized_messages_are_refused(world):
    """T82."""
    token = bearer(world, "ana")
    nested = b'{"and":[' * 2_000 + b'{"constant":true}' + b"]}" * 2_000
    deep = b'{"v":1,"fragment":{"filter":' + nested + b',"input":{"scan":"trials.patients"}}}'
    big = b'{"v":1,"fragment":"' + b"x" * 5_000_000 + b'"}'
    broken = b'{"v":1,' + b"[" * 100_000
    for message in (deep, big, broken, b"", b"\xff\xfe", b"null", b"{}"):
        for call in (
            lambda c, o, m=message: c.get_flight_info(command(m), o),
            lambda c, o, m=message: c.do_get(flight.Ticket(b"scan:" + m), o).read_all(),
            lambda c, o, m=message: list(c.do_action(flight.Action("scan", m), o)),
        ):
            assert isinstance(raw_call(world, token, call), ProtocolError | GatewayError)
    many = And(tuple(Compare("age", "=", i) for i in range(20_000)))
    with pytest.raises(ProtocolError):
        read(world.connect("ana"), where(many))
    assert read(world.connect("ana"), Scan("trials.patients")).num_rows == 10


@pytest.mark.attack("T01", "T06", surface="flight")
def test_descriptor_path_and_other_flight_calls_are_closed(world):
    """T01, T06: only commands, only this protocol."""
    token = bearer(world, "dina")
    path = flight.FlightDescriptor.for_path("trials", "patients")
    calls = (
        lambda c, o: c.get_flight_info(path, o),
        lambda c, o: c.get_schema(command({"v": 1}), o),
        lambda c, o: list(c.list_flights(b"", o)),
        lambda c, o: c.do_exchange(path, o)[1].read_chunk(),
        lambda c, o: list(c.do_action(flight.Action("shutdown", b"{}"), o)),
        lambda c, o: list(c.do_action(flight.Action("epoch", b"[1]"), o)),
        lambda c, o: list(c.do_action(flight.Action("__class__", b"{}"), o)),
    )
    for call in calls:
        assert isinstance(raw_call(world, token, call), GovDataError)


# -- rows and row counts -----------------------------------------------------------------------


@pytest.mark.attack("T36", surface="flight")
def test_row_filter_holds_without_and_with_every_kind_of_pushed_condition(world):
    ana = world.connect("ana")
    allowed = {(r["age"], r["dose"]) for r in PATIENTS.to_pylist() if r["study"] == "S1"}
    for fragment in (
        Scan("trials.patients"),
        where(IsNull("study")),
        where(IsNull("study", negated=True)),
        where(Compare("study", "!=", "S1")),
        where(In("study", ("S2", "S3"))),
        where(In("study", ("S2",), negated=True)),
    ):
        table = read(ana, fragment)
        assert {(r["age"], r["dose"]) for r in table.to_pylist()} <= allowed
        assert set(table.column("study").to_pylist()) <= {"S1"}


@pytest.mark.attack("T61", surface="flight")
def test_consent_filter_returns_consented_subjects_only(world):
    """T61."""
    table = read(world.connect("miko"), Project(Scan("trials.patients"), ("birth",)))
    assert table.num_rows == len(CONSENTED)


@pytest.mark.attack("T31", surface="flight")
def test_empty_projection_counts_visible_rows_only(world):
    """T31: counting rows counts mine."""
    scan = FlightScan(world.connect("ana"), ScanRequest(Project(Scan("trials.patients"), ())))
    assert sum(b.num_rows for b in scan.reader()) == 10


@pytest.mark.attack("T28", "T31", "T32", surface="flight")
def test_flight_info_tells_no_totals(world):
    """T28, T31, T32: neither rows nor bytes of the raw table."""
    client = flight.FlightClient(world.server.address)
    options = flight.FlightCallOptions(headers=[(b"authorization", bearer(world, "ana").encode())])
    data = {"v": 1, "fragment": fragment_to_wire(Scan("trials.patients")), "purpose": None}
    info = client.get_flight_info(command(data), options)
    assert (info.total_records, info.total_bytes) == (-1, -1)
    client.close()


@pytest.mark.attack("T31", surface="flight")
def test_versions_of_a_filtered_asset_tell_no_row_counts_nor_provenance(world):
    """T31."""
    page = world.connect("ana").act("versions", {"asset": "trials.patients"})
    assert page["versions"]
    for snapshot in page["versions"]:
        assert snapshot["total_rows"] is None
        assert snapshot["added_rows"] is None
        assert snapshot["provenance"] == {}


@pytest.mark.attack("T22", "T31", surface="flight")
def test_card_of_a_filtered_asset_tells_no_row_counts_nor_hidden_columns(world):
    """T22, T31."""
    card = world.connect("ana").act("view", {"asset": "trials.patients"})
    assert card["snapshot"]["total_rows"] is None
    assert card["snapshot"]["provenance"] == {}
    assert "secret" not in json.dumps(card)
    whole = world.connect("dina").act("view", {"asset": "trials.patients"})
    assert whole["snapshot"]["total_rows"] == PATIENTS.num_rows


@pytest.mark.attack("T22", surface="flight")
def test_card_names_no_subject_column_that_is_hidden(fresh_world):
    """T22: neither as the subject nor inside a domain."""
    card = CARDS.replace(
        'patient: {description: Patient number., domain: "T:patient", tags: {identifier: direct}}',
        "patient: {tags: {sensitivity: secret}}\n"
        '      arm: {domain: "{patient}:arm"}\n      study: {domain: "T:study"}',
    )
    assert card != CARDS
    fresh_world.apply(cards=card)
    shown = fresh_world.connect("ana").act("view", {"asset": "trials.patients"})
    assert "patient" not in json.dumps(shown).replace("trials.patients", "").replace("Patients", "")
    domains = {c["name"]: c["domain"] for c in shown["asset"]["columns"]}
    assert domains["arm"] == ""
    assert domains["study"] == "T:study"


@pytest.mark.attack("T22", surface="flight")
def test_card_tells_units_of_visible_columns_and_of_no_hidden_one(fresh_world):
    """T22."""
    text = "secret: {description: Free text., "
    card = CARDS.replace(text, f"{text}unit: furlong, ").replace(
        "birth: {", "birth: {unit: fortnight, "
    )
    fresh_world.apply(cards=card)
    shown = json.dumps(fresh_world.connect("ana").act("view", {"asset": "trials.patients"}))
    assert "fortnight" in shown
    assert "furlong" not in shown
    found = fresh_world.connect("ana").act("search", {"text": "furlong"})
    assert "trials.patients" not in json.dumps(found)


@pytest.mark.attack("T61", surface="flight")
def test_old_snapshot_is_filtered_by_todays_consent(fresh_world):
    """T61: time travel does not travel back in permission."""
    miko = fresh_world.connect("miko")
    first = fresh_world.gateway.catalog.resolve("trials.patients", None).snapshot_id
    fresh_world.load("trials.patients", PATIENTS.slice(0, 5), mode="append")
    before = read(miko, Scan("trials.patients", At(snapshot_id=first))).num_rows
    fresh_world.gateway.loading.consent(
        "dina", "T:patient", "P001", "model_training", "withdrawn", "letter"
    )
    after = read(miko, Scan("trials.patients", At(snapshot_id=first))).num_rows
    assert (before, after) == (len(CONSENTED), len(CONSENTED) - 1)


# -- purposes ----------------------------------------------------------------------------------


@pytest.mark.attack("T56", surface="flight")
def test_unknown_and_unpermitted_purposes_are_refused(world):
    ana = world.connect("ana")
    with pytest.raises(PurposeError):
        read(ana, Scan("trials.patients"), "curiosity")
    with pytest.raises(RefusalError):
        read(ana, Scan("trials.patients"), "marketing")


@pytest.mark.attack("T33", surface="flight")
def test_another_purpose_gives_other_pseudonyms(world):
    """T33: the same patient cannot be followed across purposes, nor found by a dictionary."""
    miko = world.connect("miko")
    one = read(miko, Project(Scan("trials.patients"), ("patient",)))
    again = read(miko, Project(Scan("trials.patients"), ("patient",)))
    assert sorted(one.column(0).to_pylist()) == sorted(again.column(0).to_pylist())
    ana = read(world.connect("ana"), Project(Scan("trials.patients"), ("patient",)))
    assert not set(one.column(0).to_pylist()) & set(ana.column(0).to_pylist())


# -- tokens and tickets ------------------------------------------------------------------------


def forged_tokens(world: World) -> list[str]:
    good = bearer(world, "ana").removeprefix("Bearer ")
    head, body, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    stolen = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "dina"}).encode())
    now = int(time.time())
    return [
        "",
        "Bearer",
        "Bearer ",
        "Basic " + base64.b64encode(b"ana:ana").decode(),
        f"Bearer {none}.{body}.",
        f"Bearer {none}.{body}.{signature}",
        f"Bearer {head}.{stolen.rstrip(b'=').decode()}.{signature}",
        "Bearer " + jwt.encode({**claims, "sub": "dina"}, "x" * 32, "HS256"),
        "Bearer " + jwt.encode({**claims, "exp": now - 3600}, "x" * 32, "HS256"),
        f"Bearer {head}.{body}.{'A' * len(signature)}",
        "Bearer " + "A" * 100_000,
    ]


def test_forged_tokens_are_refused_for_every_call(world):
    for token in forged_tokens(world):
        error = raw_call(
            world, token, lambda c, o: list(c.do_action(flight.Action("whoami", b"{}"), o))
        )
        assert isinstance(error, AuthenticationError | GatewayError), token[:40]


def test_valid_token_of_an_unknown_principal_sees_nothing(world):
    with pytest.raises(AuthenticationError):
        read(world.connect("mallory"), Scan("trials.patients"))


def tickets_of(world: World, user: str, fragment: Fragment) -> list[bytes]:
    _, tickets, _ = world.connect(user).plan(ScanRequest(fragment))
    return [t.ticket for t in tickets]


@pytest.mark.attack("T56", surface="flight")
def test_ticket_of_another_principal_is_useless(world):
    """T56."""
    [ticket] = tickets_of(world, "dina", Scan("trials.patients"))
    error = raw_call(
        world, bearer(world, "ana"), lambda c, o: c.do_get(flight.Ticket(ticket), o).read_all()
    )
    assert isinstance(error, ProtocolError | AuthenticationError)


@pytest.mark.attack("T51", surface="flight")
def test_ticket_is_good_once(world):
    [ticket] = tickets_of(world, "ana", Scan("trials.patients"))
    ana = world.connect("ana")
    assert ana.get(flight.Ticket(ticket)).read_all().num_rows == 10
    with pytest.raises((ProtocolError, pa.ArrowException)):
        ana.get(flight.Ticket(ticket)).read_all()


@pytest.mark.attack("T47", surface="flight")
def test_forged_and_altered_tickets_are_refused(world):
    [ticket] = tickets_of(world, "ana", Scan("trials.patients"))
    token = bearer(world, "ana")
    altered = bytearray(ticket)
    altered[len(altered) // 2] ^= 1
    for bad in (
        b"",
        b"{}",
        bytes(altered),
        ticket[:-1],
        ticket + b"x",
        os.urandom(64),
        b"x" * 9999,
    ):
        error = raw_call(world, token, lambda c, o, t=bad: c.do_get(flight.Ticket(t), o).read_all())
        assert isinstance(error, ProtocolError | AuthenticationError), bad[:20]


# -- change while reading ----------------------------------------------------------------------


@pytest.mark.attack("T64", surface="flight")
def test_policy_change_stops_a_running_stream_at_the_next_batch(fresh_world):
    """T64."""
    wide = pa.table({"n": pa.array(range(3_000_000), pa.int64())})
    fresh_world.load("trials.wide", wide)
    scan = FlightScan(fresh_world.connect("ana"), ScanRequest(Scan("trials.wide")))
    reader = scan.reader()
    first = reader.read_next_batch()
    assert first.num_rows
    closed = POLICIES.replace('@id("wide-open")', '@id("wide-open")\n// closed\n').replace(
        'permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],\n'
        '        resource in Asset::"trials.wide")',
        'permit (principal, action == Action::"discover", resource in Asset::"trials.wide")',
    )
    assert closed != POLICIES
    fresh_world.apply(policies=closed)
    with pytest.raises(Exception, match="changed while it was read"):
        for _ in reader:
            pass


def test_unrelated_change_leaves_a_running_stream_alone(fresh_world):
    wide = pa.table({"n": pa.array(range(3_000_000), pa.int64())})
    fresh_world.load("trials.wide", wide)
    scan = FlightScan(fresh_world.connect("ana"), ScanRequest(Scan("trials.wide")))
    reader = scan.reader()
    rows = reader.read_next_batch().num_rows
    fresh_world.gateway.loading.consent(
        "dina", "T:patient", "P002", "model_training", "withdrawn", "letter"
    )
    assert rows + sum(b.num_rows for b in reader) == wide.num_rows


@pytest.mark.attack("T50", surface="flight")
def test_consent_withdrawn_between_plan_and_read_is_respected(fresh_world):
    """T50: a ticket planned under the old consent does not read under it."""
    miko = fresh_world.connect("miko")
    _, [ticket], _ = miko.plan(ScanRequest(Scan("trials.patients")))
    fresh_world.gateway.loading.consent(
        "dina", "T:patient", "P001", "model_training", "withdrawn", "letter"
    )
    with pytest.raises(pa.ArrowException) as caught:
        miko.get(ticket).read_all()
    assert isinstance(raised(caught.value), StaleDecisionError)
    assert read(miko, Scan("trials.patients")).num_rows == len(CONSENTED) - 1


@pytest.mark.attack("T64", "T65", surface="flight")
def test_concurrent_epoch_changes_never_show_a_denied_row(fresh_world):
    """T64, T65: while consent flips, every answer is that of some consent state."""
    miko = fresh_world.connect("miko")
    stop = threading.Event()
    loading = fresh_world.gateway.loading

    def flip() -> None:
        status = "withdrawn"
        while not stop.is_set():
            loading.consent("dina", "T:patient", "P001", "model_training", status, "x")
            status = "given" if status == "withdrawn" else "withdrawn"

    thread = threading.Thread(target=flip)
    thread.start()
    counts = []
    refused = 0
    try:
        while len(counts) < 10 and refused < 500:
            try:
                counts.append(read(miko, Scan("trials.patients")).num_rows)
            except StaleDecisionError:
                refused += 1
    finally:
        stop.set()
        thread.join()
    assert len(counts) == 10, f"{refused} scans were refused as stale"
    assert set(counts) <= {len(CONSENTED), len(CONSENTED) - 1}


@pytest.mark.attack("T63", surface="flight")
def test_removed_permit_closes_the_asset(fresh_world):
    """T63."""
    fresh_world.apply(policies=POLICIES.split('@id("clinical-read")')[0])
    with pytest.raises(NotVisibleError):
        read(fresh_world.connect("ana"), Scan("trials.patients"))


# -- writing -----------------------------------------------------------------------------------


@pytest.mark.attack("T13", "T81", surface="flight")
@pytest.mark.parametrize("asset", ["trials.patients", "trials.hidden", "trials.new", "other.new"])
@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
def test_load_without_publish_is_refused_and_changes_nothing(world, asset, mode):
    """T81, T13."""
    before = sorted(world.gateway.catalog.names())
    versions = len(world.gateway.catalog.versions("trials.patients"))
    table = pa.table({"x": [1]})
    with pytest.raises(GovDataError):
        world.connect("ana").put(
            {"v": 1, "asset": asset, "mode": mode}, table.schema, iter(table.to_batches()), dict
        )
    assert sorted(world.gateway.catalog.names()) == before
    assert len(world.gateway.catalog.versions("trials.patients")) == versions


@pytest.mark.attack("T81", surface="flight")
@pytest.mark.parametrize(
    "action",
    [
        ("apply", {"files": {}, "dry_run": False}),
        ("governance", {}),
        ("audit", {"limit": 5}),
        (
            "consent",
            {
                "domain": "T:patient",
                "subject": "P003",
                "purpose": "model_training",
                "status": "given",
                "source": "me",
            },
        ),
        ("tag", {"asset": "trials.patients", "tag": "mine", "snapshot_id": "1"}),
        ("rename_column", {"asset": "trials.patients", "old": "secret", "new": "open"}),
    ],
    ids=lambda a: a[0],
)
def test_steward_calls_by_an_analyst_are_refused(world, action):
    """T81: nobody gives himself access."""
    name, data = action
    epoch = world.gateway.ledger.epoch()
    with pytest.raises(AccessDeniedError):
        world.connect("ana").act(name, data)
    assert world.gateway.ledger.epoch() == epoch


@pytest.mark.attack("T45", surface="flight")
def test_provenance_from_a_client_does_not_replace_what_the_gateway_knows(fresh_world):
    table = pa.table({"x": [1]})
    answer = fresh_world.connect("dina").put(
        {
            "v": 1,
            "asset": "trials.mine",
            "mode": "create",
            "provenance": {"loaded_by": "ana", "source": "x.csv"},
        },
        table.schema,
        iter(table.to_batches()),
        dict,
    )
    assert answer["provenance"]["loaded_by"] == "dina"
    assert answer["provenance"]["source"] == "x.csv"


# -- limits, errors, records -------------------------------------------------------------------


@pytest.mark.attack("T82", surface="flight")
def test_concurrent_streams_of_one_principal_are_limited(tmp_path):
    """T82."""
    small = make_world(tmp_path, Limits(streams_per_principal=4))
    small.load("trials.wide", pa.table({"n": pa.array(range(3_000_000), pa.int64())}))
    ana = small.connect("ana")
    scans = [FlightScan(ana, ScanRequest(Scan("trials.wide"))) for _ in range(8)]
    readers = [scan.reader() for scan in scans]
    with pytest.raises(BusyError, match="you stream 4 scans already") as caught:
        for reader in readers:
            reader.read_next_batch()
    assert caught.value.code == "busy"
    for scan in scans:
        scan.cancel()
    small.close()


@pytest.mark.attack("T82", surface="flight")
def test_connection_that_sends_garbage_does_not_disturb_others(world):
    """T82."""
    host, port = world.server.address.removeprefix("grpc://").rsplit(":", 1)
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(os.urandom(4096))
    assert read(world.connect("ana"), Scan("trials.patients")).num_rows == 10


@pytest.mark.attack("T25", "T57", surface="flight")
def test_errors_hold_no_value_path_or_token(fresh_world):
    """T25, T57: a broken file tells its asset, and nothing of the file."""
    plan_dir = fresh_world.lake / "warehouse"
    for file in plan_dir.rglob("*.parquet"):
        file.write_bytes(b"PAR1" + b"broken secret 7" * 50 + b"PAR1")
    with pytest.raises(Exception) as caught:
        read(fresh_world.connect("ana"), Scan("trials.patients"))
    text = str(caught.value)
    for leak in ("warehouse", ".parquet", "secret", str(fresh_world.lake), "Bearer", "eyJ"):
        assert leak not in text


@pytest.mark.attack("T75", surface="flight")
def test_every_answer_is_in_the_audit_chain_before_it_is_given(fresh_world):
    """Invariant 4, T75."""
    ledger = fresh_world.gateway.ledger
    ana = fresh_world.connect("ana")
    seen = ledger.records(limit=1)[0].seq
    ana.plan(ScanRequest(Scan("trials.patients")))
    with pytest.raises(NotVisibleError):
        ana.plan(ScanRequest(Scan("trials.hidden")))
    entries = [e for e in ledger.records(limit=20) if e.seq > seen]
    answers = {(e.record.asset, e.record.permitted, e.record.reason) for e in entries}
    assert ("trials.patients", True, "permitted") in answers
    assert ("trials.hidden", False, "not_visible") in answers
    assert all(e.record.decision_id for e in entries if e.record.permitted)
    assert ledger.verify().ok


def test_limit_zero_and_limit_read_no_more_than_asked(world):
    assert read(world.connect("ana"), Limit(Scan("trials.patients"), 3)).num_rows == 3
    assert read(world.connect("ana"), Limit(Scan("trials.patients"), 0)).num_rows == 0


def test_scan_that_is_stopped_early_has_its_signed_receipt(fresh_world):
    """A LIMIT reads no further than it needs, and is stamped all the same."""
    fresh_world.load("trials.wide", pa.table({"n": pa.array(range(3_000_000), pa.int64())}))
    scan = FlightScan(fresh_world.connect("ana"), ScanRequest(Scan("trials.wide")))
    reader = scan.reader()
    reader.read_next_batch()
    scan.cancel()
    key = fresh_world.gateway.signer.public_key_pem().encode()
    [receipt] = scan.receipts
    verify_receipt(receipt, key)
    assert receipt.asset == "trials.wide"


@pytest.mark.attack("T81", surface="flight")
def test_parsed_governance_that_a_steward_sends_along_is_not_believed(fresh_world):
    """Only the texts count: what they parse to is made by the gateway."""
    files = {**FILES, COMPILED: fresh_world.gateway.ledger.state().files[COMPILED]}
    files["policies/all.cedar"] = POLICIES.split('@id("clinical-read")')[0]
    fresh_world.connect("dina").act("apply", {"files": files, "dry_run": False})
    with pytest.raises(NotVisibleError):
        read(fresh_world.connect("ana"), Scan("trials.patients"))
    assert COMPILED not in fresh_world.connect("dina").act("governance")["files"]


def test_stored_governance_that_was_changed_behind_our_back_is_parsed_again(fresh_world):
    stored = dict(fresh_world.gateway.ledger.state().files)
    stored["policies/all.cedar"] = POLICIES.split('@id("clinical-read")')[0]
    fresh_world.gateway.ledger.apply(stored, {}, "somebody")
    with pytest.raises(NotVisibleError):
        read(fresh_world.connect("ana"), Scan("trials.patients"))


@pytest.mark.attack("T82", surface="flight")
def test_scan_over_its_deadline_is_stopped(tmp_path):
    """T82."""
    hurried = make_world(tmp_path, Limits(scan_seconds=0))
    with pytest.raises(Exception, match="the scan took longer than 0 s"):
        read(hurried.connect("ana"), Scan("trials.patients"))
    hurried.close()


@pytest.mark.attack("T82", surface="flight")
def test_load_batch_over_the_limit_is_refused_and_leaves_no_asset(tmp_path):
    """T82."""
    small = make_world(tmp_path, Limits(load_batch_bytes=10_000))
    table = pa.table({"blob": ["x" * 100_000]})
    with pytest.raises(LimitError, match="larger than 10000 bytes"):
        small.connect("dina").put(
            {"v": 1, "asset": "trials.big", "mode": "create"},
            table.schema,
            iter(table.to_batches()),
            dict,
        )
    assert not small.gateway.catalog.exists("trials.big")
    small.close()
