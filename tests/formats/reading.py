"""What the tests of this room share: write a file, read it whole."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.formats import Source, open_source


def write(folder: Path, data: str | bytes, name: str = "x.csv") -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def read(source: Any, **options: Any) -> tuple[Source, pa.Table]:
    opened = open_source(source, **options)
    table = pa.Table.from_batches(list(opened.batches()), schema=opened.schema)
    table.validate(full=True)
    assert opened.rows_read == table.num_rows + opened.reject.count
    return opened, table


def columns(table: pa.Table) -> dict[str, list[Any]]:
    return table.to_pydict()


def kinds(table: pa.Table) -> dict[str, str]:
    from jupyter_govdata.formats.iceberg_types import type_name

    return {field.name: type_name(field.type) for field in table.schema}


def rejects(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
