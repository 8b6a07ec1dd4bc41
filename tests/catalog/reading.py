"""Reads versions through the storage room, as the gateway does."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from jupyter_govdata.catalog import Catalog
from jupyter_govdata.model.plan import Plan
from jupyter_govdata.model.predicate import TRUE, Predicate
from jupyter_govdata.model.scan import At
from jupyter_govdata.storage import open_scan


def read_plan(plan: Plan, predicate: Predicate = TRUE) -> pa.Table:
    reader = open_scan(
        plan,
        columns=[c.name for c in plan.columns],
        row_filter=predicate,
        masks={},
        predicate=TRUE,
        limit=None,
        consents=lambda domain, purpose: frozenset(),
        pseudonym_key=b"",
        purpose="",
        domains={},
        memory_limit="1GB",
        threads=1,
    )
    try:
        return pa.Table.from_batches(list(reader), reader.schema)
    finally:
        reader.close()


def read(
    catalog: Catalog, name: str, at: At | None = None, predicate: Predicate = TRUE
) -> list[dict[str, Any]]:
    version = catalog.resolve(name, at)
    found: list[dict[str, Any]] = read_plan(catalog.plan(version, predicate), predicate).to_pylist()
    return found
