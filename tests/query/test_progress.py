"""Progress is told in the thread that waits, tells no hidden counts, and always ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from jupyter_govdata.errors import GatewayError
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.progress import Progress
from tests.query.lake import T0, Governed, Lake, Stream, Version

ROWS = 40_000


@pytest.fixture
def lake() -> Iterator[Lake]:
    table = pa.table({"n": pa.array(range(ROWS))})
    made = Lake(
        {
            "big.rows": Governed([Version(table, T0)]),
            "big.some": Governed([Version(table, T0)], row_filter="n % 2 = 0"),
        }
    )
    yield made
    made.close()


class Watcher:
    """Lets the lake wait in mid-stream until it has been told of that."""

    def __init__(self, lake: Lake) -> None:
        self.seen: list[Progress] = []
        self.threads: set[int] = set()
        self._told = threading.Event()
        lake.on_batch = self._wait

    def _wait(self, stream: Stream, batch: int) -> None:
        if batch == 10:
            assert self._told.wait(30)

    def __call__(self, progress: Progress) -> None:
        self.seen.append(progress)
        self.threads.add(threading.get_ident())
        if progress.rows:
            self._told.set()


def test_progress_is_told_while_rows_come_and_ends(engine: QueryEngine, lake: Lake):
    watcher = Watcher(lake)
    engine.run("SELECT sum(n % 7) AS s FROM big.rows", on_progress=watcher)
    middle = next(p for p in watcher.seen if p.rows)
    assert not middle.done
    assert 0 < middle.rows < ROWS
    assert middle.bytes > 0
    assert [p.done for p in watcher.seen] == [False] * (len(watcher.seen) - 1) + [True]
    (asset,) = watcher.seen[-1].assets
    assert (asset.asset, asset.rows) == ("big.rows", ROWS)
    assert watcher.threads == {threading.get_ident()}


def test_progress_ends_also_when_the_query_fails(engine: QueryEngine, lake: Lake):
    def fail(stream: Stream, batch: int) -> None:
        raise GatewayError("the stream broke")

    seen: list[Progress] = []
    lake.on_batch = fail
    with pytest.raises(GatewayError):
        engine.run("FROM big.rows", on_progress=seen.append)
    assert seen[-1].done


def test_progress_an_error_of_the_listener_stops_the_query(engine: QueryEngine, lake: Lake):
    def refuse(progress: Progress) -> None:
        raise ValueError("no")

    def stand_still(stream: Stream, batch: int) -> None:
        assert stream.cancelled.wait(30)

    lake.on_batch = stand_still
    with pytest.raises(ValueError, match="no"):
        engine.run("FROM big.rows", on_progress=refuse)
    lake.on_batch = None
    assert len(engine.run("FROM big.rows")) == ROWS
