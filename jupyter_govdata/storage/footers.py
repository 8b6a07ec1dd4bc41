"""Parquet footers: which columns a file holds, under which names and types, in which row groups.

Runs in the gateway. Data files never change, so footers are kept (bounded).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from jupyter_govdata.storage.masking import plain_type

FIELD_ID = b"PARQUET:field_id"


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file's footer says.

    Args:
        fields: Field id -> name and type in the file.
        groups: Rows of each row group.
        clear: No two columns differ only in case.
    """

    fields: dict[int, tuple[str, pa.DataType]]
    groups: tuple[int, ...]
    clear: bool


def place(path: str) -> str:
    """Return a file's address as its file system takes it: without the scheme."""
    return path.partition("://")[2] or path


_KEPT: OrderedDict[str, tuple[pa.fs.FileSystem, Footer]] = OrderedDict()
_LIMIT = 4_096
_LOCK = threading.Lock()


def footer(path: str, filesystem: pa.fs.FileSystem | None = None) -> Footer:
    """Return the footer of a data file.

    Raises:
        OSError: It cannot be read.
        pyarrow.ArrowInvalid: It is not Parquet.
    """
    store = filesystem or pa.fs.LocalFileSystem()
    with _LOCK:
        kept = _KEPT.get(path)
        if kept is not None and kept[0].equals(store):
            _KEPT.move_to_end(path)
            return kept[1]
    with store.open_input_file(place(path)) as stream:
        found = _read(stream)
    with _LOCK:
        _KEPT[path] = store, found
        while len(_KEPT) > _LIMIT:
            _KEPT.popitem(last=False)
    return found


def _read(stream: pa.NativeFile) -> Footer:
    metadata = pq.read_metadata(stream)
    schema = metadata.schema.to_arrow_schema()
    fields = {
        int(f.metadata[FIELD_ID]): (f.name, plain_type(f.type))
        for f in schema
        if FIELD_ID in (f.metadata or {})
    }
    return Footer(
        fields=fields,
        groups=tuple(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)),
        clear=len({n.casefold() for n in schema.names}) == len(schema.names),
    )
