"""SQL that reaches for more, by every way that a text can arrive.

In the kernel it runs as far as the user's own DuckDB lets it, over governed rows only. Behind the
wall there is nothing that would run it: in each text of the protocol and of the REST API it is a
name that nobody has, a constant, or a message that is refused.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pytest
from IPython.core.error import UsageError
from pyarrow import flight

from jupyter_govdata.client.connection import raised
from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.errors import GovDataError
from jupyter_govdata.session import Session
from tests.attacks.payloads import SQL, TEXTS, texts
from tests.attacks.world import ASSET, EVIL, State, leaks
from tests.notebook.conftest import Notebook
from tests.server.jupyter import Server
from tests.stamps.notebooks import notebook as notebook_of
from tests.stamps.notebooks import query_cell, stamp

NUMBERS = [pytest.param(number, id=number) for number in SQL]


@pytest.fixture
def filled(lake: Path, tmp_path: Path, ear: socket.socket) -> Iterator[Any]:
    """Fill a text in. Afterwards nothing was written and nobody has called."""
    away = tmp_path / "away"
    away.mkdir()
    port = ear.getsockname()[1]

    def fill(text: str, of: Path = lake) -> str:
        for name, value in (("{lake}", of), ("{away}", away), ("{port}", port)):
            text = text.replace(name, str(value))
        return text

    yield fill
    for path in away.rglob("*"):
        assert not path.is_file() or not leaks(path.read_bytes().decode("latin-1")), path


@pytest.fixture
def silent(ear: socket.socket) -> Iterator[None]:
    """Nobody has called a foreign address on behalf of the test."""
    yield
    with pytest.raises(BlockingIOError):
        ear.accept()


@pytest.fixture
def no_lake(tmp_path: Path) -> Path:
    """The lake as a kernel of another user has it: not at all.

    A kernel of the lake's own user could read its files, and says so: its wall is `advisory`.
    """
    return tmp_path / "no-lake-here"


@pytest.mark.attack(*SQL, surface="api")
@pytest.mark.parametrize("number", NUMBERS)
def test_sql_in_the_kernel_gives_governed_rows_only(
    ana: Session, untouched: State, filled: Any, no_lake: Path, number: str
) -> None:
    for text in texts(number):
        try:
            answer = ana.sql(filled(text, no_lake)).arrow()
        except GovDataError as error:
            assert not leaks(error)
        else:
            assert not leaks(answer)
    mine = ana.sql("SELECT count(*) AS n FROM trials.visits").arrow()
    assert mine.to_pylist() == [{"n": 10}]


@pytest.mark.attack(*SQL, surface="magic")
@pytest.mark.parametrize("number", NUMBERS)
def test_sql_in_a_cell_gives_governed_rows_only(
    notebook: Notebook, untouched: State, filled: Any, no_lake: Path, number: str
) -> None:
    for text in texts(number):
        sql = filled(text, no_lake)
        for cell in (f"%%govsql\n{sql}", "%%govsql got <<\n" + sql, "%%govsql --dry-run\n" + sql):
            ran = notebook.run(cell)
            assert isinstance(ran.error, GovDataError | UsageError | None), ran.error
            shown = [ran.text, ran.outputs, ran.everything, ran.result]
            for frame in (ran.result, notebook.shell.user_ns.get("got")):
                with suppress(GovDataError, AttributeError):
                    shown.append(frame.arrow())
            assert not leaks(*shown)
    assert notebook.run("%govsql SELECT count(*) FROM trials.visits").success


def spoken(text: str) -> Iterator[tuple[str, bytes]]:
    """Yield messages that hold a text in each place where the protocol takes one."""
    scan = {"scan": ASSET, "at": None}
    told: list[Any] = [
        {"scan": text},
        {"scan": ASSET, "at": {"tag": text}},
        {"scan": ASSET, "at": {"snapshot_id": text}},
        {"scan": ASSET, "at": {"timestamp": text}},
        {"scan": ASSET, "sql": text},
        {"sql": text},
        {"project": [text], "input": scan},
        {"filter": {"compare": "=", "column": text, "value": ["int", "1"]}, "input": scan},
        {"filter": {"compare": "=", "column": "word", "value": ["str", text]}, "input": scan},
        {"filter": {"in": [["str", text]], "column": "word", "negated": False}, "input": scan},
        {"filter": {"compare": text, "column": "word", "value": ["str", "1"]}, "input": scan},
        {"filter": {"is_null": text, "negated": True}, "input": scan},
        {"filter": text, "input": scan},
        {"aggregate": text, "input": scan},
        {"first": text, "input": scan},
        {"limit": text, "input": scan},
        text,
    ]
    for fragment in told:
        yield "scan", json.dumps({"v": 1, "fragment": fragment, "purpose": None}).encode()
    yield "scan", json.dumps({"v": 1, "fragment": scan, "purpose": text}).encode()
    yield "scan", json.dumps({"v": 1, "fragment": scan, "known": text[:1_000]}).encode()
    yield "scan", text.encode()
    for action, keys in {
        "view": ("asset", "purpose"),
        "ls": ("namespace",),
        "search": ("text",),
        "browse": ("text", "namespace"),
        "versions": ("asset",),
        "lineage": ("asset",),
        "files_grant": ("asset", "where"),
        "table_grant": ("asset",),
        "files_stat": ("grant",),
        "explain_as": ("asset", "as"),
        "request_access": ("asset",),
    }.items():
        for key in keys:
            yield action, json.dumps({"asset": ASSET, key: text}).encode()
    yield text[:50], b"{}"


def calls(
    client: flight.FlightClient, options: flight.FlightCallOptions, sql: str
) -> Iterator[Callable[[], Any]]:
    """Yield every call of Flight that can hold a text."""

    def act(name: str, body: bytes) -> list[bytes]:
        found = client.do_action(flight.Action(name, body), options)
        return [result.body.to_pybytes() for result in found]

    for name, body in spoken(sql):
        yield partial(act, name, body)
    for descriptor in (
        flight.FlightDescriptor.for_path(sql),
        flight.FlightDescriptor.for_command(sql.encode()),
    ):
        yield partial(client.get_flight_info, descriptor, options)
    for ticket in (sql.encode(), b"scan:" + sql.encode()):
        yield lambda ticket=ticket: client.do_get(flight.Ticket(ticket), options).read_all()
    yield lambda: list(client.list_flights(sql.encode(), options))


@pytest.mark.attack(*SQL, surface="flight")
@pytest.mark.parametrize("number", NUMBERS)
def test_sql_in_any_text_of_the_protocol_is_run_by_nobody(
    lake: Path, ana: Session, untouched: State, filled: Any, silent: None, number: str
) -> None:
    client = flight.FlightClient(ana._endpoint.location())
    token = b"Bearer " + mint_embedded(lake, "ana", 600).encode()
    options = flight.FlightCallOptions(headers=[(b"authorization", token)])
    for text in texts(number):
        sql = filled(text)
        for call in calls(client, options, sql):
            try:
                answer = call()
            except pa.ArrowException as exc:
                error = raised(exc)
                assert type(error).__name__ not in ("GatewayError", "GatewayUnreachableError")
                answer = error
            if isinstance(answer, list) and answer and isinstance(answer[0], bytes):
                answer = answer[0].decode("latin-1")
            assert not leaks(answer), call
    client.close()


@pytest.mark.attack(*SQL, surface="rest")
@pytest.mark.parametrize("number", NUMBERS)
def test_sql_in_any_text_of_the_rest_api_is_run_by_nobody(
    server: Server, untouched: State, filled: Any, silent: None, number: str
) -> None:
    for text in texts(number):
        sql = filled(text)
        word = quote(sql, safe="")
        paths = [
            *(f"catalog?{key}={word}" for key in ("text", "namespace", "tag", "purpose", "limit")),
            f"assets/{word}",
            f"assets/{word}/preview",
            f"assets/{ASSET}?at={word}",
            *(f"assets/{ASSET}/preview?{key}={word}" for key in ("purpose", "at", "columns")),
            f"assets/{ASSET}/compare?from={word}&to={word}",
            f"requests?state={word}",
            f"jobs/{word}",
        ]
        answers = [server.get(path) for path in paths]
        bodies = {
            "requests": {"asset": sql, "reason": "please"},
            "notebooks/pins": {"path": f"{word[:40]}.ipynb", "content": {"sql": sql}},
            "notebooks/hold": {"path": "a.ipynb", "name": sql[:90], "until": sql},
            "notebooks/verify": {"path": sql},
        }
        answers += [server.post(path, body) for path, body in bodies.items()]
        for path, answer in zip([*paths, *bodies], answers, strict=True):
            assert answer.status < 500, (path, answer.text)
            assert not leaks(answer.text, str(answer.headers)), path
            if answer.status == 200 and "preview" in path:
                assert len(answer.json["rows"]) <= 10
    assert "Traceback" not in server.log.read_text()


@pytest.mark.attack(*SQL, surface="stored")
@pytest.mark.parametrize("number", NUMBERS)
def test_sql_that_was_stored_is_shown_as_text_and_run_by_nobody(
    notebook: Notebook, ana: Session, server: Server, untouched: State, silent: None, number: str
) -> None:
    card = ana.view(EVIL).asset
    described = {column.name: column.description for column in card.columns}
    assert card.description.splitlines() == [line for t in TEXTS for line in t.splitlines()]
    rows = ana.sql(f"FROM {EVIL}").arrow().to_pylist()
    shown = notebook.run(f"%govdata describe {EVIL}")
    assert shown.success
    listed = server.get(f"assets/{EVIL}")
    assert listed.status == 200
    for text in texts(number):
        name = f"c{TEXTS.index(text)}"
        assert described[name] == rows[0][name] == text
        query = stamp(text, {text[:50]: 11})
        nb = notebook_of(query_cell(text, query, id="q1"))
        pins = server.post(
            "notebooks/pins", {"path": "a.ipynb", "content": json.loads(json.dumps(nb))}
        )
        assert pins.status < 500
        assert not leaks(pins.text)
    assert not leaks(shown.text, shown.outputs, shown.result, listed.text)
