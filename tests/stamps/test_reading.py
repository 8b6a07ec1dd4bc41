"""Notebook files are read for their stamps alone: as `nbformat` reads them, in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.stamps.folding import fold_stamps, stamped_cells
from jupyter_govdata.stamps.pinning import pins_of
from jupyter_govdata.stamps.reading import read_notebook
from tests.stamps.notebooks import notebook, query_cell


def rich_notebook() -> Any:
    image = new_output("display_data", data={"image/png": "iVBO" * 1000, "text/plain": '"]}{['})
    stream = new_output("stream", text='a "quoted\\" line\n' * 50)
    nested = new_output("execute_result", data={"application/json": {"x": [[1, {"y": '}"'}]]}})
    return notebook(
        new_markdown_cell("# title", attachments={"a.png": {"image/png": "AAAA"}}),
        query_cell("SELECT 'it''s \"\\u0041\" ü'", id="q1"),
        new_code_cell("x", outputs=[image, stream, nested], execution_count=3, id="p"),
        query_cell("SELECT 2", id="q2"),
        query_cell("SELECT 3", id="q3", metadata={"tags": ["a"], "other": {"deep": [1, [2]]}}),
    )


def test_light_notebook_has_the_same_stamps_as_the_whole(tmp_path: Path) -> None:
    nb = rich_notebook()
    nb.cells[3].outputs = []
    path = tmp_path / "n.ipynb"
    for _ in range(2):
        nbformat.write(nb, path)
        light, whole = read_notebook(path), nbformat.read(path, as_version=4)
        assert stamped_cells(light) == stamped_cells(whole)
        assert pins_of(light) == pins_of(whole)
        assert fold_stamps(light) == fold_stamps(whole)
        assert light["metadata"].get("jupyter_govdata") == whole.metadata.get("jupyter_govdata")
        assert [len(c.get("outputs", [])) for c in light["cells"]] == [
            len(c.get("outputs", [])) for c in whole.cells
        ]
        fold_stamps(nb)


def test_light_notebook_leaves_contents_out_unless_they_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    nbformat.write(rich_notebook(), path)
    assert "iVBO" not in json.dumps(read_notebook(path))
    assert "quoted" not in json.dumps(read_notebook(path))
    (shown, *_) = read_notebook(path, shown=True)["cells"][2]["outputs"]
    assert shown["data"] == {"text/plain": ['"]}{[']}


@pytest.mark.parametrize("form", [None, 1, 4])
def test_formatting_and_byte_order_mark_do_not_matter(tmp_path: Path, form: int | None) -> None:
    path = tmp_path / "n.ipynb"
    text = json.dumps(rich_notebook(), indent=form, ensure_ascii=form is None)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\n\n")
    assert stamped_cells(read_notebook(path)) == stamped_cells(json.loads(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "not json",
        "[]",
        "{}",
        '"x"',
        "null",
        '{"nbformat": 3, "worksheets": []}',
        '{"nbformat": 4, "cells": {}}'[:-1],
        '{"nbformat": 4, "cells": [',
        '{"nbformat": 4, "cells": [{"source": "x}]}',
        '{"nbformat": 4, "cells": []} {}',
        '{"nbformat": 4, "cells": [{"source": [1, 2}]}]}',
        '{"nbformat": 4 "cells": []}',
        '{"nbformat": 4, "cells": [{"source": ' + "[" * 100_000 + "]" * 100_000 + "}]}",
    ],
)
def test_file_that_is_no_notebook_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "n.ipynb"
    path.write_text(text)
    with pytest.raises(ConfigError, match="not a notebook"):
        read_notebook(path)


def test_bytes_that_are_no_text_are_no_notebook(tmp_path: Path) -> None:
    path = tmp_path / "n.ipynb"
    for content in (b"\x80\x04\x95", b"PK\x03\x04" * 100, '{"nbformat": 4}'.encode("utf-16")):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="not a notebook"):
            read_notebook(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_notebook(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_notebook(tmp_path / "missing.ipynb")


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 10_000), put=st.binary(max_size=3))
def test_damaged_file_is_read_or_refused(tmp_path_factory: Any, cut: int, put: bytes) -> None:
    path = tmp_path_factory.mktemp("damaged") / "n.ipynb"
    content = json.dumps(rich_notebook()).encode()
    cut %= len(content)
    path.write_bytes(content[:cut] + put + content[cut + len(put) :])
    try:
        nb = read_notebook(path)
    except ConfigError:
        return
    stamped_cells(nb)
    fold_stamps(nb)


BIG = """
import json, resource, sys
from pathlib import Path
from jupyter_govdata.stamps.pinning import pins_of
from jupyter_govdata.stamps.reading import read_notebook
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), int(sys.argv[2])))
pins = pins_of(read_notebook(Path(sys.argv[1])))
print(json.dumps(dict(pins.assets)))
"""


def test_big_notebook_is_read_in_less_memory_than_it_has_bytes(tmp_path: Path) -> None:
    """The process may hold far less anonymous memory than the file has bytes."""
    path = tmp_path / "n.ipynb"
    line = "x" * 4_000 + '\\" ü'
    cells = [query_cell(id="a"), query_cell("SELECT 2", id="b")]
    outputs = [new_output("stream", text=line * 2_000) for _ in range(20)]
    html = {"text/html": [line] * 2_000, "application/json": [[1, [2]]] * 10_000}
    cells.insert(1, new_code_cell("x", outputs=[*outputs, new_output("display_data", data=html)]))
    path.write_text(json.dumps(notebook(*cells)), encoding="utf-8")
    size = path.stat().st_size
    assert size > 150_000_000
    code = [sys.executable, "-c", BIG, str(path), str(size)]
    ran = subprocess.run(code, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout) == {"trials.outcomes": 11}
