"""Parquet: a file, a folder, or a pattern. Runs in the client process; files are not trusted."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats.opening import existing, sha256_of
from jupyter_govdata.formats.shaped import ShapedSource, cast
from jupyter_govdata.formats.source import BATCH_ROWS, Request

SUFFIXES = (".parquet", ".pq", ".parq")


class ParquetSource(ShapedSource):
    """One or several Parquet files of like schema; `batches` may be called again.

    Columns that some of the files lack are NULL there; numbers of different width meet in the
    wider type.
    """

    kind = "parquet"

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        self._files = parquet_files(request.path)
        self._root = request.path if request.path.is_dir() else request.path.parent
        self.bytes = sum(f.stat().st_size for f in self._files)
        schemas = [_opened(f).schema_arrow.remove_metadata() for f in self._files]
        try:
            native = pa.unify_schemas(schemas, promote_options="permissive")
        except pa.ArrowException as exc:
            raise LoadError(
                f"the {len(self._files)} files do not agree on their columns",
                hint="load them one by one, or give the differing columns the same type",
            ) from exc
        if len(self._files) > 1:
            self.notes.append(f"{len(self._files)} files are read as one table, by name")
        self._shape(request, native)

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of the file; of several, that of the lines ``<sha256>  <name>``."""
        if self._sha256 is None:
            each = [(sha256_of(f), f.relative_to(self._root).as_posix()) for f in self._files]
            lines = "".join(f"{digest}  {name}\n" for digest, name in each)
            self._sha256 = (
                each[0][0] if len(each) == 1 else hashlib.sha256(lines.encode()).hexdigest()
            )
        return self._sha256

    def _read(self) -> Iterator[pa.RecordBatch]:
        done = 0
        for path in self._files:
            size, file = path.stat().st_size, _opened(path)
            total = max(1, file.metadata.num_rows)
            read = 0
            try:
                for batch in file.iter_batches(BATCH_ROWS):
                    read += batch.num_rows
                    self._bytes_done = done + size * read // total
                    first = self.rows_read + 1
                    yield self._fit(
                        _aligned(batch, self._native), range(first, first + batch.num_rows)
                    )
            except (pa.ArrowException, OSError) as exc:
                raise _unsound(path) from exc
            done += size
        self._bytes_done = done


def parquet_files(path: Path) -> list[Path]:
    """Return the Parquet files that a path means, by name.

    A path that exists is taken as it is, whatever brackets are in it; else it is a pattern.

    Raises:
        LoadError: None.
    """
    if path.is_dir():
        found = [
            f
            for f in sorted(path.rglob("*"))
            if f.suffix.lower() in SUFFIXES
            and f.is_file()
            and not any(p.startswith((".", "_")) for p in f.relative_to(path).parts)
        ]
        if not found:
            raise LoadError(
                f"the folder `{path.name}` holds no Parquet file", hint="name a file or a pattern"
            )
        return found
    if path.exists():
        return [path]
    if glob.has_magic(str(path)):
        found = [Path(p) for p in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207
        found = [f for f in found if f.is_file()]
        if not found:
            raise LoadError(f"no file matches `{path.name}`", hint="check the pattern")
        return found
    return [existing(path)]


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as exc:
        raise _unsound(path) from exc


def _unsound(path: Path) -> LoadError:
    return LoadError(
        f"`{path.name}` is not a sound Parquet file",
        hint="the copy may be incomplete or encrypted: fetch or write the file again",
    )


def _aligned(batch: pa.RecordBatch, native: pa.Schema) -> pa.RecordBatch:
    """Return the batch with the columns of `native`, in its order."""
    arrays = []
    for field in native:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
            continue
        array = batch.column(index)
        same = array.type == field.type
        arrays.append(array if same else cast(array, field.type).array)
    return pa.RecordBatch.from_arrays(arrays, schema=native)
