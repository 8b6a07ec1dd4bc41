"""SAS transport files (XPT, version 5 and 8) and SAS data sets (sas7bdat), by pyreadstat.

Runs in the client process; the file is not trusted. Labels become descriptions, formats are
kept. Numbers are double, as SAS keeps them; those with a date, datetime or time format become
date, timestamp or time. A missing number and a blank text are NULL: SAS knows no difference
between a blank text and a missing one.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import LoadError, MissingExtraError
from jupyter_govdata.formats.encoding import known
from jupyter_govdata.formats.iceberg_types import described
from jupyter_govdata.formats.opening import compression
from jupyter_govdata.formats.shaped import ShapedSource
from jupyter_govdata.formats.source import Request
from jupyter_govdata.formats.text import Converted

_CHUNK = 50_000
# Names of formats between blanks, without width.
_DATES = """ DATE DAY DDMMYY DOWNAME E8601DA B8601DA IS8601DA JULDAY JULIAN MMDDYY MMYY MONNAME \
MONTH MONYY NENGO NLDATE PDJULG PDJULI QTR QTRR WEEKDATE WEEKDATX WEEKDAY WEEKU WEEKV WEEKW \
WORDDATE WORDDATX YEAR YYMM YYMMDD YYMON YYQ YYQR """
_DATETIMES = """ DATETIME DATEAMPM DTDATE DTMONYY DTWKDATX DTYEAR DTYYQC E8601DT E8601DZ E8601DN \
E8601DX B8601DT B8601DZ B8601DN IS8601DT IS8601DZ MDYAMPM NLDATM """
_TIMES = """ TIME TIMEAMPM TOD HHMM HOUR MMSS E8601TM E8601TZ B8601TM IS8601TM IS8601TZ NLTIMAP """
_EPOCH_DAYS = 3653  # from 1960-01-01 to 1970-01-01
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # years 1 to 9999


class SasSource(ShapedSource):
    """An XPT or sas7bdat file; `batches` may be called again.

    Attributes:
        label: Label of the data set, or empty.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        self._path = self._one_file(request)
        with self._path.open("rb") as file:
            transport = file.read(23) == b"HEADER RECORD*******LIB"
        sas7bdat = self._path.suffix.lower() == ".sas7bdat" or request.format == "sas7bdat"
        self.kind = "xpt" if transport or not sas7bdat else "sas7bdat"
        self._encoding = _iconv(request.encoding)
        self._reader = self._library()
        if compression(self._path) is not None:
            raise LoadError(f"`{self._path.name}` is compressed", hint="unpack it first")
        if self.kind == "xpt":
            _check_xpt(self._path)
        _, meta = self._call(metadataonly=True)
        if self.kind == "xpt":
            _check_end(self._path, sum(meta.variable_storage_width.values()))
        self.label = str(meta.file_label or "")
        self._formats = [str(meta.original_variable_types[n] or "") for n in meta.column_names]
        kinds = [meta.readstat_variable_types[n] for n in meta.column_names]
        labels = [meta.column_names_to_labels[n] or "" for n in meta.column_names]
        self._names: list[str] = list(meta.column_names)
        self._rows: int | None = meta.number_rows if self.kind == "sas7bdat" else None
        self._shape(
            request,
            pa.schema(
                [
                    described(name, _kind_of(kind, fmt), description=label, fmt=fmt)
                    for name, kind, label, fmt in zip(
                        self._names, kinds, labels, self._formats, strict=True
                    )
                ]
            ),
        )

    def _library(self) -> Any:
        try:
            import pyreadstat
        except ImportError as exc:
            raise MissingExtraError.for_extra("sas", "reading SAS files") from exc
        return pyreadstat

    def _call(self, **options: Any) -> tuple[dict[str, list[Any]], Any]:
        library = self._reader
        read = library.read_sas7bdat if self.kind == "sas7bdat" else library.read_xport
        try:
            data, meta = read(
                str(self._path),
                encoding=self._encoding,
                output_format="dict",
                disable_datetime_conversion=True,
                **options,
            )
        except UnicodeDecodeError as exc:
            raise LoadError(
                f"the text in `{self._path.name}` does not fit its encoding",
                hint="say which one it is, e.g. encoding='WINDOWS-1252'",
            ) from exc
        except library.ReadstatError as exc:
            if "character" in str(exc) or "convert" in str(exc):
                raise LoadError(
                    f"the text in `{self._path.name}` does not fit its encoding",
                    hint="say which one it is, e.g. encoding='WINDOWS-1252'",
                ) from exc
            raise _unsound(self._path) from exc
        except (OSError, ValueError, OverflowError) as exc:
            raise _unsound(self._path) from exc
        return data, meta

    def _read(self) -> Iterator[pa.RecordBatch]:
        while True:
            offset = self.rows_read
            if self._rows is not None and offset >= self._rows:
                break
            data, _ = self._call(row_offset=offset, row_limit=_CHUNK)
            columns = [_array(data.get(name, [])) for name in self._names]
            count = len(columns[0]) if columns else 0
            if not count:
                break
            shown = pa.RecordBatch.from_arrays(columns, names=self._names)
            yield self._fit(shown, range(offset + 1, offset + count + 1))
            if self._rows:
                self._bytes_done = (self.bytes or 0) * self.rows_read // self._rows
            if count < _CHUNK:
                break
        self._bytes_done = self.bytes or 0

    def _cast(self, index: int, column: Any) -> Converted:
        kind = self.schema.field(index).type
        if pa.types.is_floating(column.type):
            if pa.types.is_date(kind):
                return _dates(column, self._formats[index])
            if pa.types.is_timestamp(kind) and kind.tz is None:
                return _timestamps(column, self._formats[index])
            if pa.types.is_time(kind):
                return _times(column)
        return super()._cast(index, column)


def _iconv(encoding: str | None) -> str | None:
    """Return the name under which readstat knows an encoding."""
    if encoding is None:
        return None
    name = known(encoding)
    return {"mac-roman": "MACINTOSH"}.get(name, name.upper())


def _kind_of(kind: str, fmt: str) -> pa.DataType:
    if kind == "string":
        return pa.string()
    return {"date": pa.date32(), "datetime": pa.timestamp("us"), "time": pa.time64("us")}.get(
        _family(fmt), pa.float64()
    )


def _family(fmt: str) -> str:
    """Return `date`, `datetime`, `time`, or empty for a format such as ``E8601DA10.``."""
    match = re.fullmatch(r"([A-Z]+(?:8601[A-Z]+)?)\d*\.?\d*", fmt.upper())
    name = match[1] if match else "?"
    for family, names in (("datetime", _DATETIMES), ("date", _DATES), ("time", _TIMES)):
        # A last letter may name the separator: YYMMDDD, MMDDYYS.
        if f" {name} " in names or (name[-1] in "BCDNPS" and f" {name[:-1]} " in names):
            return family
    return ""


def _array(values: list[Any]) -> pa.Array:
    kinds = set(map(type, values))
    if str in kinds:
        return pa.array([v or None for v in values], pa.string())
    return pa.array(values, pa.float64(), from_pandas=True)


def _days(column: pa.Array) -> pa.Array:
    return pc.subtract(column, float(_EPOCH_DAYS))


def _marked(column: pa.Array, good: pa.Array, values: pa.Array) -> Converted:
    bad = pc.and_(pc.is_valid(column), pc.invert(pc.fill_null(good, False)))
    return Converted(values, bad if pc.any(bad).as_py() else None)


def _whole(column: pa.Array, first: float, last: float) -> pa.Array:
    within = pc.and_(pc.greater_equal(column, first), pc.less_equal(column, last))
    return pc.and_(within, pc.equal(pc.floor(column), column))


def _dates(column: pa.Array, fmt: str) -> Converted:
    """Convert days since 1960; a fraction of a day is no date."""
    if _family(fmt) == "datetime":
        column = pc.floor(pc.divide(column, 86_400.0))
    days = _days(column)
    good = _whole(days, _FIRST_DAY, _LAST_DAY)
    kept = pc.if_else(good, days, pa.scalar(None, pa.float64()))
    return _marked(column, good, kept.cast(pa.int32()).cast(pa.date32()))


def _timestamps(column: pa.Array, fmt: str) -> Converted:
    """Convert seconds since 1960 (days, where the format is one of dates)."""
    seconds = pc.multiply(column, 86_400.0) if _family(fmt) == "date" else column
    seconds = pc.subtract(seconds, _EPOCH_DAYS * 86_400.0)
    good = pc.and_(
        pc.greater_equal(seconds, _FIRST_DAY * 86_400.0),
        pc.less(seconds, (_LAST_DAY + 1) * 86_400.0),
    )
    kept = pc.if_else(good, seconds, pa.scalar(None, pa.float64()))
    micros = pc.round(pc.multiply(kept, 1e6)).cast(pa.int64(), safe=False)
    return _marked(column, good, micros.cast(pa.timestamp("us")))


def _times(column: pa.Array) -> Converted:
    """Convert seconds since midnight; more than a day is a duration and does not fit."""
    good = pc.and_(pc.greater_equal(column, 0.0), pc.less(column, 86_400.0))
    kept = pc.if_else(good, column, pa.scalar(None, pa.float64()))
    micros = pc.round(pc.multiply(kept, 1e6)).cast(pa.int64(), safe=False)
    return _marked(column, good, micros.cast(pa.time64("us")))


def _check_xpt(path: Path) -> None:
    """Refuse what readstat reads without a word: a cut file, or several data sets in one.

    The format has no row count; its records are 80 bytes, and the last ones are padded with
    blanks.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1 << 20)
    if not head.startswith(b"HEADER RECORD*******LIB"):
        raise _unsound(path)
    if size % 80:
        raise LoadError(
            f"`{path.name}` ends in the middle of a record",
            hint="the copy is incomplete: fetch the file again",
        )
    members = head.count(b"HEADER RECORD*******MEMBER  HEADER RECORD") + head.count(
        b"HEADER RECORD*******MEMBV8  HEADER RECORD"
    )
    if members > 1:
        raise LoadError(
            f"`{path.name}` holds {members} data sets", hint="write one data set to a file"
        )


def _check_end(path: Path, width: int) -> None:
    """Refuse a file whose last row is cut; behind whole rows there are only blanks."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = max(
            data.find(b"HEADER RECORD*******OBS     HEADER RECORD"),
            data.find(b"HEADER RECORD*******OBSV8   HEADER RECORD"),
        )
        rows = len(data) - start - 80
        left = rows % width if start >= 0 and width else 0
        if left >= 80 or (left and data[len(data) - left :].strip(b" ")):
            raise LoadError(
                f"`{path.name}` ends in the middle of a row",
                hint="the copy is incomplete: fetch the file again",
            )


def _unsound(path: Path) -> LoadError:
    return LoadError(
        f"`{path.name}` is not a sound SAS file",
        hint="the copy may be damaged, or it was written by another program: fetch it again",
    )
