"""Conditions on batches that are in memory: on masked values, or where the reader cannot filter.

Runs in the gateway. The condition is the same SQL that filters while reading, so both have one
meaning. UPSTREAM: DuckDB pushes WHERE into Arrow data, where NaN compares differently; therefore
the condition is computed as a column.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from jupyter_govdata.model.predicate import Predicate
from jupyter_govdata.storage.side import Consents, SideTables
from jupyter_govdata.storage.sql import Columns, render


def _nobody(domain: str, purpose: str) -> frozenset[str]:  # noqa: ARG001 - the protocol's names
    return frozenset()


class LateFilter:
    """Keeps the rows of batches for which a bound condition holds.

    Args:
        predicate: From `bind_predicate`.
        schema: Types of the columns it reads.
        connection: Engine; another connection to it is opened.
        consents: For conditions of a policy.
    """

    def __init__(
        self,
        predicate: Predicate,
        schema: pa.Schema,
        connection: duckdb.DuckDBPyConnection,
        consents: Consents = _nobody,
    ) -> None:
        side = SideTables(consents)
        written = {name: f"m{index}" for index, name in enumerate(schema.names)}
        condition = render(predicate, Columns(written, schema), side)
        self._written = written
        self._sql = f"SELECT coalesce({condition}, FALSE) AS keep FROM __batch"
        self._connection = connection.cursor()
        side.register(self._connection)

    def kept(self, names: Sequence[str], batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows that the condition keeps, in order.

        Args:
            names: Name of each column of the batch.
            batch: The rows.
        """
        table = pa.Table.from_arrays(batch.columns, [self._written[n] for n in names])
        self._connection.register("__batch", table)
        keep = self._connection.execute(self._sql).to_arrow_table().column("keep")
        return batch.filter(typed(keep.combine_chunks(), pa.bool_()))


def typed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return an array as the engine gave it in the type that the scan shows."""
    if array.type == kind:
        return array
    if isinstance(array, pa.ExtensionArray):
        # UPSTREAM: the setting that keeps UUIDs makes booleans an extension type of one byte.
        array = array.storage
    return array.cast(kind)
