"""Ways to more by time, by tags, by stored texts and by sheer size."""

from __future__ import annotations

import pyarrow as pa
import pytest

from jupyter_govdata.errors import AccessDeniedError, GovDataError, NotVisibleError
from jupyter_govdata.model.scan import Scan, ScanRequest
from jupyter_govdata.session import Session, connect
from tests.attacks.test_flight import read
from tests.attacks.world import HIDDEN, State, leaks
from tests.gateway.world import CARDS, CONSENTED, FILES, TAGS, World


@pytest.mark.attack("T61", surface="api")
def test_withdrawn_subject_is_in_no_version_view_or_kept_answer(fresh_world: World) -> None:
    first = fresh_world.gateway.catalog.versions("trials.patients")[0].snapshot_id
    with connect(fresh_world.lake, user="miko") as miko:
        pinned = f"SELECT count(*) AS n FROM trials.patients AT (VERSION => {first})"
        miko.sql("CREATE VIEW mine AS SELECT * FROM trials.patients")
        asks = (
            "SELECT count(*) AS n FROM trials.patients",
            pinned,
            "SELECT count(*) AS n FROM mine",
        )
        assert [miko.sql(ask).arrow()["n"][0].as_py() for ask in asks] == [len(CONSENTED)] * 3
        fresh_world.gateway.loading.consent(
            "dina", "T:patient", "P002", "model_training", "withdrawn", "letter"
        )
        after = [miko.sql(ask).arrow()["n"][0].as_py() for ask in asks]
    assert after == [len(CONSENTED) - 1] * 3


@pytest.mark.attack("T68", surface="flight")
def test_tag_that_is_unknown_misspelt_or_untold_opens_nothing(fresh_world: World) -> None:
    dina = fresh_world.connect("dina")
    before = fresh_world.gateway.ledger.epoch()
    for cards in (
        CARDS.replace("identifier: direct", "identifier: Direct"),
        CARDS.replace("identifier: direct", "identifer: direct"),
        CARDS.replace("sensitivity: secret", "sensitivity: [secret]"),
    ):
        assert cards != CARDS
        files = {**FILES, "assets/trials.yaml": cards}
        assert dina.act("apply", {"files": files, "dry_run": False})["problems"]
    files = {**FILES, "tags.yaml": TAGS.replace("direct, quasi", "quasi")}
    assert dina.act("apply", {"files": files, "dry_run": False})["problems"]
    assert fresh_world.gateway.ledger.epoch() == before
    both = CARDS.replace(
        "tags: {identifier: direct}", "tags: {identifier: direct, sensitivity: secret}"
    )
    fresh_world.apply(cards=both)
    assert "patient" not in read(fresh_world.connect("ana"), Scan("trials.patients")).schema.names


@pytest.mark.attack("T81", surface="stored")
def test_card_or_policy_that_an_analyst_would_store_is_refused(fresh_world: World) -> None:
    ana = fresh_world.connect("ana")
    before = fresh_world.gateway.ledger.epoch()
    for files in (
        {**FILES, "assets/trials.yaml": CARDS.replace("owner: dina", "owner: ana")},
        {**FILES, "policies/mine.cedar": '@id("x") permit (principal, action, resource);'},
    ):
        for dry in (False, True):
            with pytest.raises(AccessDeniedError):
                ana.act("apply", {"files": files, "dry_run": dry})
    load = {"v": 1, "asset": "trials.patients", "mode": "append", "tags": {"owner": "ana"}}
    rows = pa.table({"patient": ["P999"]})
    with pytest.raises(GovDataError):
        ana.put(load, rows.schema, iter(rows.to_batches()), dict)
    assert fresh_world.gateway.ledger.epoch() == before
    with pytest.raises(NotVisibleError):
        ana.plan(ScanRequest(Scan("trials.hidden")))


@pytest.mark.attack("T73", surface="api")
def test_catalog_of_the_session_names_and_counts_what_is_visible(
    ana: Session, untouched: State
) -> None:
    listed = ana.catalog.ls()
    found = ana.catalog.search("unseen")
    page = ana.browse(text="unseen")
    assert not leaks(repr(listed), repr(found), repr(page))
    for names in (ana.names(), [one.name for one in listed], [one.name for one in found]):
        assert HIDDEN not in names
    # The asset of attackers' texts has the word in a description; nothing else has.
    assert (len(found), page.total) == (1, 1)
    assert ana.browse(text="card").total == 0


@pytest.mark.attack("T82", surface="api")
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM trials.visits WHERE n IN (SELECT unnest(range(200000)))",
        f"SELECT count(*) FROM trials.visits WHERE n IN ({','.join(map(str, range(5_000)))})",
        f"SELECT count(*) FROM trials.visits WHERE {' OR '.join(f'n = {i}' for i in range(300))}",
        "SELECT count(*) FROM trials.visits a, trials.visits b, trials.visits c, trials.visits d",
        "SELECT count(*) FROM trials.visits WHERE regexp_matches(note, '(a*)*b')",
        f"SELECT {'(' * 200}n{')' * 200} FROM trials.visits",
    ],
    ids=["subquery", "list", "or", "product", "regex", "deep"],
)
def test_query_that_is_too_much_is_answered_or_refused_and_the_next_is_served(
    ana: Session, untouched: State, sql: str
) -> None:
    try:
        assert ana.sql(sql).arrow().num_rows >= 1
    except GovDataError as error:
        assert not leaks(error)
    assert ana.sql("SELECT count(*) AS n FROM trials.visits").arrow()["n"][0].as_py() == 10
