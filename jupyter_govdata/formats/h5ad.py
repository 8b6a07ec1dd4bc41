"""h5ad: the observations (`obs`) of an AnnData file, one row per cell, by h5py alone.

Runs in the client process; the file is not trusted. Categories become their texts, the index
becomes the first column. Reads what AnnData has written since 2017: a compound data set with
the categories in `uns`, a group with `__categories`, a group with encoded columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import LoadError, MissingExtraError
from jupyter_govdata.formats.shaped import ShapedSource
from jupyter_govdata.formats.source import BATCH_ROWS, Request


class H5adSource(ShapedSource):
    """The `obs` table of an h5ad file; `batches` may be called again."""

    kind = "h5ad"

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        self._path = self._one_file(request)
        with self._file() as file:
            table = self._table(file)
            self._count = table.rows
            self._names = table.names
            first = [table.read(name, 0, min(1, table.rows)) for name in table.names]
            self.notes.append(
                "`obs` is read, one row per observation; matrices and embeddings are not"
            )
            self._shape(
                request,
                pa.schema([(n, a.type) for n, a in zip(table.names, first, strict=True)]),
            )

    def _file(self) -> Any:
        try:
            import h5py
        except ImportError as exc:
            raise MissingExtraError.for_extra("h5ad", "reading h5ad files") from exc
        try:
            return h5py.File(self._path, "r")
        except OSError as exc:
            raise LoadError(
                f"`{self._path.name}` is not a sound HDF5 file",
                hint="the copy may be incomplete: fetch the file again",
            ) from exc

    def _table(self, file: Any) -> _Obs:
        if "obs" not in file:
            raise LoadError(
                f"`{self._path.name}` is HDF5 but has no `obs`", hint="is it an h5ad file?"
            )
        obs = file["obs"]
        return _CompoundObs(file, obs) if hasattr(obs, "dtype") else _GroupObs(obs)

    def _read(self) -> Iterator[pa.RecordBatch]:
        with self._file() as file:
            table = self._table(file)
            for start in range(0, self._count, BATCH_ROWS):
                stop = min(start + BATCH_ROWS, self._count)
                try:
                    columns = [table.read(name, start, stop) for name in self._names]
                except (OSError, KeyError, ValueError, pa.ArrowException) as exc:
                    raise LoadError(
                        f"`obs` of `{self._path.name}` cannot be read to its end",
                        hint="the copy may be damaged: fetch the file again",
                    ) from exc
                self._bytes_done = (self.bytes or 0) * stop // self._count
                batch = pa.RecordBatch.from_arrays(columns, names=self._names)
                yield self._fit(batch, range(start + 1, stop + 1))


class _Obs:
    """A table of observations: names, number of rows, and how a column is read."""

    names: list[str]
    rows: int

    def read(self, name: str, start: int, stop: int) -> pa.Array:
        raise NotImplementedError


class _CompoundObs(_Obs):
    """One data set of records; categories, if any, lie in ``uns/<name>_categories``."""

    def __init__(self, file: Any, obs: Any) -> None:
        self._obs = obs
        self._uns = file.get("uns", {})
        self.names = [str(n) for n in obs.dtype.names or ()]
        self.rows = int(obs.shape[0])

    def read(self, name: str, start: int, stop: int) -> pa.Array:
        values = self._obs.fields(name)[start:stop]
        key = f"{name}_categories"
        if key in self._uns:
            return _decoded(values, _array(self._uns[key][()]))
        return _array(values)


class _GroupObs(_Obs):
    """A group with one member per column."""

    def __init__(self, obs: Any) -> None:
        self._obs = obs
        index = _name(obs.attrs.get("_index", "index"))
        order = [_name(n) for n in obs.attrs.get("column-order", sorted(obs))]
        present = [n for n in order if n in obs and n not in (index, "__categories")]
        self.names = ([index] if index in obs else []) + present
        if not self.names:
            raise LoadError("`obs` has no columns", hint="nothing can be loaded from it")
        self.rows = _length(obs[self.names[0]])

    def read(self, name: str, start: int, stop: int) -> pa.Array:
        item = self._obs[name]
        if not hasattr(item, "dtype"):
            return _encoded(item, start, stop)
        values = item[start:stop]
        if "categories" in item.attrs:  # a reference to a data set of `__categories`
            return _decoded(values, _array(self._obs.file[item.attrs["categories"]][()]))
        return _array(values)


def _encoded(item: Any, start: int, stop: int) -> pa.Array:
    """Read a column that is a group: categorical, or values with a mask."""
    if "codes" in item and "categories" in item:
        categories = item["categories"]
        if not hasattr(categories, "dtype"):
            labels = _encoded(categories, 0, _length(categories))
        else:
            labels = _array(categories[()])
        return _decoded(item["codes"][start:stop], labels)
    if "values" in item and "mask" in item:
        values = _array(item["values"][start:stop])
        mask = pa.array(item["mask"][start:stop])
        return pc.if_else(mask, pa.scalar(None, values.type), values)
    kind = _name(item.attrs.get("encoding-type", "unknown"))
    raise LoadError(
        f"a column of `obs` has the encoding `{kind[:50]}`, which is not known",
        hint="write it as a plain or categorical column",
    )


def _length(item: Any) -> int:
    if hasattr(item, "shape"):
        return int(item.shape[0])
    return int(item["codes" if "codes" in item else "values"].shape[0])


def _decoded(codes: Any, labels: pa.Array) -> pa.Array:
    """Return the label of each code; a negative code is missing."""
    index = pa.array(codes).cast(pa.int64())
    index = pc.if_else(pc.less(index, 0), pa.scalar(None, pa.int64()), index)
    return labels.take(index)


def _array(values: Any) -> pa.Array:
    """Return NumPy values as Arrow: bytes are UTF-8 text, one dimension only."""
    if values.ndim != 1:
        raise LoadError("a column of `obs` has several dimensions", hint="leave it out of `obs`")
    if values.dtype.kind in "SO":
        return pa.array([_name(v) for v in values.tolist()], pa.string())
    if values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    return pa.array(values)


def _name(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
