"""What exists, over REST: the answers, their ETags, and what purpose and policy change in them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.session import Session
from tests.gateway.world import PATIENTS
from tests.server.description import check
from tests.server.jupyter import Answer, Server
from tests.server.world import EVIL, TYPES


def asked(server: Server, path: str, user: str = "ana") -> Any:
    answer = server.get(path, user=user)
    assert answer.status == 200, answer.text
    return check("GET", path, answer)


def told(server: Server, path: str, user: str = "ana", **headers: str) -> tuple[int, Answer]:
    answer = server.get(path, user=user, **headers)
    check("GET", path, answer)
    return answer.status, answer


def names(page: Any) -> list[str]:
    return [asset["name"] for asset in page["assets"]]


# -- status and catalog ------------------------------------------------------------------------


def test_status_says_who_asks_and_how_strong_the_wall_is(shared: Server) -> None:
    ana = asked(shared, "status")
    assert (ana["state"], ana["principal"], ana["purpose"]) == ("ready", "ana", "research")
    assert (ana["groups"], ana["wall"], ana["lake"]) == (["clinical"], "advisory", "lake")
    assert (ana["stewards"], ana["to_decide"]) == (False, 0)
    assert "model_training" in ana["purposes"]


def test_catalog_pages_hold_every_asset_once(shared: Server) -> None:
    whole = asked(shared, "catalog")
    assert whole["total"] == len(whole["assets"]) == 7
    pages = [asked(shared, f"catalog?offset={i}&limit=2") for i in (0, 2, 4, 6)]
    assert [name for page in pages for name in names(page)] == names(whole)
    assert {page["total"] for page in pages} == {7}
    assert whole["namespaces"] == [{"name": "trials", "count": 7}]


def test_catalog_filters_by_words_columns_tags_and_reading(shared: Server) -> None:
    assert names(asked(shared, "catalog?text=two%20studies")) == ["trials.patients"]
    found = asked(shared, "catalog?text=patient%20number")["assets"]
    assert [(a["name"], a["matched"]) for a in found] == [("trials.patients", ["patient"])]
    page = asked(shared, "catalog?modality=text&modality=omics")
    assert names(page) == ["trials.evil", "trials.types"]
    assert {f["value"]: f["count"] for f in page["facets"]["modality"]} == {"text": 1, "omics": 1}
    assert "trials.asked" not in names(asked(shared, "catalog?readable=true"))
    assert names(asked(shared, "catalog?owner=nobody")) == []
    assert names(asked(shared, "catalog?namespace=elsewhere")) == []


def test_catalog_shows_access_that_differs_by_person_and_purpose(shared: Server) -> None:
    def access(user: str, question: str = "") -> str:
        page = asked(shared, f"catalog?text=patients{question}", user)
        return next(a["access"] for a in page["assets"] if a["name"] == "trials.patients")

    assert access("ana") == "masked"
    assert access("ana", "&purpose=model_training") == "none"
    assert access("dina") == "all"


# -- cards -------------------------------------------------------------------------------------


def test_card_names_filter_masks_and_policies(shared: Server) -> None:
    card = asked(shared, "assets/trials.patients")
    columns = {column["name"]: column for column in card["columns"]}
    assert "secret" not in columns
    assert (columns["patient"]["mask"], columns["birth"]["mask"]) == ("pseudonym", "year")
    assert columns["patient"]["policy"] == "ids-as-pseudonyms"
    assert "`study` is `S1`" in card["row_filter"]
    assert card["snapshot"]["total_rows"] is None
    whole = asked(shared, "assets/trials.patients", "dina")
    assert whole["snapshot"]["total_rows"] == PATIENTS.num_rows
    assert whole["row_filter"] == ""
    assert "secret" in {column["name"] for column in whole["columns"]}


def test_card_under_a_purpose_that_opens_nothing_says_so(shared: Server) -> None:
    card = asked(shared, "assets/trials.patients?purpose=marketing")
    assert (card["access"], card["columns"], card["snapshot"]) == ("none", [], None)
    assert told(shared, "assets/trials.patients?purpose=unheard")[0] == 403


def test_card_at_a_version_a_tag_and_a_time(shared: Server, dina: Session) -> None:
    first = dina.load(pa.table({"a": [1]}), "trials.dated", tags={"modality": "text"})
    second = dina.load(pa.table({"a": [2]}), "trials.dated", mode="append")
    dina.catalog.tag("trials.dated", "Paper-T1", first.snapshot_id)
    assert first.snapshot_id != second.snapshot_id

    def snapshot(at: str) -> str:
        card = asked(shared, f"assets/trials.dated?at={at}", "dina")
        return str(card["snapshot"]["snapshot_id"])

    assert snapshot(str(first.snapshot_id)) == str(first.snapshot_id)
    assert snapshot("Paper-T1") == str(first.snapshot_id)
    moment = second.committed_at.isoformat()
    assert snapshot(moment) == snapshot(moment.replace("+", "%2B")) == str(second.snapshot_id)
    for missing in ("none-such", "123", "1999-01-01T00:00:00Z"):
        assert told(shared, f"assets/trials.dated?at={missing}", "dina")[0] == 404


def test_missing_and_hidden_assets_are_one_answer(shared: Server) -> None:
    for rest in ("", "/versions", "/compare?from=1&to=2", "/preview", "/lineage", "/citation"):
        hidden = shared.get(f"assets/unseen.assay{rest}", user="ana")
        missing = shared.get(f"assets/unseen.nosuch{rest}", user="ana")
        assert hidden.status == missing.status == 404, rest
        assert hidden.text.replace("unseen.assay", "unseen.nosuch") == missing.text


# -- versions ----------------------------------------------------------------------------------


def test_versions_are_paged_with_ids_as_texts(shared: Server, dina: Session) -> None:
    made = [dina.load(pa.table({"a": [1]}), "trials.paged")]
    made.append(
        dina.load(pa.table({"a": [2], "b": ["x"]}), "trials.paged", mode="append", evolve=True)
    )
    made.append(dina.load(pa.table({"a": [3], "b": ["y"]}), "trials.paged", mode="append"))
    page = asked(shared, "assets/trials.paged/versions?limit=2", "dina")
    rest = asked(shared, "assets/trials.paged/versions?limit=2&offset=2", "dina")
    ids = [version["snapshot_id"] for version in (*page["versions"], *rest["versions"])]
    assert ids == [str(snapshot.snapshot_id) for snapshot in reversed(made)]
    assert (page["total"], len(rest["versions"])) == (3, 1)
    assert page["versions"][1]["schema"] == [
        {"column": "b", "change": "added", "from": "", "to": "string"}
    ]
    path = f"assets/trials.paged/compare?from={made[0].snapshot_id}&to={made[2].snapshot_id}"
    compared = asked(shared, path, "dina")
    assert (compared["added_rows"], compared["removed_rows"]) == (2, 0)
    assert [change["column"] for change in compared["schema"]] == ["b"]


@pytest.mark.attack("T31", surface="rest")
def test_comparison_counts_no_row_where_rows_are_filtered(shared: Server, dina: Session) -> None:
    (only,) = dina.catalog.versions("trials.patients")
    path = f"assets/trials.patients/compare?from={only.snapshot_id}&to={only.snapshot_id}"
    compared = asked(shared, path)
    assert (compared["added_rows"], compared["removed_rows"]) == (None, None)


# -- preview -----------------------------------------------------------------------------------


@pytest.mark.attack("T23", surface="rest")
def test_preview_shows_governed_rows_only(shared: Server) -> None:
    seen = asked(shared, "assets/trials.patients/preview?limit=100")
    at = {column["name"]: i for i, column in enumerate(seen["columns"])}
    assert seen["columns"][at["patient"]]["mask"] == "pseudonym"
    assert seen["columns"][at["age"]]["mask"] is None
    assert {row[at["study"]] for row in seen["rows"]} == {"S1"}
    assert len(seen["rows"]) == 10
    assert not any(row[at["patient"]].startswith("P0") for row in seen["rows"])
    assert all(row[at["birth"]].endswith("-01-01") for row in seen["rows"])
    assert seen["row_count"] is None
    assert "secret" not in at
    assert len(asked(shared, "assets/trials.patients/preview?limit=3")["rows"]) == 3


def test_preview_under_another_purpose_shows_other_rows(shared: Server) -> None:
    training = asked(shared, "assets/trials.patients/preview?limit=100", "miko")
    answer = shared.get("assets/trials.patients/preview?purpose=research", user="miko")
    assert training["purpose"] == "model_training"
    assert check("GET", "assets/trials.patients/preview", answer)["rows"] != training["rows"]
    status, refused = told(shared, "assets/trials.patients/preview?purpose=marketing")
    assert (status, refused.json["code"]) == (403, "access_denied")


def test_preview_of_every_type_is_short_text_or_null(shared: Server) -> None:
    seen = asked(shared, "assets/trials.types/preview")
    rows = [dict(zip(TYPES.column_names, row, strict=True)) for row in seen["rows"]]
    assert [row["nothing"] for row in rows] == [None, None]
    assert len(rows[0]["long"]) == 200
    assert rows[0]["long"].endswith("…")
    assert [row["word"] for row in rows] == ["NULL", ""]
    assert [row["big"] for row in rows] == [str(2**62 + 1), None]
    assert rows[0]["number"] == "nan"
    assert len(rows[0]["bytes"]) <= 200
    assert len(rows[0]["nested"]) <= 200
    assert all(cell is None or len(cell) <= 200 for row in seen["rows"] for cell in row)


def test_preview_of_a_wide_asset_reads_and_shows_some_columns(
    shared: Server, dina: Session
) -> None:
    dina.load(pa.table({f"c{i}": [i] for i in range(500)}), "trials.broad")
    seen = asked(shared, "assets/trials.broad/preview", "dina")
    assert (len(seen["columns"]), seen["column_count"]) == (200, 500)
    assert seen["rows"] == [[str(i) for i in range(200)]]


@pytest.mark.attack("T76", surface="rest")
def test_texts_of_producers_are_data_in_json(shared: Server) -> None:
    card = asked(shared, "assets/trials.evil")
    assert card["description"] == card["source"] == card["columns"][0]["unit"] == EVIL
    preview = shared.get("assets/trials.evil/preview", user="ana")
    assert check("GET", "assets/trials.evil/preview", preview)["rows"] == [[EVIL]]
    assert "default-src 'none'" in preview.headers["Content-Security-Policy"]


def test_lineage_and_citation(shared: Server) -> None:
    graph = asked(shared, "assets/trials.patients/lineage?depth=10")
    assert graph["nodes"][0]["id"] == "trials.patients"
    cited = asked(shared, "assets/trials.patients/citation")
    assert "trials.patients" in cited["text"]
    assert cited["bibtex"].startswith("@")


# -- ETags -------------------------------------------------------------------------------------

CACHED = (
    "status",
    "catalog",
    "assets/trials.patients",
    "assets/trials.patients/versions",
    "assets/trials.patients/preview",
    "assets/trials.patients/lineage",
    "assets/trials.patients/citation",
    "requests",
    "requests/scopes",
)


@pytest.mark.parametrize("path", CACHED)
def test_etag_spares_what_is_known_to_its_own_principal_only(shared: Server, path: str) -> None:
    first = shared.get(path, user="ana")
    tag = first.headers["ETag"]
    again = shared.get(path, user="ana", If_None_Match=tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    # Another identity that acts as the same principal sees the same; another principal does not
    # even where the answer has no difference.
    assert shared.get(path, user="looker", If_None_Match=tag).status == 304
    dina = shared.get(path, user="dina", If_None_Match=tag)
    assert (dina.status, dina.headers["ETag"] == tag) == (200, False)
    assert shared.get(path, user="ana", If_None_Match='"other"').status == 200


def test_etag_is_of_the_purpose_and_the_page(shared: Server) -> None:
    tags = [
        shared.get(f"catalog?{question}", user="ana").headers["ETag"]
        for question in ("", "purpose=research", "purpose=marketing", "limit=500", "text=zzz")
    ]
    assert len(set(tags)) == len(tags)
    # What a browser adds against caches changes nothing.
    assert shared.get("catalog?1790000000000", user="ana").headers["ETag"] == tags[0]


def test_etag_changes_with_data_and_with_policy(shared: Server, dina: Session) -> None:
    paths = (
        "assets/trials.growing",
        "assets/trials.growing/versions",
        "assets/trials.growing/preview",
    )

    def tags() -> dict[str, str]:
        return {path: shared.get(path, user="ana").headers["ETag"] for path in (*paths, "catalog")}

    before = tags()
    dina.load(pa.table({"n": pa.array([4], pa.int64())}), "trials.growing", mode="append")
    loaded = tags()
    assert all(loaded[path] != before[path] for path in paths)
    assert loaded["catalog"] == before["catalog"]
    dina.consent("T:patient", "P001", "model_training", "withdrawn")
    decided = tags()
    assert decided["catalog"] != loaded["catalog"]
    assert decided["assets/trials.growing"] != loaded["assets/trials.growing"]
