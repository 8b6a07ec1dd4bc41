"""Stamps outlive what people and tools do to a notebook, and never pass for what they are not."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbconvert.preprocessors import ClearOutputPreprocessor
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.stamps.folding import fold_stamps, source_digest, stamped_cells
from jupyter_govdata.stamps.pinning import pins_of
from jupyter_govdata.stamps.stamp import stamp_bundle
from tests.stamps.notebooks import notebook, output, query_cell, stamp


def folded(*cells: Any) -> Any:
    nb = notebook(*cells)
    assert fold_stamps(nb)
    return nb


def clear(nb: Any) -> Any:
    for cell in nb.cells:
        cell.outputs, cell.execution_count = [], None
    return nb


def states(nb: Any) -> list[str]:
    return [cell.state for cell in stamped_cells(nb)]


def own(cell: Any) -> Any:
    return cell.metadata.get("jupyter_govdata")


def test_fold_puts_copies_into_cell_and_notebook() -> None:
    nb = folded(query_cell(id="q1"), new_code_cell("1", id="p"), new_markdown_cell("# t"))
    body = stamp_bundle(stamp(), {})[0][STAMP_MIME]
    copied = {"v": 1, "source": source_digest("%%govsql\nSELECT 1"), "stamps": [body]}
    assert own(nb.cells[0]) == copied
    assert own(nb.cells[1]) is None
    assert nb.metadata.jupyter_govdata == {
        "v": 1,
        "pins": {"v": 1, "assets": {"trials.outcomes": "11"}, "cells": {}, "as_of": None},
        "purposes": ["research"],
        "cells": {"q1": copied},
    }
    nbformat.validate(nb)


def test_fold_twice_changes_nothing() -> None:
    nb = folded(query_cell(id="q1"), query_cell("SELECT 2", id="q2"))
    before = copy.deepcopy(nb)
    assert not fold_stamps(nb)
    assert nb == before


def test_fold_of_notebook_without_stamps_changes_nothing() -> None:
    nb = notebook(new_code_cell("1"), new_markdown_cell("x"))
    nb.metadata["jupyter_govdata_other"] = 1
    before = copy.deepcopy(nb)
    assert not fold_stamps(nb)
    assert nb == before


def test_fold_same_answer_again_makes_no_diff() -> None:
    nb = folded(query_cell(id="q1"))
    before = copy.deepcopy(nb.metadata), copy.deepcopy(nb.cells[0].metadata)
    digest = source_digest(nb.cells[0].source)
    nb.cells[0].outputs = [output(stamp(), at="2027-05-05T00:00:00+00:00", source=digest)]
    nb.cells[0].execution_count = 9
    assert not fold_stamps(nb)
    assert (nb.metadata, nb.cells[0].metadata) == before


def test_fold_keeps_keys_of_others_in_our_namespace() -> None:
    nb = notebook(query_cell(id="q1"))
    nb.metadata["jupyter_govdata"] = {"lake": "x"}
    nb.cells[0].metadata["jupyter_govdata"] = {"note": "y"}
    fold_stamps(nb)
    assert nb.metadata.jupyter_govdata["lake"] == "x"
    assert own(nb.cells[0])["note"] == "y"
    nb.cells[0].source, nb.cells[0].outputs = "1", [new_output("stream", text="1")]
    fold_stamps(nb)
    assert nb.metadata.jupyter_govdata == {"lake": "x"}
    assert own(nb.cells[0]) == {"note": "y"}


# -- what people do ----------------------------------------------------------------------------


def test_cleared_outputs_leave_the_copy_marked_kept() -> None:
    nb = clear(folded(query_cell(id="q1")))
    assert states(nb) == ["kept"]
    assert fold_stamps(nb)
    assert own(nb.cells[0])["state"] == "kept"
    assert stamped_cells(nb)[0].stamps == (stamp(),)
    assert pins_of(nb) == Pins({"trials.outcomes": 11})
    assert not fold_stamps(nb)


def test_edited_code_without_a_run_is_outdated_with_and_without_outputs() -> None:
    nb = folded(query_cell(id="q1"))
    nb.cells[0].source = "%%govsql\nSELECT 2"
    assert states(nb) == ["outdated"]
    fold_stamps(nb)
    assert own(nb.cells[0])["state"] == "outdated"
    clear(nb)
    fold_stamps(nb)
    assert states(nb) == ["outdated"]
    assert not fold_stamps(nb)


def test_edited_code_and_edited_back_is_current_again() -> None:
    nb = folded(query_cell(id="q1"))
    before = copy.deepcopy(nb)
    nb.cells[0].source += " "
    assert fold_stamps(nb)
    nb.cells[0].source = nb.cells[0].source[:-1]
    assert fold_stamps(nb)
    assert nb == before


def test_code_edited_between_run_and_first_save_is_outdated() -> None:
    cell = query_cell(id="q1")
    cell.source = "%%govsql\nSELECT 2"
    nb = folded(cell)
    assert states(nb) == ["outdated"]


def test_rerun_of_changed_code_replaces_the_copy() -> None:
    nb = folded(query_cell(id="q1"))
    nb.cells[0] = query_cell("SELECT 2", id="q1", metadata=nb.cells[0].metadata)
    fold_stamps(nb)
    (cell,) = stamped_cells(nb)
    assert (cell.state, cell.stamps) == ("current", (stamp("SELECT 2"),))
    assert own(nb.cells[0])["source"] == source_digest(nb.cells[0].source)


def test_changed_code_that_ran_without_a_query_loses_the_copy() -> None:
    nb = clear(folded(query_cell(id="q1")))
    nb.cells[0].source, nb.cells[0].execution_count = "x = 1", 4
    assert fold_stamps(nb)
    assert own(nb.cells[0]) is None
    assert "jupyter_govdata" not in nb.metadata


def test_same_code_that_ran_without_a_stamp_keeps_the_copy_not_as_current() -> None:
    nb = folded(query_cell(id="q1"))
    nb.cells[0].outputs = [new_output("error", ename="E", evalue="no gateway", traceback=[])]
    fold_stamps(nb)
    assert states(nb) == ["kept"]


def test_reordered_cells_keep_their_stamps() -> None:
    nb = folded(query_cell(id="a"), query_cell("SELECT 2", id="b"))
    clear(nb).cells.reverse()
    fold_stamps(nb)
    assert [(c.name, c.stamps[0]) for c in stamped_cells(nb)] == [
        ("b", stamp("SELECT 2")),
        ("a", stamp()),
    ]


def test_deleted_cell_takes_its_copy_along() -> None:
    nb = clear(folded(query_cell(id="a"), query_cell("SELECT 2", id="b")))
    del nb.cells[0]
    fold_stamps(nb)
    assert list(nb.metadata.jupyter_govdata["cells"]) == ["b"]
    del nb.cells[0]
    fold_stamps(nb)
    assert "jupyter_govdata" not in nb.metadata


def test_duplicated_cell_has_its_own_copy() -> None:
    nb = clear(folded(query_cell(id="a")))
    nb.cells.append(copy.deepcopy(nb.cells[0]))
    nb.cells[1]["id"] = "b"
    fold_stamps(nb)
    nb.cells[1].source = "%%govsql\nSELECT 9"
    fold_stamps(nb)
    assert states(nb) == ["kept", "outdated"]
    assert list(nb.metadata.jupyter_govdata["cells"]) == ["a", "b"]


def test_cell_turned_into_text_loses_its_copy() -> None:
    nb = folded(query_cell(id="a"))
    metadata = nb.cells[0].metadata
    nb.cells[0] = new_markdown_cell("x", metadata=metadata, id="a")
    fold_stamps(nb)
    assert own(nb.cells[0]) is None


def test_lost_cell_metadata_is_restored_by_id() -> None:
    nb = clear(folded(query_cell(id="a")))
    nb.cells[0].metadata = {}
    fold_stamps(nb)
    assert own(nb.cells[0])["state"] == "kept"


def test_interrupted_and_failed_queries_are_folded_as_such() -> None:
    made = stamp(table=None, status="interrupted"), stamp(table=None, status="failed", error="x")
    nb = clear(folded(query_cell("SELECT 1", *made, id="a")))
    assert [s.status for s in stamped_cells(nb)[0].stamps] == ["interrupted", "failed"]


# -- what tools do -----------------------------------------------------------------------------


def saved(nb: Any, folder: Path) -> Path:
    path = folder / "n.ipynb"
    nbformat.write(nb, path)
    return path


def test_nbstripout_keeps_the_copy_unless_told(tmp_path: Path) -> None:
    path = saved(folded(query_cell(id="a")), tmp_path)
    strip = [sys.executable, "-m", "nbstripout"]
    subprocess.run([*strip, str(path)], check=True)
    nb = nbformat.read(path, as_version=4)
    assert nb.cells[0].outputs == []
    assert states(nb) == ["kept"]
    assert pins_of(nb) == Pins({"trials.outcomes": 11})
    keys = "metadata.jupyter_govdata cell.metadata.jupyter_govdata"
    subprocess.run([*strip, "--extra-keys", keys, str(path)], check=True)
    assert "jupyter_govdata" not in path.read_text()


def test_nbstripout_of_saved_notebook_is_stable_over_reruns(tmp_path: Path) -> None:
    texts = []
    for count in (1, 7):
        nb = notebook(query_cell(id="a"))
        nb.cells[0].execution_count = count
        fold_stamps(nb)
        path = saved(nb, tmp_path)
        subprocess.run([sys.executable, "-m", "nbstripout", str(path)], check=True)
        texts.append(path.read_text())
    assert texts[0] == texts[1]


def test_nbconvert_clear_output_keeps_the_copy() -> None:
    nb, _ = ClearOutputPreprocessor().preprocess(folded(query_cell(id="a")), {})
    assert states(nb) == ["kept"]


def test_raw_json_and_nbformat_give_the_same_copies(tmp_path: Path) -> None:
    path = saved(notebook(query_cell("SELECT 1,\n  2", id="a")), tmp_path)
    raw, read = json.loads(path.read_text()), nbformat.read(path, as_version=4)
    assert isinstance(raw["cells"][0]["source"], list)
    assert fold_stamps(raw)
    assert fold_stamps(read)
    assert raw["metadata"] == read.metadata
    assert states(raw) == ["current"]


# -- untrusted text ----------------------------------------------------------------------------


def test_notebook_without_cell_ids_keeps_copies_in_its_cells() -> None:
    nb = folded(query_cell(), query_cell("SELECT 2", stamp("SELECT 2", {"trials.outcomes": 5})))
    nb.nbformat_minor = 4
    for cell in nb.cells:
        del cell["id"]
    clear(nb)
    fold_stamps(nb)
    assert nb.metadata.jupyter_govdata["cells"] == {}
    assert [c.name for c in stamped_cells(nb)] == ["#0", "#1"]
    assert pins_of(nb) == Pins({"trials.outcomes": 5}, {"#0": {"trials.outcomes": 11}})
    nbformat.validate(nb)


def test_duplicate_cell_ids_are_never_mixed_up() -> None:
    nb = clear(folded(query_cell(id="a"), query_cell("SELECT 2", id="c"), query_cell(id="b")))
    nb = json.loads(json.dumps(nb))  # nbformat itself would repair the ids
    nb["cells"][1]["id"] = "a"
    for cell in nb["cells"][:2]:
        del cell["metadata"]["jupyter_govdata"]
    assert [(c.name, c.state) for c in stamped_cells(nb)] == [
        ("#0", ""),
        ("#1", ""),
        ("b", "kept"),
    ]


def test_malformed_stamp_is_named_by_cell_and_not_folded() -> None:
    bad = query_cell(id="bad")
    bad.outputs[0].data[STAMP_MIME]["receipts"] = "none"
    newer = query_cell(id="newer")
    newer.outputs[0].data = {"application/vnd.govdata.stamp.v9+json": {}}
    nb = folded(bad, newer, query_cell(id="good"))
    cells = stamped_cells(nb)
    assert "malformed" in cells[0].problems[0]
    assert "version 9" in cells[1].problems[0]
    assert [bool(c.stamps) for c in cells] == [False, False, True]
    assert list(nb.metadata.jupyter_govdata["cells"]) == ["good"]


def test_malformed_copy_is_named_and_never_pins() -> None:
    nb = clear(folded(query_cell(id="a"), query_cell(id="b")))
    own(nb.cells[0])["stamps"][0]["pins"] = {"trials.outcomes": "1e9"}
    own(nb.cells[1])["source"] = 3
    cells = stamped_cells(nb)
    assert "the folded copy" in cells[0].problems[0]
    assert "the folded copy" in cells[1].problems[0]
    assert pins_of(nb) == Pins()


def test_copy_of_a_newer_version_is_left_alone() -> None:
    nb = notebook(new_code_cell("1", metadata={"jupyter_govdata": {"v": 2, "stamps": ["?"]}}))
    nb.metadata["jupyter_govdata"] = {"v": 2, "cells": 1}
    before = copy.deepcopy(nb)
    assert not fold_stamps(nb)
    assert nb == before


KEYS = [
    "cells",
    "id",
    "cell_type",
    "source",
    "outputs",
    "data",
    "metadata",
    "v",
    "jupyter_govdata",
    "stamps",
    "state",
]
KEYS += ["pins", "govdata", STAMP_MIME]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["cells", "metadata"]), JUNK))
def test_any_json_folds_without_a_crash_and_twice_as_once(nb: Any) -> None:
    fold_stamps(nb)
    once = copy.deepcopy(nb)
    assert not fold_stamps(nb)
    assert nb == once
    stamped_cells(nb)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_notebook_folds_without_a_crash(data: Any) -> None:
    nb = json.loads(json.dumps(folded(query_cell(id="a"), query_cell("SELECT 2", id="b"))))
    for _ in range(data.draw(st.integers(1, 4))):
        node: Any = nb
        while isinstance(node, dict | list) and node:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = data.draw(st.sampled_from(list(keys)))
            deeper = isinstance(node[key], dict | list) and node[key]
            if not deeper or data.draw(st.integers(0, 5)) == 0:
                node[key] = data.draw(JUNK)
                break
            node = node[key]
    fold_stamps(nb)
    once = copy.deepcopy(nb)
    assert not fold_stamps(nb)
    assert nb == once
    pins_of(nb)


# -- pins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "assets", "cells"),
    [
        ([{"a.b": 1}, {"a.b": 1, "c.d": 2}], {"a.b": 1, "c.d": 2}, {}),
        ([{"a.b": 1}, {"a.b": 2}, {"a.b": 1}], {"a.b": 1}, {"q1": {"a.b": 2}}),
        ([{"a.b": 1}, {"a.b": 2}], {"a.b": 2}, {"q0": {"a.b": 1}}),
        ([{}, {}], {}, {}),
    ],
)
def test_pins_of_cells_that_agree_or_not(read: Any, assets: Any, cells: Any) -> None:
    made = [query_cell("SELECT 1", stamp("SELECT 1", p), id=f"q{i}") for i, p in enumerate(read)]
    nb = notebook(*made)
    pins = pins_of(nb)
    assert pins == Pins(assets, cells)
    for index, own_pins in enumerate(read):
        found = pins.for_cell(f"q{index}").assets
        assert {asset: found[asset] for asset in own_pins} == own_pins
    assert Pins.from_wire(json.loads(json.dumps(pins.to_wire()))) == pins


def test_pins_come_from_outputs_before_the_folded_copy() -> None:
    nb = folded(query_cell(id="a"))
    nb.cells[0].outputs = [output(stamp("SELECT 1", {"trials.outcomes": 12}))]
    assert pins_of(nb) == Pins({"trials.outcomes": 12})
