"""Ways to learn of rows, columns and values that one may not see, from rows that one may."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pytest

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.endpoint import EmbeddedGateway
from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import (
    ColumnNotFoundError,
    GovDataError,
    NotVisibleError,
    QueryError,
    RefusalError,
)
from jupyter_govdata.model.predicate import Compare, In, IsNull, Or, Predicate
from jupyter_govdata.model.scan import Filter, Project, Scan, ScanRequest
from jupyter_govdata.session import Session, connect
from tests.attacks.world import ASSET, HIDDEN, MINE, ROWS, State, leaks, visits
from tests.canaries import canary
from tests.notebook.conftest import Notebook
from tests.server.jupyter import Server

RAW = visits().to_pylist()
DENIED = [row for i, row in enumerate(RAW) if i not in MINE]
NOT_NAMES = (
    "TRIALS.VISITS ",
    "trials.visits\u200b",
    "trials.vısits",
    "ｔrials.visits",
    "trials.vis_ts",
)
ODD_NAMES = ("trials.*", "trials.${aws:username}", "trials.vi'sits", "trials.%76isits", "../trials")
RESERVED = ("rowid", "file_row_number", "filename", "_last_updated_sequence_number", "_row_id")
PROBES = (
    "SELECT error(note) FROM trials.visits WHERE study IS DISTINCT FROM 'S1'",
    "SELECT CAST(word AS INT) FROM trials.visits",
    "SELECT CAST(note AS DATE) FROM trials.visits WHERE study = 'S2'",
    "SELECT 1 FROM trials.visits WHERE IF(study <> 'S1', error('LEAK ' || note), true)",
    "SELECT 1 // (n - 1) FROM trials.visits WHERE n = 1",
    "SELECT 1 WHERE NOT EXISTS (FROM trials.visits v WHERE v.n = 1 AND error(note))",
    "SELECT 1 WHERE 'x' IN (SELECT error(note) FROM trials.visits WHERE study = 'S3')",
    "SELECT regexp_matches('x', word) FROM trials.visits WHERE word LIKE '%' AND study = 'S2'",
    "SELECT json_extract(note, '$.x') FROM trials.visits WHERE study IS NULL",
)
"""A condition that fails on a denied row and on no other."""


@pytest.fixture
def wire(lake: Any, dina: Session) -> Iterator[Connection]:
    connection = Connection(EmbeddedGateway(lake, "ana"))
    yield connection
    connection.close()


def read(wire: Connection, predicate: Predicate | None = None, *columns: str) -> pa.Table:
    below: Any = Scan(ASSET)
    if predicate is not None:
        below = Filter(below, predicate)
    if columns:
        below = Project(below, columns)
    return FlightScan(wire, ScanRequest(below)).reader().read_all()


@contextmanager
def refused(*kinds: type[GovDataError]) -> Iterator[None]:
    with pytest.raises(kinds) as caught:
        yield
    assert not leaks(caught.value)


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.attack("T20", "T21", surface="api")
@pytest.mark.parametrize("name", [*NOT_NAMES, *ODD_NAMES])
def test_name_that_looks_like_another_is_nobodys_for_the_api(
    ana: Session, untouched: State, name: str
) -> None:
    for ask in (ana.view, ana.versions, ana.scan):
        with refused(GovDataError):
            ask(name)
    with refused(QueryError, RefusalError):
        ana.sql('FROM "{}"."{}"'.format(*((name + ".x").replace('"', '""').split(".")[:2])))


@pytest.mark.attack("T20", "T21", surface="flight")
@pytest.mark.parametrize("name", [*NOT_NAMES, *ODD_NAMES, HIDDEN])
def test_name_that_looks_like_another_is_missing_on_the_wire(
    wire: Connection, untouched: State, name: str
) -> None:
    with pytest.raises(NotVisibleError) as caught:
        FlightScan(wire, ScanRequest(Scan(name)))
    assert caught.value.to_wire() == NotVisibleError.for_asset(name).to_wire()


@pytest.mark.attack("T20", "T21", surface="magic")
def test_name_that_looks_like_another_is_nobodys_in_a_cell(
    notebook: Notebook, untouched: State
) -> None:
    for name in (*NOT_NAMES, *ODD_NAMES):
        for cell in (f"%govdata describe '{name}'", f'%govsql FROM "{name}"'):
            ran = notebook.run(cell)
            if name.strip().casefold() != ASSET:
                assert not ran.success, cell
            assert not leaks(ran.text, ran.outputs, ran.result)


@pytest.mark.attack("T20", "T21", surface="rest")
def test_name_that_looks_like_another_is_not_found_by_the_rest_api(
    server: Server, untouched: State
) -> None:
    for name in (*NOT_NAMES, *ODD_NAMES):
        for path in ("", "/preview", "/versions", "/citation"):
            answer = server.get(f"assets/{quote(name, safe='')}{path}")
            assert 400 <= answer.status < 500, (name, path)


@pytest.mark.attack("T20", "T21", surface="stored")
@pytest.mark.parametrize("name", [*NOT_NAMES[:4], *ODD_NAMES, 'trials.a"b', "trials.a\\b", "T.x"])
def test_odd_name_is_refused_where_it_would_be_stored(
    dina: Session, untouched: State, name: str
) -> None:
    with refused(GovDataError):
        dina.load(pa.table({"x": [1]}), name)
    newest = dina.versions(ASSET).versions[0].snapshot.snapshot_id
    told = {"asset": ASSET, "tag": f"{name}\u202e", "snapshot_id": str(newest)}
    with refused(GovDataError):
        dina._act("tag", told)


# -- columns -------------------------------------------------------------------------------------


@pytest.mark.attack("T22", "T23", surface="flight")
@pytest.mark.parametrize(
    "column", [*RESERVED, "nested", "nested.a", "nested['a']", "secret", "SECRET", "element", "*"]
)
def test_column_that_is_not_shown_is_missing_on_the_wire(
    wire: Connection, untouched: State, column: str
) -> None:
    with refused(ColumnNotFoundError):
        read(wire, None, column)
    with refused(ColumnNotFoundError):
        read(wire, IsNull(column))


@pytest.mark.attack("T22", "T23", surface="api")
@pytest.mark.parametrize(
    "expression",
    [
        *RESERVED,
        "nested.a",
        "struct_extract(v, 'nested')",
        "unnest(v, recursive := true)",
        "to_json(v)",
        "v",
        "COLUMNS('.*')",
        "hash(v)",
        "v.secret",
    ],
)
def test_column_that_is_not_shown_is_missing_in_sql(
    ana: Session, untouched: State, expression: str
) -> None:
    try:
        answer = ana.sql(f"SELECT {expression} FROM {ASSET} v").arrow()
    except GovDataError as error:
        assert not leaks(error)
    else:
        assert not leaks(answer)
        assert answer.num_rows <= len(MINE)


@pytest.mark.attack("T22", "T23", "T25", "T29", surface="magic")
def test_cells_show_no_hidden_column_no_policy_text_and_no_value_in_errors(
    notebook: Notebook, untouched: State
) -> None:
    for sql in (
        f"SELECT rowid, * FROM {ASSET}",
        f"SELECT nested FROM {ASSET}",
        f"SELECT to_json(v) FROM {ASSET} v",
        f"SELECT CAST(patient AS INT) FROM {ASSET}",
        f"SELECT strptime(phone, '%Y') FROM {ASSET}",
        "FROM duckdb_views()",
        "FROM duckdb_tables()",
        "FROM information_schema.columns",
        "FROM sqlite_master",
        "FROM duckdb_dependencies()",
    ):
        ran = notebook.run(f"%%govsql\n{sql}")
        text = f"{ran.text} {ran.outputs} {ran.result}"
        assert not leaks(text)
        for word in ("principal.study", "visit-rows", "gd*", "warehouse", "secret"):
            assert word not in text.replace("`secret`", "")
    assert "p_" not in notebook.run(f"%govsql SELECT CAST(patient AS INT) FROM {ASSET}").text


@pytest.mark.attack("T25", "T29", surface="api")
def test_errors_of_sql_hold_no_value_and_the_engine_no_policy(
    ana: Session, untouched: State
) -> None:
    for wrong in ("CAST(note AS INT)", "CAST(patient AS DATE)", "strptime(phone, '%Y')"):
        with pytest.raises(QueryError) as caught:
            ana.sql(f"SELECT {wrong} FROM {ASSET}").arrow()
        assert "fine" not in str(caught.value)
        assert "p_" not in str(caught.value)
        assert "***" not in str(caught.value)
    for view in ("duckdb_views()", "duckdb_tables()", "information_schema.tables", "sqlite_master"):
        text = str(ana.sql(f"FROM {view}").arrow().to_pylist())
        for word in ("visit-rows", "principal", "forbid", "gd*", "S1"):
            assert word not in text


@pytest.mark.attack("T25", "T29", surface="flight")
def test_errors_of_the_wire_hold_no_constant_and_policies_are_the_stewards(
    wire: Connection, untouched: State
) -> None:
    with pytest.raises(QueryError) as caught:
        read(wire, Compare("n", "=", "a word that was asked for"))
    assert "asked for" not in json.dumps(caught.value.to_wire())
    for action, data in (("governance", {}), ("explain_as", {"asset": ASSET, "as": "dina"})):
        with refused(RefusalError):
            wire.act(action, data)
    view = wire.act("view", {"asset": ASSET})
    assert {column["field_id"] for column in view["asset"]["columns"]} == {0}
    card = json.dumps(view)
    assert "gd*" not in card
    assert "resource." not in card


@pytest.mark.attack("T22", "T23", "T25", "T27", "T28", "T29", "T31", "T32", surface="rest")
def test_rest_answers_show_governed_facts_only(server: Server, untouched: State) -> None:
    paths = [
        f"assets/{ASSET}",
        f"assets/{ASSET}/preview",
        f"assets/{ASSET}/versions",
        f"assets/{ASSET}/citation",
        f"assets/{ASSET}/lineage",
        "catalog?text=two+studies",
        *(f"assets/{ASSET}/preview?columns={c}" for c in (*RESERVED, "nested", "secret")),
    ]
    for path in paths:
        answer = server.get(path)
        text = answer.text
        assert answer.status < 500, path
        assert not leaks(text), path
        for word in ("nested", "gd*", "resource.", "warehouse", ".parquet", "manifest"):
            assert word not in text.replace(path, ""), (path, word)
        for number in (f": {ROWS},", f": {ROWS}}}", f":{ROWS},", f":{ROWS}}}"):
            assert number not in text, path


# -- values --------------------------------------------------------------------------------------


@pytest.mark.attack("T24", "T36", surface="api")
@pytest.mark.parametrize("probe", PROBES)
def test_condition_that_fails_on_a_denied_row_does_not_fail(
    ana: Session, untouched: State, probe: str
) -> None:
    assert not leaks(ana.sql(probe).arrow())


@pytest.mark.attack("T24", "T26", "T27", "T28", "T31", "T37", surface="magic")
def test_cells_learn_nothing_of_denied_rows(notebook: Notebook, untouched: State) -> None:
    for sql in (
        *PROBES,
        f"SELECT stats(patient), stats(note), stats(amount) FROM {ASSET}",
        f"SUMMARIZE {ASSET}",
        f"SELECT * FROM {ASSET} WHERE amount > 0 OR patient LIKE 'gd%'",
        f"SELECT x FROM (SELECT unnest(range({ROWS})) AS x) WHERE x NOT IN (SELECT n FROM {ASSET})",
        f"FROM {ASSET} TABLESAMPLE 50%",
    ):
        ran = notebook.run(f"%%govsql --stats\n{sql}")
        assert ran.success, (sql, ran.error)
        assert not leaks(ran.text, ran.outputs, ran.everything, ran.result, ran.result.arrow())
    ran = notebook.run(f"%%govsql\nEXPLAIN ANALYZE SELECT * FROM {ASSET}")
    assert ran.success
    assert f"~{ROWS} " not in str(ran.result.arrow().to_pylist())
    ran = notebook.run(f"%%govsql --dry-run\nSELECT * FROM {ASSET}")
    assert ran.success
    assert f" {ROWS} " not in f"{ran.text} {ran.outputs}"


@pytest.mark.attack("T24", "T26", "T36", "T37", surface="flight")
def test_conditions_of_the_wire_see_masked_values_and_permitted_rows(
    wire: Connection, untouched: State
) -> None:
    for row in RAW:
        assert read(wire, Compare("patient", "=", row["patient"])).num_rows == 0
        assert read(wire, Compare("phone", "=", row["phone"])).num_rows == 0
    every = tuple(row["patient"] for row in RAW)
    assert read(wire, In("patient", every)).num_rows == 0
    assert read(wire, In("patient", every, negated=True)).num_rows == len(MINE)
    assert read(wire, In("n", tuple(range(ROWS)), negated=True)).num_rows == 0
    assert read(wire, IsNull("amount")).num_rows == len(MINE)
    for op in ("=", "!=", "<", "<=", ">", ">="):
        assert read(wire, Compare("amount", op, 7_000_020)).num_rows == 0
    assert read(wire, IsNull("study")).num_rows == 0
    tautology = Or((IsNull("note"), IsNull("note", negated=True)))
    assert read(wire, tautology).num_rows == len(MINE)
    for row in DENIED:
        assert read(wire, Compare("note", "=", row["note"])).num_rows == 0


@pytest.mark.attack("T26", "T27", "T28", "T31", "T32", "T37", surface="api")
def test_sql_gives_what_it_gives_over_a_permitted_copy(ana: Session, untouched: State) -> None:
    copy = ana.sql(f"FROM {ASSET}").arrow()
    plain = duckdb.connect()
    plain.execute("CREATE SCHEMA trials")
    plain.register("copy", copy)
    plain.execute("CREATE TABLE trials.visits AS FROM copy")
    for sql in (
        f"SELECT count(*), min(amount), max(patient), min(phone), max(birth) FROM {ASSET}",
        f"SELECT patient, rank() OVER (ORDER BY patient) r FROM {ASSET} ORDER BY r",
        f"SELECT study, count(*) FROM {ASSET} GROUP BY ROLLUP (study) ORDER BY ALL",
        f"SELECT unnest(range({ROWS})) EXCEPT SELECT n FROM {ASSET} ORDER BY ALL",
        f"SELECT x FROM range({ROWS}) t(x) ANTI JOIN {ASSET} v ON x = v.n ORDER BY x",
        f"SELECT x, v.note FROM range({ROWS}) t(x) LEFT JOIN {ASSET} v ON x = v.n ORDER BY x",
        f"SELECT count(*) FROM {ASSET} WHERE birth = DATE '1944-05-06'",
        f"SELECT approx_count_distinct(patient), approx_quantile(n, 0.5) FROM {ASSET}",
        f"SELECT n FROM {ASSET} ORDER BY n LIMIT 3 OFFSET 8",
    ):
        assert ana.sql(sql).arrow().to_pylist() == plain.execute(sql).to_arrow_table().to_pylist()
    plan = str(ana.sql(f"EXPLAIN ANALYZE SELECT * FROM {ASSET}").arrow().to_pylist())
    assert not leaks(plan)
    assert f"~{ROWS} " not in plan
    (scan,) = ana.dry_run(f"FROM {ASSET}").scans
    assert scan.total_rows is scan.estimated_bytes is None
    plain.close()


@pytest.mark.attack("T27", "T28", "T31", "T32", surface="flight")
def test_facts_on_the_wire_count_permitted_rows_only(wire: Connection, untouched: State) -> None:
    card = wire.act("view", {"asset": ASSET})
    page = wire.act("versions", {"asset": ASSET})
    first = page["versions"][0]
    for told in (card["snapshot"], first.get("snapshot", first)):
        assert told["total_rows"] is told["added_rows"] is None
    schema, tickets, _ = wire.plan(ScanRequest(Scan(ASSET)))
    assert not schema.metadata
    assert all(not field.metadata for field in schema)
    assert len(tickets) == 1
    table = read(wire)
    assert (table.num_rows, len(table.to_batches())) == (len(MINE), 1)
    # A buffer that was cut from a larger one would carry what stood beside it.
    for column in table.columns:
        for chunk in column.chunks:
            assert chunk.offset == 0
            assert not leaks(*(b.to_pybytes().decode("latin-1") for b in chunk.buffers() if b))


@pytest.mark.attack("T33", "T34", "T35", surface="flight")
def test_masks_cannot_be_undone_by_asking_again(wire: Connection, untouched: State) -> None:
    whole = read(wire)
    parts = pa.table(
        {name: read(wire, None, name).column(0) for name in ("patient", "phone", "birth")}
    )
    for name in parts.schema.names:
        assert parts.column(name).to_pylist() == whole.column(name).to_pylist()
    assert set(whole.column("phone").to_pylist()) == {f"***{i:04}" for i in MINE}
    assert {day.timetuple().tm_yday for day in whole.column("birth").to_pylist()} == {1}
    pseudonyms = whole.column("patient").to_pylist()
    assert len(set(pseudonyms)) == len(MINE)
    assert all(p.startswith("p_") and len(p) > 20 for p in pseudonyms)


@pytest.mark.attack("T35", surface="api")
def test_union_of_projections_reconstructs_no_masked_cell(ana: Session, untouched: State) -> None:
    sql = f"""SELECT a.phone, b.patient, c.amount FROM {ASSET} a
              JOIN {ASSET} b USING (n) JOIN {ASSET} c USING (n)"""
    assert not leaks(ana.sql(sql).arrow())


@pytest.mark.attack("T38", surface="flight")
def test_filter_on_a_column_that_is_hidden_works_and_tells_nothing_of_it(
    wire: Connection, untouched: State
) -> None:
    """The row filter asks `secret`, which is hidden from everybody but stewards."""
    assert read(wire).num_rows == len(MINE)
    with refused(ColumnNotFoundError):
        read(wire, Compare("secret", ">", canary("hidden", 0)), "n")


@pytest.mark.attack("T38", surface="api")
def test_filter_on_a_hidden_column_is_named_by_nothing_that_the_session_tells(
    ana: Session, untouched: State
) -> None:
    assert "secret" not in repr(ana.view(ASSET))


# -- purposes, sessions --------------------------------------------------------------------------


@pytest.mark.attack("T79", surface="api")
def test_two_kernels_of_one_person_with_two_purposes_share_no_answer(
    lake: Any, ana: Session, untouched: State
) -> None:
    with connect(lake, user="ana", purpose="marketing") as other:
        ana.sql(f"FROM {ASSET}").arrow()
        for _ in range(2):
            with refused(RefusalError):
                other.sql(f"FROM {ASSET}").arrow()
        with refused(GovDataError):
            other.sql("FROM res").arrow()


@pytest.mark.attack("T79", surface="flight")
def test_tag_of_an_answer_under_one_purpose_is_none_under_another(
    wire: Connection, untouched: State
) -> None:
    tag = FlightScan(wire, ScanRequest(Scan(ASSET))).tag
    assert tag
    with refused(RefusalError):
        FlightScan(wire, ScanRequest(Scan(ASSET), "marketing", tag))
