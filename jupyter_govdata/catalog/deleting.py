"""Rows out of a table: files that hold matching rows are rewritten without them.

Runs in the gateway. Copy on write in one snapshot; one file is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog as IceCatalog
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table, Transaction

from jupyter_govdata.catalog.committing import commit, summary
from jupyter_govdata.catalog.expression import expression
from jupyter_govdata.catalog.types import arrow_schema, conform
from jupyter_govdata.catalog.writing import Limits, StagedFiles
from jupyter_govdata.model.predicate import Predicate


class NothingToDeleteError(Exception):
    """No row matches; not an error of ours, it only leaves the commit."""


@dataclass(slots=True)
class Delete:
    """A delete of the rows for which `predicate` holds.

    Args:
        catalog: Where the table is.
        asset: Its name.
        predicate: Rows to delete, on the current schema.
        may_hold: False for a data file that certainly holds no such row.
        provenance: Kept with the snapshot.
        limits: How files are cut.
    """

    catalog: IceCatalog
    asset: str
    predicate: Predicate
    may_hold: Callable[[Table, DataFile], bool]
    provenance: Mapping[str, str]
    limits: Limits | None = None
    _written: list[StagedFiles] = field(default_factory=list)

    def run(self) -> tuple[Table, int | None]:
        """Rewrite, commit, and return the table and the new snapshot's id.

        Raises:
            NothingToDeleteError: No row matches.
        """
        return commit(self.catalog, self.asset, self._change, self._discard)

    def _discard(self) -> None:
        for staged in self._written:
            staged.discard()

    def _change(self, table: Table, transaction: Transaction) -> int:
        self._discard()
        self._written.clear()
        matches = expression(self.predicate, arrow_schema(table.schema()))
        replaced: list[tuple[DataFile, list[DataFile]]] = []
        deleted = 0
        for task in table.scan().plan_files():
            if not self.may_hold(table, task.file):
                continue
            batches = list(_rows(table, task, self.asset))
            gone = sum(b.filter(matches).num_rows for b in batches)
            if gone:
                deleted += gone
                replaced.append((task.file, self._rewritten(table, batches, matches)))
        if not deleted:
            raise NothingToDeleteError
        told = summary({"rows_deleted": str(deleted), **self.provenance})
        with transaction.update_snapshot(snapshot_properties=told).overwrite() as update:
            update.delete_by_predicate(AlwaysTrue())
            for old, new in replaced:
                update.delete_data_file(old)
                for file in new:
                    update.append_data_file(file)
        return update.snapshot_id

    def _rewritten(
        self, table: Table, batches: list[pa.RecordBatch], matches: pc.Expression
    ) -> list[DataFile]:
        """Write what stays of one file."""
        staged = StagedFiles(
            table.io,
            table.location_provider(),
            table.schema(),
            table.spec(),
            dict(table.properties),
            self.limits,
        )
        self._written.append(staged)
        keep = ~pc.coalesce(matches, pc.scalar(False))
        rests = (batch.filter(keep) for batch in batches)
        return staged.write(rest for rest in rests if rest.num_rows)


def _rows(table: Table, task: FileScanTask, asset: str) -> Iterator[pa.RecordBatch]:
    """Yield a file's live rows under the current schema."""
    scan = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
    batches = scan.to_record_batches([task])
    for batch in batches:
        reader = pa.RecordBatchReader.from_batches(batch.schema, [batch])
        yield from conform(reader, arrow_schema(table.schema()), asset)
