"""The shape of an answer: how many messages, rows a message and tickets there are.

Two assets show the same rows. One holds nothing else, the other 1.3 million rows more, between,
before and after them. Whatever is asked, the answers must look alike; how long they took may not
(THREAT_MODEL.md, not defended; measured by `benchmarks/timing.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import flight

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.model.predicate import And, Compare, In, IsNull
from jupyter_govdata.model.scan import (
    Aggregate,
    Filter,
    First,
    Fragment,
    Limit,
    Project,
    Scan,
    ScanRequest,
)
from jupyter_govdata.model.summary import Aggregation, ColumnTerm, Measure, Order, Top
from jupyter_govdata.model.wire import request_to_wire
from tests.gateway.world import POLICIES, World, make_world

COUNT = Measure("count")
LEAST = Measure("min", ColumnTerm("few"))
MOST = Measure("max", ColumnTerm("few"))
SHOWN = 200_000
HIDDEN = 1_300_000
ASSETS = ("trials.wide", "trials.few")
POLICY = """
@id("look") permit (principal in Group::"clinical",
  action in [Action::"discover", Action::"reveal"], resource in Namespace::"trials");
@id("rows") permit (principal in Group::"clinical", action == Action::"select",
  resource in Namespace::"trials") when { resource.study == principal.study };
"""


def table(hidden: int) -> pa.Table:
    """Return the shown rows with hidden ones among them; those have keys of their own."""
    rng = np.random.default_rng(7)
    keys = np.arange(SHOWN, dtype="i8") * 3
    others = 600_000 + rng.integers(0, 1_000_000, hidden)
    where = np.sort(rng.choice(SHOWN + hidden, SHOWN, replace=False))
    mine = np.zeros(SHOWN + hidden, bool)
    mine[where] = True
    key = np.empty(SHOWN + hidden, "i8")
    key[mine], key[~mine] = keys, others
    study = np.where(mine, "S1", "S2")
    few = np.where(mine, key // 3 % 10, key * 7_919)
    return pa.table({"key": key, "study": study, "few": few, "half": key / 2})


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("twins"))
    cut = POLICIES.index('@id("wide-open")')
    end = POLICIES.index('@id("ids-as-pseudonyms")')
    made.apply(policies=POLICIES[:cut] + POLICY + POLICIES[end:])
    for asset, hidden in zip(ASSETS, (HIDDEN, 0), strict=True):
        made.load(asset, table(hidden))
    with pytest.MonkeyPatch.context() as patch:
        # How long an answer takes, THREAT_MODEL.md leaves open; its shape must not follow.
        patch.setattr("jupyter_govdata.gateway.whole.WHOLE_SECONDS", 600.0)
        yield made
    made.close()


def chunks(stream: flight.FlightStreamReader) -> list[int]:
    """Return how many rows each message has."""
    found = []
    while True:
        try:
            found.append(stream.read_chunk().data.num_rows)
        except StopIteration:
            return found


def looks(connection: Connection, fragment: Fragment) -> dict[str, Any]:
    """Return everything of the answers to one question but receipts and time."""
    message = request_to_wire(ScanRequest(fragment))
    answer = connection._one_message("scan", message)
    size = int.from_bytes(answer[:4], "big")
    head = json.loads(answer[4 : 4 + size].to_pybytes())
    found = pa.ipc.open_stream(answer[4 + size :])
    batches = list(found)
    _, tickets, _ = connection.plan(ScanRequest(fragment))
    stream = connection.get(flight.Ticket(b"scan:" + message))
    return {
        "tickets of the answer": len(head["tickets"]),
        "batches of the answer": [b.num_rows for b in batches],
        "rows": pa.Table.from_batches(batches, found.schema).to_pylist()[:5_000],
        "tickets of the plan": len(tickets),
        "messages of the plan": [chunks(connection.get(ticket)) for ticket in tickets],
        "messages of the stream": chunks(stream),
    }


def questions(asset: str) -> dict[str, Fragment]:
    """Return questions about the rows, and about keys that only hidden rows have."""
    scan = Scan(asset)
    return {
        "all": scan,
        "count": Project(scan, ()),
        "first": Limit(scan, 5),
        "one": Filter(scan, Compare("key", "=", 300)),
        "hidden key": Filter(scan, Compare("key", "=", 1_234_567)),
        "hidden range": Filter(scan, Compare("key", ">", 700_000)),
        "beyond all": Filter(scan, Compare("key", ">", 2_000_000)),
        "both": Filter(scan, Compare("key", ">", 500_000)),
        "hidden study": Filter(scan, Compare("study", "=", "S2")),
        "some": Filter(scan, In("key", tuple(range(0, 3_000, 3)))),
        "groups": Aggregate(scan, Aggregation(("few",), (COUNT,))),
        "one group": Aggregate(scan, Aggregation((), (COUNT, LEAST, MOST))),
        "groups of some": Aggregate(
            Filter(scan, Compare("key", "<", 30_000)), Aggregation(("few", "study"), (COUNT,))
        ),
        "no groups": Aggregate(
            Filter(scan, Compare("key", ">", 700_000)), Aggregation(("few",), (COUNT,))
        ),
        "first by rank": First(Project(scan, ("key",)), Top((Order("key", True, False),), 3)),
        "never": Filter(scan, And((IsNull("key"), Compare("key", ">", 0)))),
    }


@pytest.mark.attack("T27", "T28", "T31", "T32", surface="flight")
@pytest.mark.parametrize("question", list(questions("")))
def test_answer_looks_alike_whatever_is_hidden(twins: World, question: str) -> None:
    ana = twins.connect("ana")
    many, few = (looks(ana, questions(asset)[question]) for asset in ASSETS)
    assert many == few
