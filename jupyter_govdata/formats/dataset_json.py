"""CDISC Dataset-JSON 1.1, as one object (``.json``) or line by line (``.ndjson``).

Runs in the client process; the file is not trusted. Labels become descriptions. ISO 8601 dates
and datetimes become typed columns only where every value is complete; a column with a partial
date (``2014-03``) stays text, because a completed date would be an invented one. An empty text
is NULL: it is how the format writes a missing character value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.iceberg_types import described
from jupyter_govdata.formats.infer import DATES, Guess
from jupyter_govdata.formats.json_rows import Row, array_rows, line_rows
from jupyter_govdata.formats.lines import encoding_of
from jupyter_govdata.formats.opening import Meter
from jupyter_govdata.formats.rejects import Reject
from jupyter_govdata.formats.shaped import ShapedSource
from jupyter_govdata.formats.source import Request
from jupyter_govdata.formats.values import texts

_TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "URI": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "time": pa.string(),
}
_DATES = ("date", "datetime")
_PORTION = 16_384


class DatasetJsonSource(ShapedSource):
    """A Dataset-JSON file; `batches` may be called again.

    Attributes:
        metadata: What the file says about itself, but for columns and rows.
    """

    kind = "dataset-json"

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        self._path = self._one_file(request)
        self._encoding = encoding_of(self._path, request.encoding)
        top, by_line = self._top()
        self._by_line = by_line
        columns = top.pop("columns", None)
        if not isinstance(columns, list) or not all(_is_column(c) for c in columns):
            raise LoadError(
                f"`{self._path.name}` is not Dataset-JSON 1.1: it does not list its columns",
                hint="check the file; plain NDJSON is read with format='ndjson'",
            )
        self.metadata: dict[str, Any] = top
        self._width = len(columns)
        self._shape(request, self._native_schema(columns))
        said = top.get("records")
        self._records = said if isinstance(said, int) else None

    def _top(self) -> tuple[dict[str, Any], bool]:
        """Return the metadata, and whether the file is one of lines."""
        for form, reader in ((True, line_rows), (False, array_rows)):
            rows = reader(self._path, self._encoding)
            first = next(rows, None)
            if isinstance(first, dict):
                return first, form
        raise LoadError(
            f"`{self._path.name}` is not Dataset-JSON",
            hint="the first line, or the whole file, is an object with `columns`",
        )

    def _rows(self, meter: Meter) -> Iterator[Row]:
        reader = line_rows if self._by_line else array_rows
        rows = reader(self._path, self._encoding, meter)
        next(rows, None)
        return rows  # type: ignore[return-value]

    def _native_schema(self, columns: list[dict[str, Any]]) -> pa.Schema:
        """Map the declared types; look at all dates to see whether they are complete."""
        dates = {
            i: Guess((), order=DATES, strict=True)
            for i, column in enumerate(columns)
            if column.get("dataType") in _DATES
        }
        scales: dict[int, int] = {
            i: 0 for i, column in enumerate(columns) if column.get("dataType") == "decimal"
        }
        if dates or scales:
            rows = self._rows(Meter())
            while portion := list(islice(rows, _PORTION)):
                whole = [r.value for r in portion if self._fits(r.value)]
                for i, guess in dates.items():
                    guess.observe(texts([_blank(row[i]) for row in whole]))
                for i, scale in scales.items():
                    scales[i] = max([scale, *(_scale(row[i]) for row in whole)])
        fields = []
        for i, column in enumerate(columns):
            if i in dates:
                kind = dates[i].settle()
            elif i in scales:
                kind = pa.decimal128(38, scales[i])
            else:
                kind = _TYPES.get(str(column.get("dataType")), pa.string())
            label, fmt = str(column.get("label", "")), str(column.get("displayFormat") or "")
            fields.append(described(column["name"], kind, description=label, fmt=fmt))
        return pa.schema(fields)

    def _fits(self, value: Any) -> bool:
        return isinstance(value, list) and len(value) == self._width

    def _read(self) -> Iterator[pa.RecordBatch]:
        meter = Meter()
        rows = self._rows(meter)
        while portion := list(islice(rows, _PORTION)):
            self._bytes_done = meter.done
            kept = [row for row in portion if self._fits(row.value)]
            refused = [
                Reject(row.line, "", f"not an array of {self._width} values", row.raw)
                for row in portion
                if not self._fits(row.value)
            ]
            self.rows_read += len(refused)
            columns = [[_blank(row.value[i]) for row in kept] for i in range(self._width)]
            yield self._fit_columns(
                columns,
                [row.line for row in kept],
                lambda n, kept=kept: kept[n].raw,  # type: ignore[misc]
                refused,
            )
        if self._records is not None and self._records != self.rows_read:
            # A shorter file than it says is a broken copy; that is no matter for a note.
            raise LoadError(
                f"`{self._path.name}` says it has {self._records} records and has {self.rows_read}",
                hint="the copy is incomplete: fetch the file again",
            )


def _is_column(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def _blank(value: Any) -> Any:
    """Return None for the empty text that stands for a missing value."""
    return None if value == "" else value


def _scale(value: Any) -> int:
    match = re.fullmatch(r"[+-]?\d*(?:\.(\d*))?", value if isinstance(value, str) else str(value))
    return min(20, len(match[1] or "")) if match else 0
