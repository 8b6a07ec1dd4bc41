"""Every query of the process is told to listeners, once, however it ends."""

from __future__ import annotations

import _thread
from collections.abc import Iterator

import pytest

from jupyter_govdata.errors import GovDataError, QueryError
from jupyter_govdata.query.answers import Answer, listen, unlisten
from jupyter_govdata.query.engine import QueryEngine
from tests.query.lake import Lake, Stream


@pytest.fixture
def told() -> Iterator[list[Answer]]:
    answers: list[Answer] = []
    listen(answers.append)
    yield answers
    unlisten(answers.append)


def test_answer_of_a_query_is_told_once_before_it_returns(
    engine: QueryEngine, told: list[Answer]
) -> None:
    result = engine.run("SELECT count(*) AS n, $a AS a FROM trials.outcomes", {"a": 1})
    (answer,) = told
    assert answer.result is result
    assert answer.parameters == {"a": 1}
    assert (answer.status, answer.error) == ("complete", "")
    assert answer.receipts == result.receipts != ()
    assert answer.pins == result.pins


def test_answer_of_a_failed_query_tells_what_was_read(
    engine: QueryEngine, told: list[Answer]
) -> None:
    sql = "CREATE TABLE t AS FROM trials.outcomes; SELECT error('no')"
    with pytest.raises(QueryError):
        engine.run(sql)
    (answer,) = told
    assert (answer.status, answer.error, answer.result) == ("failed", "query", None)
    assert [r.asset for r in answer.receipts] == ["trials.outcomes"]
    assert answer.pins == {"trials.outcomes": answer.receipts[0].snapshot_id}
    for wrong in ("SELECT {{ 1 }}", "SELECT $nothing", "SELEC"):
        with pytest.raises(GovDataError):
            engine.run(wrong)
    assert [a.query for a in told[1:]] == ["SELECT {{ 1 }}", "SELECT $nothing", "SELEC"]
    assert all(a.receipts == () for a in told[1:])


def test_answer_of_an_interrupted_query_is_told_too(
    lake: Lake, engine: QueryEngine, told: list[Answer]
) -> None:
    def stop(stream: Stream, batch: int) -> None:
        _thread.interrupt_main()
        stream.cancelled.wait(10)

    lake.on_batch = stop
    with pytest.raises(KeyboardInterrupt):
        engine.run("CREATE TABLE part AS FROM imaging.slides")
    (answer,) = told
    assert (answer.status, answer.error, answer.result) == ("interrupted", "", None)
