"""Aggregates and first rows, asked for on the wire: they tell what the rows would have told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.errors import (
    ColumnNotFoundError,
    LimitError,
    NotVisibleError,
    ProtocolError,
    QueryError,
)
from jupyter_govdata.model.predicate import Compare
from jupyter_govdata.model.scan import (
    Aggregate,
    Filter,
    First,
    Fragment,
    Project,
    Scan,
    ScanRequest,
)
from jupyter_govdata.model.summary import (
    Aggregation,
    ArithmeticTerm,
    ColumnTerm,
    Function,
    Measure,
    Order,
    Top,
)
from tests.attacks.test_flight import bearer, command, raw_call
from tests.gateway.world import World

PATIENTS = Scan("trials.patients")


def read(world: World, fragment: Fragment, user: str = "ana") -> list[dict[str, Any]]:
    connection = world.connect(user)
    found = FlightScan(connection, ScanRequest(fragment)).reader().read_all()
    return found.rename_columns([str(i) for i in range(found.num_columns)]).to_pylist()


def aggregate(
    *measures: Measure, keys: tuple[str, ...] = (), rows: Fragment = PATIENTS
) -> Fragment:
    return Aggregate(rows, Aggregation(keys, measures))


def shown(world: World, user: str = "ana") -> pa.Table:
    return FlightScan(world.connect(user), ScanRequest(PATIENTS)).reader().read_all()


@pytest.mark.attack("T26", "T31", "T38", surface="flight")
def test_aggregates_count_what_is_shown_and_nothing_else(world: World) -> None:
    for user in ("ana", "miko"):
        rows = shown(world, user)
        (found,) = read(world, aggregate(Measure("count")), user)
        assert found == {"0": rows.num_rows}
        ages = [age for age in rows["age"].to_pylist() if age is not None]
        measured = aggregate(Measure("min", ColumnTerm("age")), Measure("max", ColumnTerm("age")))
        (found,) = read(world, measured, user)
        assert found == {"0": min(ages), "1": max(ages)}


@pytest.mark.attack("T26", "T27", "T33", surface="flight")
def test_extremes_and_groups_of_a_masked_column_are_masked(world: World) -> None:
    rows = shown(world)
    for column in ("patient", "birth"):
        values = set(rows[column].to_pylist())
        groups = read(world, aggregate(Measure("count"), keys=(column,)))
        assert {group["0"] for group in groups} == values
        for function in ("min", "max"):
            (found,) = read(world, aggregate(Measure(function, ColumnTerm(column))))
            assert found["0"] in values
        ranked = First(Project(PATIENTS, (column,)), Top((Order(column, True, False),), 3))
        assert {row["0"] for row in read(world, ranked)} <= values


@pytest.mark.attack("T26", "T38", surface="flight")
def test_condition_below_an_aggregate_sees_the_mask(world: World) -> None:
    clear = Filter(PATIENTS, Compare("patient", "=", "P1"))
    (found,) = read(world, aggregate(Measure("count"), rows=clear))
    assert found == {"0": 0}


@pytest.mark.attack("T22", "T72", surface="flight")
@pytest.mark.parametrize("name", ["secret", "nope"])
def test_hidden_and_missing_columns_are_one_answer_wherever_they_stand(
    world: World, name: str
) -> None:
    count = Measure("count")
    answers = set()
    for fragment in (
        aggregate(count, keys=(name,)),
        aggregate(Measure("count", ColumnTerm(name), distinct=True)),
        aggregate(Measure("sum", ArithmeticTerm("+", ColumnTerm("dose"), ColumnTerm(name)))),
        First(Project(PATIENTS, ("age",)), Top((Order(name, False, False),), 1)),
    ):
        with pytest.raises(ColumnNotFoundError) as raised:
            read(world, fragment)
        answers.add(str(raised.value).replace(name, "*"))
    assert len(answers) == 1


@pytest.mark.attack("T72", surface="flight")
def test_aggregate_of_a_hidden_asset_is_one_of_a_missing_asset(world: World) -> None:
    told = set()
    for asset in ("trials.hidden", "trials.missing"):
        with pytest.raises(NotVisibleError) as raised:
            read(world, Aggregate(Scan(asset), Aggregation((), (Measure("count"),))))
        told.add(str(raised.value).replace(asset, "*"))
    assert len(told) == 1


@pytest.mark.attack("T24", surface="flight")
@pytest.mark.parametrize("function", ["sum", "avg"])
def test_what_is_no_number_is_refused_before_anything_is_read(
    world: World, function: Function
) -> None:
    with pytest.raises(QueryError):
        read(world, aggregate(Measure(function, ColumnTerm("study"))))


MEASURE = {"function": "count", "term": None, "distinct": False}
DEEP: dict[str, Any] = {"column": "age"}
for _ in range(40):
    DEEP = {"operator": "+", "left": DEEP, "right": {"column": "age"}}


@pytest.mark.attack("T11", "T12", "T16", "T82", surface="flight")
@pytest.mark.parametrize(
    "node",
    [
        {"aggregate": {"keys": [], "measures": []}},
        {"aggregate": {"keys": ["study", "study"], "measures": [MEASURE]}},
        {"aggregate": {"keys": ["study"] * 65, "measures": [MEASURE]}},
        {"aggregate": {"keys": [], "measures": [MEASURE] * 201}},
        {"aggregate": {"keys": ["study"], "measures": [MEASURE], "having": "1=1"}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"function": "read_text"}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"function": "sum"}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"distinct": 1}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"term": {"sql": "1/0"}}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"term": DEEP}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"term": {"number": "1"}}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"term": {"number": "1); DROP"}}]}},
        {"aggregate": {"keys": [], "measures": [MEASURE | {"term": {"number": "9" * 40}}]}},
        {
            "aggregate": {
                "keys": [],
                "measures": [
                    MEASURE
                    | {"term": {"operator": "/", "left": DEEP["right"], "right": DEEP["right"]}}
                ],
            }
        },
        {"first": {"order": [], "rows": 1}},
        {"first": {"order": [{"column": "age", "descending": 1, "nulls_first": True}], "rows": 1}},
        {
            "first": {
                "order": [{"column": "age", "descending": True, "nulls_first": True}],
                "rows": 10**9,
            }
        },
        {
            "first": {
                "order": [{"column": "age", "descending": True, "nulls_first": True}],
                "rows": -1,
            }
        },
    ],
)
def test_summary_outside_the_protocol_is_refused(world: World, node: dict[str, Any]) -> None:
    fragment = node | {"input": {"scan": "trials.patients"}}
    request = command({"v": 1, "fragment": fragment, "purpose": None})
    error = raw_call(
        world,
        bearer(world, "ana"),
        lambda client, options: client.get_flight_info(request, options),
    )
    assert isinstance(error, ProtocolError)


@pytest.mark.attack("T11", surface="flight")
@pytest.mark.parametrize(
    "fragment",
    [
        Aggregate(Project(PATIENTS, ("age",)), Aggregation((), (Measure("count"),))),
        Aggregate(
            Aggregate(PATIENTS, Aggregation(("age",), ())), Aggregation((), (Measure("count"),))
        ),
        Filter(Aggregate(PATIENTS, Aggregation(("age",), ())), Compare("age", ">", 1)),
        Project(First(PATIENTS, Top((Order("age", False, False),), 1)), ("age",)),
    ],
)
def test_summaries_do_not_nest(world: World, fragment: Fragment) -> None:
    """What stands above an aggregate would be computed from it and not from governed rows."""
    with pytest.raises(ProtocolError):
        read(world, fragment)


LONG = "SELECT count(*) FROM range(3000000) a, range(3000000) b WHERE a.range * b.range % 7 = 1"
"""Hours of work that gives no batch meanwhile."""


@dataclass(frozen=True, slots=True)
class Busy:
    """A gateway whose aggregates take for ever.

    Args:
        world: The gateway.
        works: Set when the engine begins to work, cleared by who waits for the next time.
        rests: Set when the engine has stopped.
    """

    world: World
    works: threading.Event
    rests: threading.Event


@pytest.fixture
def busy(fresh_world: World, monkeypatch: pytest.MonkeyPatch) -> Busy:
    works, rests = threading.Event(), threading.Event()

    def forever(job: Any, *_: Any) -> Iterator[pa.RecordBatch]:
        rests.clear()
        works.set()
        try:
            yield from job.stop.connection.execute(LONG).to_arrow_reader(1)
        finally:
            rests.set()

    monkeypatch.setattr("jupyter_govdata.storage.scan._Job.summarised", forever)
    monkeypatch.setattr("jupyter_govdata.gateway.scans.WATCHED_ROWS", 0)
    monkeypatch.setattr("jupyter_govdata.gateway.server.AHEAD_ROWS", 0)
    return Busy(fresh_world, works, rests)


@pytest.mark.attack("T82", surface="flight")
def test_work_for_a_client_that_has_left_is_stopped(busy: Busy) -> None:
    request = ScanRequest(aggregate(Measure("count", ColumnTerm("age"))))
    opened = busy.world.connect("ana").open(request)
    (ticket,) = opened.tickets
    assert busy.rests.wait(60)  # what took too long to come in one message
    busy.works.clear()
    stream = busy.world.connect("ana").get(ticket)
    assert busy.works.wait(60)
    stream.cancel()
    assert busy.rests.wait(60)
    assert read(busy.world, Project(PATIENTS, ("age",)))


@pytest.mark.attack("T82", surface="flight")
def test_aggregate_over_its_deadline_is_stopped(busy: Busy) -> None:
    scans = busy.world.gateway.scans
    scans._limits = replace(scans._limits, scan_seconds=1)
    with pytest.raises(LimitError, match="took longer than 1 s"):
        read(busy.world, aggregate(Measure("count", ColumnTerm("age"))))
