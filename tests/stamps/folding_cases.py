"""What folding makes of notebooks, as a file that Python and TypeScript are both held to.

`python -m tests.stamps.folding_cases` writes ``folding.json`` anew: look at its diff before you
commit it, for it is a change of the rule in `docs/reference/stamp.md`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from jupyter_govdata.model.stamp import STAMP_MIME, Stamp
from jupyter_govdata.stamps.folding import fold_stamps
from tests.stamps import notebooks
from tests.stamps.notebooks import notebook, output, query_cell

FILE = Path(__file__).with_name("folding.json")
CASES: dict[str, Callable[[], Any]] = {}


def case(build: Callable[[], Any]) -> Callable[[], Any]:
    CASES[build.__name__.replace("_", " ")] = build
    return build


def stamp(*arguments: Any, **changes: Any) -> Stamp:
    """A stamp that is the same whatever Python and packages make it."""
    return replace(notebooks.stamp(*arguments, **changes), versions={"duckdb": "1.5.2"})


def ran(query: str = "SELECT 1", *stamps: Stamp, **more: Any) -> Any:
    return query_cell(query, *(stamps or (stamp(query),)), **more)


def folded(*cells: Any) -> Any:
    nb = notebook(*cells)
    fold_stamps(nb)
    return nb


def cleared(nb: Any) -> Any:
    for cell in nb.cells:
        cell.outputs, cell.execution_count = [], None
    return nb


# -- cases -------------------------------------------------------------------------------------


@case
def nothing_stamped() -> Any:
    return notebook(new_code_cell("1", id="a"), new_markdown_cell("x", id="b"))


@case
def a_cell_that_ran() -> Any:
    return notebook(ran(id="q1"), new_code_cell("1", id="p"), new_markdown_cell("# t", id="t"))


@case
def folded_already() -> Any:
    return folded(ran(id="q1"), ran("SELECT 2", id="q2"))


@case
def outputs_cleared() -> Any:
    return cleared(folded(ran(id="q1")))


@case
def outputs_cleared_and_cell_metadata_lost() -> Any:
    nb = cleared(folded(ran(id="q1")))
    nb.cells[0].metadata = {}
    return nb


@case
def text_changed_after_the_run() -> Any:
    nb = folded(ran(id="q1"))
    nb.cells[0].source = "%%govsql\nSELECT 99"
    return nb


@case
def text_changed_and_outputs_cleared() -> Any:
    nb = cleared(folded(ran(id="q1")))
    nb.cells[0].source = "%%govsql\nSELECT 99"
    return nb


@case
def text_changed_and_run_without_a_query() -> Any:
    nb = cleared(folded(ran(id="q1")))
    nb.cells[0].source, nb.cells[0].execution_count = "x = 1", 4
    return nb


@case
def text_changed_and_printed_something() -> Any:
    nb = cleared(folded(ran(id="q1")))
    nb.cells[0].source, nb.cells[0].outputs = "x", [new_output("stream", text="1")]
    return nb


@case
def same_text_failed_without_a_stamp() -> Any:
    nb = folded(ran(id="q1"))
    nb.cells[0].outputs = [new_output("error", ename="E", evalue="no gateway", traceback=[])]
    return nb


@case
def a_stamp_without_the_digest_of_its_source() -> Any:
    nb = notebook(new_code_cell("%%govsql\nSELECT 1", outputs=[output(stamp())], id="q1"))
    fold_stamps(nb)
    nb.cells[0].source += " -- edited"
    return nb


@case
def several_stamps_in_a_cell_and_two_purposes() -> Any:
    other = stamp("SELECT 2", {"b.c": 3, "trials.outcomes": 12})
    theirs = tuple(replace(r, purpose="𝕒 purpose") for r in other.receipts)
    last = tuple(replace(r, purpose="\uff5e wave") for r in other.receipts)
    both = [replace(other, receipts=theirs), replace(other, receipts=last)]
    return notebook(ran("SELECT 1", stamp(), *both, id="q1"))


@case
def cells_that_disagree_on_a_snapshot() -> Any:
    pins = [{"a.b": 1, "c.d": 5}, {"a.b": 2}, {"a.b": 1}, {"c.d": 6}, {"e.f": 9223372036854775807}]
    made = [ran("SELECT 1", stamp("SELECT 1", p), id=f"q{i}") for i, p in enumerate(pins)]
    return notebook(*made)


@case
def failed_interrupted_and_partial_queries() -> Any:
    ends = [("interrupted", ""), ("failed", "access_denied"), ("partial", "")]
    made = [stamp(table=None, status=status, error=error) for status, error in ends]
    return notebook(ran("SELECT 1", *made, id="q1"))


@case
def cell_turned_into_text() -> Any:
    nb = folded(ran(id="q1"))
    nb.cells[0] = new_markdown_cell("x", metadata=nb.cells[0].metadata, id="q1")
    return nb


@case
def a_stamped_cell_deleted() -> Any:
    nb = folded(ran(id="q1"), ran("SELECT 2", id="q2"))
    del nb.cells[0]
    return nb


@case
def a_stamped_cell_pasted_a_second_time() -> Any:
    nb = cleared(folded(ran(id="q1")))
    nb.cells.append(copy.deepcopy(nb.cells[0]))
    nb.cells[1]["id"] = "q2"
    nb.cells[1]["source"] = "%%govsql\nSELECT 2"
    return nb


@case
def two_cells_of_one_id_and_none() -> Any:
    nb = plain(cleared(folded(ran(id="a"), ran("SELECT 2", id="c"), ran("SELECT 3", id="d"))))
    nb["cells"][1]["id"] = "a"
    del nb["cells"][2]["id"]
    return nb


@case
def keys_of_others_in_our_namespace() -> Any:
    nb = notebook(ran(id="q1"))
    nb.metadata["jupyter_govdata"] = {"lake": "x", "cells": 3}
    nb.cells[0].metadata["jupyter_govdata"] = {"note": "y"}
    return nb


@case
def keys_of_others_stay_when_the_copy_goes() -> Any:
    nb = folded(ran(id="q1"))
    nb.metadata["jupyter_govdata"]["lake"] = "x"
    nb.cells[0].metadata["jupyter_govdata"]["note"] = "y"
    nb.cells[0].source, nb.cells[0].outputs = "1", [new_output("stream", text="1")]
    return nb


@case
def a_copy_of_a_newer_version() -> Any:
    nb = notebook(new_code_cell("1", id="a", metadata={"jupyter_govdata": {"v": 2, "x": 1}}))
    nb.metadata["jupyter_govdata"] = {"v": 2, "cells": 1}
    return nb


@case
def malformed_and_newer_stamps_in_outputs() -> Any:
    bad, newer, good = ran(id="bad"), ran(id="newer"), ran(id="good")
    bad.outputs[0].data[STAMP_MIME]["receipts"] = "none"
    newer.outputs[0].data = {"application/vnd.govdata.stamp.v9+json": {}}
    worse = ran(id="worse")
    worse.outputs[0].data[STAMP_MIME]["more"] = "<img src=x onerror=alert(1)>"
    return notebook(bad, newer, good, worse)


@case
def malformed_copies() -> Any:
    nb = cleared(folded(ran(id="a"), ran(id="b"), ran(id="c")))
    nb.cells[0].metadata.jupyter_govdata["stamps"][0]["pins"] = {"trials.outcomes": "1e9"}
    nb.cells[1].metadata.jupyter_govdata["source"] = 3
    nb.cells[2].metadata.jupyter_govdata["v"] = "1"
    return nb


@case
def names_that_javascript_treats_as_its_own() -> Any:
    pins = {"__proto__": 1, "constructor": 2, "3": 3, "a.b": 4}
    cells = [ran("SELECT 1", stamp("SELECT 1", pins), id=i) for i in ("__proto__", "toString")]
    return notebook(*cells)


@case
def text_beyond_latin_and_a_lone_surrogate() -> Any:
    nb = plain(notebook(ran("SELECT 'ß∂😀'", id="a"), ran("SELECT 2", id="b")))
    nb["cells"][1]["source"] = ["%%govsql\n", "SELECT 2", " -- \ud800"]
    for cell in nb["cells"]:
        del cell["outputs"][0]["metadata"]["govdata"]["source"]
    return nb


@case
def no_notebook_at_all() -> Any:
    return {"cells": [None, 3, {"cell_type": 4}, {"outputs": {}}, []], "metadata": []}


# -- the file ----------------------------------------------------------------------------------


def plain(nb: Any) -> Any:
    return json.loads(json.dumps(nb))


def made() -> list[dict[str, Any]]:
    """Return the cases as the file holds them."""
    found = []
    for name, build in CASES.items():
        nb = plain(build())
        after = copy.deepcopy(nb)
        fold_stamps(after)
        found.append({"name": name, "notebook": nb, "folded": after})
    return found


if __name__ == "__main__":
    lines = (json.dumps(one, separators=(",", ":")) for one in made())
    FILE.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
