"""A notebook that nbclient runs in a real kernel over a real gateway."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.stamps.stamp import read_stamps

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def notebook_of(*cells: str) -> nbformat.NotebookNode:
    nb = nbformat.v4.new_notebook()
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nb.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    return nb


def run(nb: nbformat.NotebookNode, *, allow_errors: bool = False) -> nbformat.NotebookNode:
    resources = {"metadata": {"path": str(ROOT)}}
    client = NotebookClient(nb, timeout=120, allow_errors=allow_errors, resources=resources)
    return client.execute()


@pytest.mark.attack("T57", surface="magic")
def test_notebook_run_in_a_kernel_keeps_stamps_results_and_no_secret(shared_lake: Path) -> None:
    nb = run(
        notebook_of(
            "%load_ext jupyter_govdata",
            f"%govdata connect {shared_lake} --as ana",
            "limit = 70",
            (
                "%%govsql\nSELECT patient, age FROM trials.patients "
                "WHERE age < {{ limit }} ORDER BY age"
            ),
            "%%govsql counts <<\nSELECT count(*) AS n FROM trials.patients",
            "counts.df()",
            "%%govsql\nFROM trials.nope",
        ),
        allow_errors=True,
    )
    stamps = read_stamps(nb)
    assert [s.cell_id for s in stamps] == [nb.cells[i]["id"] for i in (3, 4, 6)]
    assert all(s.stamp.receipts[0].asset == "trials.patients" for s in stamps[:2])
    assert [(s.stamp.status, s.stamp.error) for s in stamps] == [
        ("complete", ""),
        ("complete", ""),
        ("failed", "not_visible"),
    ]
    for found, cell in zip(stamps, (nb.cells[i] for i in (3, 4, 6)), strict=True):
        (query,) = cell_queries(cell["source"])
        assert found.stamp.query_digest == hashlib.sha256(query.sql.encode()).hexdigest()
    stamp, result = nb.cells[3].outputs
    assert (stamp.output_type, result.output_type) == ("display_data", "execute_result")
    assert set(stamp.data) == {STAMP_MIME, "text/plain"}
    assert {"text/html", "text/plain"} <= set(result.data)
    assert "pseudonym" in result.data["text/html"]
    _, error = nb.cells[6].outputs
    assert error.output_type == "error"
    assert error.ename == "NotVisibleError"
    assert len(error.traceback) <= 5
    text = nbformat.writes(nb)
    nbformat.validate(nb)
    assert "Bearer" not in text
    assert mint_embedded.__name__ not in text
    key = (shared_lake / "keys" / "embedded.key").read_bytes()
    assert key.hex() not in text
    assert "eyJ" not in text  # the head of every JWT


def test_notebook_in_a_kernel_without_ipywidgets_runs(shared_lake: Path) -> None:
    """DuckDB looks for them in a kernel."""
    nb = run(
        notebook_of(
            "import sys; sys.modules['ipywidgets'] = None",
            f"%load_ext jupyter_govdata\n%govdata connect {shared_lake} --as ana",
            "%%govsql\nSELECT count(*) AS n FROM trials.patients",
        )
    )
    assert len(read_stamps(nb)) == 1


def test_notebook_with_a_refused_query_fails_for_nbclient() -> None:
    nb = notebook_of("%load_ext jupyter_govdata", "%govdata nope")
    with pytest.raises(CellExecutionError, match="ConfigError"):
        run(nb)


def test_completion_over_the_kernel_protocol_as_any_frontend_asks(shared_lake: Path) -> None:
    """What VS Code, JupyterLab and the console send and get is this message and its reply."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT))
    try:
        setup = f"%load_ext jupyter_govdata\n%govdata connect {shared_lake} --as ana"
        assert client.execute_interactive(setup, timeout=120)["content"]["status"] == "ok"
        for text, wanted, never in (
            ("%%govsql\nSELECT * FROM trials.", "patients", "hidden"),
            ("%%govsql\nSELECT p. FROM trials.patients p", "age", "secret"),
        ):
            at = text.index(".") + 1
            reply = client.complete(text, at, reply=True, timeout=60)["content"]
            proposed = [
                match.removeprefix(text[reply["cursor_start"] : at]) for match in reply["matches"]
            ]
            assert wanted in [match.rpartition(".")[2] for match in proposed]
            assert never not in str(reply)
            assert reply["cursor_end"] == at
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_event_loop_runs_while_a_query_runs_in_a_thread(shared_lake: Path) -> None:
    nb = run(
        notebook_of(
            "%load_ext jupyter_govdata\nimport asyncio, jupyter_govdata as gd\n"
            f"session = gd.connect({str(shared_lake)!r}, user='ana')",
            "ticked = asyncio.Event()\n"
            "asyncio.get_running_loop().call_soon(ticked.set)\n"
            "query = asyncio.to_thread(session.sql, 'SELECT count(*) FROM trials.patients')\n"
            "result, _ = await asyncio.gather(query, ticked.wait())\n"
            "len(result)",
        )
    )
    stamp, answer = nb.cells[1].outputs
    assert STAMP_MIME in stamp["data"]
    assert answer["data"]["text/plain"] == "1"
