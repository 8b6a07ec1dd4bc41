"""The rule of folding is written twice, in Python and in TypeScript: both give the same answers."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.stamps.folding import fold_stamps
from tests.stamps.folding_cases import FILE, made

LAB = Path(__file__).parents[2] / "labextension"


def test_file_of_cases_is_what_python_folds() -> None:
    assert json.loads(FILE.read_text("utf-8")) == made(), "python -m tests.stamps.folding_cases"


def test_case_folded_again_stays_as_it_is() -> None:
    for case in json.loads(FILE.read_text("utf-8")):
        once = copy.deepcopy(case["folded"])
        assert not fold_stamps(once), case["name"]
        assert once == case["folded"]


@pytest.fixture(scope="module")
def twin() -> Iterator[Callable[[Any], Any]]:
    """The TypeScript of the extension, folding what it is given."""
    node = shutil.which("node")
    if node is None or not (LAB / "node_modules" / "tsx").exists():
        pytest.skip("needs node, and `jlpm install` in labextension/")
    command = [node, "--import", "tsx", "tests/fold_lines.ts"]
    with subprocess.Popen(
        command, cwd=LAB, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        put, get = process.stdin, process.stdout

        def fold(nb: Any) -> Any:
            put.write(json.dumps(nb) + "\n")
            put.flush()
            return json.loads(get.readline())

        yield fold
        put.close()
        process.wait(30)


@pytest.mark.slow
def test_typescript_gives_the_same_for_every_case(twin: Callable[[Any], Any]) -> None:
    for case in json.loads(FILE.read_text("utf-8")):
        assert twin(case["notebook"]) == case["folded"], case["name"]


KEYS = ["cells", "id", "cell_type", "source", "outputs", "data", "metadata", "v", "jupyter_govdata"]
KEYS += ["stamps", "state", "pins", "govdata", "execution_count", "__proto__", STAMP_MIME]
# No booleans and fractions: to Python, 1 and True are equal, and so are 1 and 1.0.
JUNK = st.recursive(
    st.none() | st.integers(-3, 3) | st.text(max_size=5) | st.sampled_from(["a", "b", "code"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=20,
)


@pytest.mark.slow
@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_typescript_folds_damaged_notebooks_as_python_does(
    twin: Callable[[Any], Any], data: Any
) -> None:
    cases = json.loads(FILE.read_text("utf-8"))
    case = data.draw(st.sampled_from(cases))
    nb = case[data.draw(st.sampled_from(["notebook", "folded"]))]
    for _ in range(data.draw(st.integers(1, 4))):
        node: Any = nb
        while isinstance(node, dict | list) and node:
            keys = list(node) if isinstance(node, dict) else range(len(node))
            key = data.draw(st.sampled_from(keys))
            deeper = isinstance(node[key], dict | list) and node[key]
            if not deeper or data.draw(st.integers(0, 5)) == 0:
                node[key] = data.draw(JUNK)
                break
            node = node[key]
    theirs = twin(nb)
    fold_stamps(nb)
    assert theirs == nb
