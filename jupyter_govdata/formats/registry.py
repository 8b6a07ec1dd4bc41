"""Which reader a source needs, and `open_source`. Runs in the client process.

Readers are found in `BUILT_IN` and through the entry-point group `jupyter_govdata.formats`;
an entry point names a `Format`. A built-in name is never replaced.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.frames import FrameSource, is_frame
from jupyter_govdata.formats.opening import SUFFIXES, existing, reading
from jupyter_govdata.formats.source import Progress, Request, Source

GROUP = "jupyter_govdata.formats"
_HEAD = 8192
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be loaded.

    Args:
        name: What `format=` says.
        suffixes: Of file names, lower case, without a suffix of compression.
        open: Makes a source from a request.
        looks: Tells by the first (decompressed) bytes whether a file is of this format; asked
            where the suffix does not tell.
    """

    name: str
    suffixes: tuple[str, ...]
    open: Callable[[Request], Source]
    looks: Callable[[bytes], bool] = lambda _: False


def _lazy(module: str, name: str) -> Callable[[Request], Source]:
    """Return an opener that imports its reader on first use: extras stay optional."""

    def opener(request: Request) -> Source:
        source: Source = getattr(importlib.import_module(f"{__package__}.{module}"), name)(request)
        return source

    return opener


def _is_dataset_json(head: bytes) -> bool:
    text = head.lstrip(b"\xef\xbb\xbf \r\n\t")
    rows_first = re.match(rb'\{\s*"rows"\s*:\s*\[\s*\[', text)
    return text.startswith(b"{") and (b'"datasetJSONVersion"' in head or bool(rows_first))


def _is_json(head: bytes) -> bool:
    return bool(re.match(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*[{\]])", head))


# The order is the order of asking `looks`.
BUILT_IN = (
    Format(
        "parquet",
        (".parquet", ".pq", ".parq"),
        _lazy("parquet", "ParquetSource"),
        lambda head: head.startswith(b"PAR1"),
    ),
    Format(
        "h5ad",
        (".h5ad",),
        _lazy("h5ad", "H5adSource"),
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
    ),
    Format(
        "xpt",
        (".xpt", ".xport", ".v8xpt"),
        _lazy("sas", "SasSource"),
        lambda head: head.startswith(b"HEADER RECORD*******LIB"),
    ),
    Format(
        "sas7bdat",
        (".sas7bdat",),
        _lazy("sas", "SasSource"),
        lambda head: head[12:32].startswith(b"\xc2\xea\x81\x60\xb3\x14\x11\xcf"),
    ),
    Format(
        "dataset-json",
        (".dsjson",),
        _lazy("dataset_json", "DatasetJsonSource"),
        _is_dataset_json,
    ),
    Format("ndjson", (".ndjson", ".jsonl"), _lazy("ndjson", "NdjsonSource"), _is_json),
    Format(
        "sql",
        (".db", ".sqlite", ".sqlite3"),
        _lazy("sql", "SqlSource"),
        lambda head: head.startswith(b"SQLite format 3\0"),
    ),
    Format(
        "csv",
        (".csv", ".tsv", ".tab", ".txt", ".maf", ".seg"),
        _lazy("delimited", "DelimitedSource"),
    ),
)


@cache
def formats() -> dict[str, Format]:
    """Return all formats by name: the built-in ones, then those of entry points."""
    found = {form.name: form for form in BUILT_IN}
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        form = point.load()
        if isinstance(form, Format):
            found.setdefault(form.name, form)
    return found


def open_source(
    source: Any,
    *,
    format: str | None = None,  # noqa: A002 - the word that users know from other readers
    delimiter: str | None = None,
    encoding: str | None = None,
    comment: str | None = None,
    null_values: Sequence[str] | None = None,
    types: Mapping[str, str] | None = None,
    table: str | None = None,
    columns: Mapping[str, str] | None = None,
    reject_file: str | Path | None = None,
    on_progress: Progress | None = None,
) -> Source:
    """Open a file, a database table or a table in memory for loading.

    The source is looked at (types of a text table are judged by all of its values) and nothing
    is written. Rows that do not fit the types are set aside while `Source.batches` is read.

    Args:
        source: Path, database URL (``sqlite:///x.db``, ``postgresql+psycopg://...``),
            `pyarrow.Table`, `pyarrow.RecordBatchReader`, or a pandas or polars frame.
        format: Name of the format; None to find out by suffix and content.
        delimiter: Of a text table; None to find out.
        encoding: Of a text table; None to find out.
        comment: Prefix of lines that are no data, wherever they stand, or "" for none; None
            skips ``#`` lines above the header.
        null_values: Texts that mean *missing* in every column. None: in typed columns the usual
            ones (`text.MARKERS`); in text columns only the empty field.
        types: Column -> Iceberg type name; other columns' types are found out.
        table: Table of a database, ``schema.table`` where it has schemas.
        columns: Column -> new name.
        reject_file: Where rows that do not fit are written (CSV, readable by its owner); None
            counts them only.
        on_progress: Called after each batch with rows, bytes read and bytes in all.

    Raises:
        LoadError: Not there, not sound, or not of a known format.
        MissingExtraError: The format needs an extra that is not installed.
    """
    request = Request(
        source=source,
        delimiter=delimiter,
        encoding=encoding,
        comment=comment,
        null_values=None if null_values is None else tuple(null_values),
        types=dict(types or {}),
        table=table,
        columns=dict(columns or {}),
        reject_file=None if reject_file is None else Path(reject_file),
        on_progress=on_progress,
    )
    if is_frame(source):
        return FrameSource(request)
    if not isinstance(source, str | Path):
        raise LoadError(
            f"a `{type(source).__name__}` cannot be loaded",
            hint="give a path, a database URL, an Arrow table, or a pandas or polars frame",
        )
    form = _format_of(str(source), format)
    return form.open(replace(request, format=form.name))


def _format_of(source: str, name: str | None) -> Format:
    known = formats()
    if name is not None:
        wanted = {"tsv": "csv", "txt": "csv", "jsonl": "ndjson", "sqlite": "sql"}.get(name, name)
        if wanted not in known:
            raise LoadError(
                f"the format `{name[:100]}` is not known", hint=f"known are {', '.join(known)}"
            )
        return known[wanted]
    if "://" in source:
        return known["sql"]
    path = Path(source)
    suffixes = [s.lower() for s in path.suffixes]
    while suffixes and suffixes[-1] in SUFFIXES:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    by_suffix = [form for form in known.values() if suffix in form.suffixes]
    if suffix in _WORKBOOKS:
        raise LoadError(
            f"`{path.name}` is a workbook", hint="save the sheet as CSV, or read it with pandas"
        )
    if path.is_dir() or not path.exists():
        if by_suffix or path.is_dir() or any(c in source for c in "*?["):
            return by_suffix[0] if by_suffix else known["parquet"]
        existing(path)
    return _by_content(path, by_suffix, known)


def _by_content(path: Path, by_suffix: list[Format], known: Mapping[str, Format]) -> Format:
    with reading(path) as file:
        head = file.read(_HEAD)
    looks = next((form for form in known.values() if form.looks(head)), None)
    if by_suffix:
        # `.ndjson` and `.json` are also what Dataset-JSON is called.
        family = ("ndjson", "dataset-json")
        return looks if looks and {looks.name, by_suffix[0].name} <= {*family} else by_suffix[0]
    if looks is not None:
        return looks
    if head and b"\0" not in head and (b"," in head or b"\t" in head or b";" in head):
        return known["csv"]
    raise LoadError(
        f"the format of `{path.name}` is not known",
        hint=f"say `format`; known are {', '.join(known)}",
    )
