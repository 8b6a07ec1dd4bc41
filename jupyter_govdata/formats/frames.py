"""Tables in memory: Arrow, pandas, polars. Runs in the client process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.shaped import ShapedSource
from jupyter_govdata.formats.source import BATCH_ROWS, Request


class FrameSource(ShapedSource):
    """A table in memory; `batches` may be called again, except over a `RecordBatchReader`."""

    kind = "frame"

    def __init__(self, request: Request) -> None:
        table, what, notes = _arrow(request.source)
        super().__init__(request, f"{what} in memory")
        self.notes += notes
        self._table = table
        self._spent = False
        if isinstance(table, pa.Table):
            self.bytes = table.nbytes
        self._shape(request, table.schema)

    def _read(self) -> Iterator[pa.RecordBatch]:
        table = self._table
        if isinstance(table, pa.RecordBatchReader):
            if self._spent:
                raise LoadError(
                    "a stream of record batches can be read once",
                    hint="make a new reader, or load a table",
                )
            self._spent = True
            batches: Iterator[pa.RecordBatch] = iter(table)
        else:
            batches = iter(table.to_batches(BATCH_ROWS))
        try:
            for batch in batches:
                self._bytes_done += batch.nbytes
                first = self.rows_read + 1
                yield self._fit(batch, range(first, first + batch.num_rows))
        except pa.ArrowException as exc:
            raise LoadError("the stream of record batches broke off") from exc


def is_frame(source: Any) -> bool:
    """Return True if `source` is a table in memory."""
    if isinstance(source, pa.Table | pa.RecordBatch | pa.RecordBatchReader):
        return True
    return hasattr(source, "__arrow_c_stream__") or _home(source) in ("pandas", "polars")


def _home(source: Any) -> str:
    return type(source).__module__.split(".", 1)[0]


def _arrow(source: Any) -> tuple[pa.Table | pa.RecordBatchReader, str, list[str]]:
    if isinstance(source, pa.Table | pa.RecordBatchReader):
        return source, f"Arrow {type(source).__name__}", []
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source]), "Arrow RecordBatch", []
    if _home(source) == "pandas":
        return _from_pandas(source)
    if type(source).__name__ == "LazyFrame":
        source = source.collect()
    what = f"{_home(source)} {type(source).__name__}"
    try:
        return pa.table(source), what, []
    except (TypeError, ValueError, pa.ArrowException) as exc:
        raise LoadError(
            f"a {what} cannot be read as a table", hint="turn it into a `pyarrow.Table`"
        ) from exc


def _from_pandas(frame: Any) -> tuple[pa.Table, str, list[str]]:
    """Convert column by column, so that one odd column does not stop the others.

    An index (or a level of one) that has a name becomes a column; one without is left out.
    Missing values (`NaN`, `NaT`, `None`, `NA`) are NULL.
    """
    notes: list[str] = []
    if type(frame).__name__ == "Series":
        frame = frame.to_frame()
    series: list[tuple[str, Any]] = []
    for level in range(frame.index.nlevels):
        name = frame.index.names[level]
        if name is not None:
            series.append((str(name), frame.index.get_level_values(level)))
    if not series and not _plain_index(frame.index):
        notes.append("the index has no name and is left out; name it to keep it")
    for position, label in enumerate(frame.columns):
        name = ".".join(map(str, label)) if isinstance(label, tuple) else str(label)
        series.append((name, frame.iloc[:, position]))
    arrays: list[pa.Array] = []
    for name, values in series:
        array, note = _column(name, values)
        arrays.append(array)
        notes += note
    schema = pa.schema([(name, a.type) for (name, _), a in zip(series, arrays, strict=True)])
    return pa.Table.from_arrays(arrays, schema=schema), "pandas DataFrame", notes


def _plain_index(index: Any) -> bool:
    """Return True for 0, 1, 2, ...: an index that says nothing."""
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def _column(name: str, values: Any) -> tuple[pa.Array, list[str]]:
    try:
        return _one(pa.array(values, from_pandas=True)), []
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        texts = [None if _missing(v) else str(v) for v in values]
        return pa.array(texts, pa.string()), [f"`{name}` holds values of mixed types, kept as text"]


def _one(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _missing(value: Any) -> bool:
    if value is None:
        return True
    try:
        return bool(value != value)  # NaN and NaT differ from themselves
    except (TypeError, ValueError):  # pandas.NA refuses, arrays are ambiguous
        return type(value).__name__ == "NAType"
