"""What holds for every text table, tried on random ones."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jupyter_govdata.formats import opening
from jupyter_govdata.formats.grammar import Grammar
from jupyter_govdata.formats.infer import Guess
from jupyter_govdata.formats.records import _arrow, blocks
from jupyter_govdata.formats.text import MARKERS
from tests.formats.reading import read, write

calm = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
soup = st.text(alphabet='a1", \t\r\n#.é', max_size=60).map(str.encode)


def _all(data: bytes, grammar: Grammar, size: int) -> list[tuple[int, str, object]]:
    """Return (line, kind, content) of each record when the text comes in pieces of `size`."""
    pieces = (data[i : i + size] for i in range(0, len(data), size))
    found: list[tuple[int, str, object]] = []
    for block in blocks(pieces, grammar, 1):
        rows = list(zip(*(c.to_pylist() for c in block.table.columns), strict=True))
        places = block.place_all(grammar)
        found += [(p.line, "row", row) for p, row in zip(places, rows, strict=True)]
        found += [(r.line, r.reason, r.raw) for r in block.refused]
    return sorted(found, key=lambda item: item[0])


@calm
@given(soup, st.integers(1, 4), st.booleans(), st.sampled_from([",", "\t"]))
@example(b'"', 1, True, ",")
@example(b'"a"b,"c"\r', 2, True, ",")
@example(b'a,"b\n', 2, True, ",")
def test_grammar_agrees_with_arrow_on_any_text(data, width, quoted, delimiter):
    grammar = Grammar(delimiter, quoted, "", width)
    if quoted and any(grammar.is_open(m) for m in grammar.record.finditer(data)):
        return  # a quote that is left open is cut off before Arrow sees it
    table, ragged = _arrow(data, grammar, ordered=True)
    texts, at = [], 0
    while at < len(data):
        match = grammar.record.match(data, at)
        assert match is not None
        text = data[at : match.start("end")]
        if text or width == 1:
            texts.append(grammar.cells(text) if text else [b""])
        at = match.end()
    expected = [tuple(c.decode() for c in cells) for cells in texts if len(cells) == width]
    rows = zip(*(c.to_pylist() for c in table.columns), strict=True)
    assert [tuple(v or "" for v in row) for row in rows] == expected
    assert len(ragged) == len(texts) - len(expected)


@calm
@given(soup, st.integers(1, 3), st.integers(1, 25), st.sampled_from(["", "#"]))
def test_blocks_of_any_size_give_the_same_records(data, width, size, comment):
    grammar = Grammar(",", True, comment, width)
    assert _all(data, grammar, size) == _all(data, grammar, 10_000)


@calm
@given(st.binary(max_size=80), st.integers(1, 25))
@example("\ufeff".encode(), 1)
@example("\ufeffa,b\n".encode(), 1)
def test_blocks_survive_any_bytes(data, size):
    grammar = Grammar(",", True, "", 2)
    lines = data.count(b"\n") + data.count(b"\r") + 1
    for line, _, _ in _all(data, grammar, size):
        assert 1 <= line <= lines


def test_block_that_begins_with_a_mark_of_byte_order_keeps_it():
    """Only the head of a file may hold one that is not text; that is taken off before."""
    block = next(blocks(iter(["\ufeffa,b\n".encode()]), Grammar(",", True, "", 2), 2))
    assert block.table.column(0).to_pylist() == ["\ufeffa"]


texts = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12
)
cells = {
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(),
    "string": texts,
}


@st.composite
def frames(draw):
    kinds = draw(st.lists(st.sampled_from(sorted(cells)), min_size=2, max_size=5))
    rows = draw(st.integers(1, 30))
    return {
        f"c{i}": (kind, [draw(st.none() | cells[kind]) for _ in range(rows)])
        for i, kind in enumerate(kinds)
    }


def _cell(kind: str, value: object, delimiter: str) -> str:
    if value is None:
        return ""
    if kind == "string":
        return '"' + str(value).replace('"', '""') + '"'
    return repr(value) if kind == "double" else str(value)


@calm
@given(frames(), st.sampled_from([",", "\t", ";", "|"]))
def test_random_frame_comes_back_under_its_types(frame, delimiter):
    rows = zip(*(values for _, values in frame.values()), strict=True)
    kinds = [kind for kind, _ in frame.values()]
    lines = [
        delimiter.join(_cell(k, v, delimiter) for k, v in zip(kinds, row, strict=True))
        for row in rows
    ]
    text = delimiter.join(frame) + "\n" + "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        source, table = read(
            path, types={name: kind for name, (kind, _) in frame.items()}, delimiter=delimiter
        )
    assert not source.reject
    assert {n: table[n].to_pylist() for n in frame} == {n: v for n, (_, v) in frame.items()}


@calm
@given(frames())
def test_random_frame_keeps_its_texts_without_types(frame):
    rows = zip(*(values for _, values in frame.values()), strict=True)
    kinds = [kind for kind, _ in frame.values()]
    lines = [",".join(_cell(k, v, ",") for k, v in zip(kinds, row, strict=True)) for row in rows]
    text = ",".join(frame) + "\n" + "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        source, table = read(write(Path(folder), text), delimiter=",")
    assert source.reject.count + table.num_rows == len(lines)
    for name, (kind, values) in frame.items():
        found = table[name].to_pylist()
        if kind == "string" and pa.types.is_string(table[name].type):
            assert found == values or all(not v or v in MARKERS for v in values)
        elif kind == "double" and pa.types.is_floating(table[name].type):
            assert all(
                a == b or ((a is None) is (b is None) and math.isclose(a or 0, b or 0))
                for a, b in zip(found, values, strict=True)
            )


line = st.lists(st.sampled_from(["1", "2.5", "x", "", "NA", "2020-01-01", "007"]), max_size=4)


@calm
@given(st.lists(line.map(",".join), min_size=1, max_size=30), st.integers(5, 60))
def test_rejects_and_rows_make_up_all_lines(lines, size):
    text = "a,b,c\n" + "\n".join(lines) + "\n"
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), text)
        opening.PIECE, before = size, opening.PIECE
        try:
            source, table = read(path, types={"a": "long", "c": "date"}, delimiter=",")
        finally:
            opening.PIECE = before
    wide = {line.count(",") + 1 for line in lines if line}
    assert source.reject.count + table.num_rows == sum(bool(line) for line in lines)
    if wide == {3}:
        good = [r for r in lines if _fits(r)]
        assert table.num_rows == len(good)


def _fits(row: str) -> bool:
    if not row:
        return False
    a, _, c = row.split(",")
    return a in ("1", "", "NA", "007") and c in ("2020-01-01", "", "NA")


@calm
@given(
    st.lists(
        st.sampled_from(["1", "0.5", "x", "", "NA", "true", "2020-01-01", "01", "9" * 17]),
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_guess_does_not_depend_on_blocks(values, size):
    import jupyter_govdata.formats.infer as infer

    def settled(step: int) -> tuple[object, int]:
        guess = Guess()
        for i in range(0, len(values), step):
            guess.observe(pa.array([v or None for v in values[i : i + step]], pa.string()))
        return guess.settle(), guess.misfits

    first, infer.FIRST = infer.FIRST, 5
    tolerance, infer.TOLERANCE = infer.TOLERANCE, 3
    try:
        assert settled(size) == settled(1_000)
    finally:
        infer.FIRST, infer.TOLERANCE = first, tolerance
