"""NDJSON, one JSON object a line, or a JSON array of such objects.

Runs in the client process; the file is not trusted.

Types are unified over the whole file: whole numbers and decimals meet in double, texts that are
all ISO dates or timestamps become such, anything else that differs meets in text. Nested values
are kept as JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.infer import DATES, NUMBERS, Guess
from jupyter_govdata.formats.json_rows import array_elements, is_array
from jupyter_govdata.formats.lines import encoding_of, numbered_lines
from jupyter_govdata.formats.opening import Meter
from jupyter_govdata.formats.rejects import Reject
from jupyter_govdata.formats.shaped import ShapedSource
from jupyter_govdata.formats.source import BATCH_ROWS, Request
from jupyter_govdata.formats.values import texts

_PORTION = 16_384


@dataclass(slots=True)
class _Seen:
    """What the values under one key are."""

    scalars: Guess = field(default_factory=lambda: Guess((), order=NUMBERS, strict=True))
    strings: Guess = field(default_factory=lambda: Guess((), order=DATES, strict=True))
    any_string: bool = False
    nested: bool = False

    def observe(self, values: list[Any]) -> None:
        strings = [v for v in values if isinstance(v, str)]
        nested = [v for v in values if isinstance(v, dict | list)]
        self.any_string = self.any_string or bool(strings)
        self.nested = self.nested or bool(nested)
        if strings:
            self.strings.observe(texts(strings))
        if len(strings) + len(nested) < len(values):
            rest = [v for v in values if not isinstance(v, str | dict | list)]
            self.scalars.observe(texts(rest))

    def settle(self) -> tuple[pa.DataType, str]:
        """Return the type, and a note where values of different kinds met."""
        if self.nested:
            return pa.string(), "nested values are kept as JSON text"
        if self.any_string and self.scalars.seen + self.scalars.misfits:
            return pa.string(), "texts and numbers are mixed, all kept as text"
        if self.any_string:
            return self.strings.settle(), ""
        return self.scalars.settle(), ""


class NdjsonSource(ShapedSource):
    """A file of JSON objects; `batches` may be called again."""

    kind = "ndjson"

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        self._path = self._one_file(request)
        self._encoding = encoding_of(self._path, request.encoding)
        self._is_array = is_array(self._path, self._encoding)
        self._survey(request)

    def _portions(self, meter: Meter) -> Iterator[list[tuple[int, bytes]]]:
        """Yield the objects' lines and texts in portions."""
        if not self._is_array:
            yield from numbered_lines(self._path, self._encoding, meter)
            return
        elements = array_elements(self._path, self._encoding, meter)
        while portion := list(islice(elements, _PORTION)):
            yield portion

    def _survey(self, request: Request) -> None:
        seen: dict[str, _Seen] = {}
        broken = 0
        meter = Meter()
        for portion in self._portions(meter):
            rows = [row for _, line in portion if (row := _object(line)) is not None]
            broken += len(portion) - len(rows)
            for key in dict.fromkeys(k for row in rows for k in row):
                values = [v for row in rows if (v := row.get(key)) is not None]
                seen.setdefault(key, _Seen()).observe(values)
        self._sha256 = meter.sha256
        if not seen:
            raise LoadError(
                f"`{self._path.name}` holds no JSON object",
                hint="NDJSON has one object, `{...}`, on each line"
                if broken
                else "check that it was written to its end",
            )
        settled = {key: item.settle() for key, item in seen.items()}
        self.notes += [f"`{key}`: {note}" for key, (_, note) in settled.items() if note]
        self._keys = list(seen)
        self._shape(request, pa.schema([(key, kind) for key, (kind, _) in settled.items()]))

    def _read(self) -> Iterator[pa.RecordBatch]:
        meter = Meter()
        for portion in self._portions(meter):
            self._bytes_done = meter.done
            for start in range(0, len(portion), BATCH_ROWS):
                yield self._portion(portion[start : start + BATCH_ROWS])

    def _portion(self, portion: list[tuple[int, bytes]]) -> pa.RecordBatch:
        rows = [_object(line) for _, line in portion]
        broken = [
            Reject(number, "", "not a JSON object", line.decode("utf-8", "surrogateescape"))
            for (number, line), row in zip(portion, rows, strict=True)
            if row is None
        ]
        self.rows_read += len(broken)
        kept = [i for i, row in enumerate(rows) if row is not None]
        objects = [row for row in rows if row is not None]
        columns = [[row.get(key) for row in objects] for key in self._keys]
        return self._fit_columns(
            columns,
            [portion[i][0] for i in kept],
            lambda row: portion[kept[row]][1].decode("utf-8", "surrogateescape"),
            broken,
        )


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
