"""An asset as DuckDB sees it: an Arrow dataset that reads governed scans. Runs in the kernel.

DuckDB's own optimizer asks it for columns and hands a filter over; nothing is derived from SQL
text. One `scanner` call is one governed scan, so a self-join reads the asset twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from jupyter_govdata.errors import StaleDecisionError
from jupyter_govdata.model.predicate import TRUE, Predicate, all_of
from jupyter_govdata.model.scan import At, Filter, Fragment, Project, Scan, ScanRequest
from jupyter_govdata.model.view import AssetView
from jupyter_govdata.query.reads import Reads
from jupyter_govdata.query.split.conditions import (
    Condition,
    columns_of,
    conditions_of,
    to_predicate,
)
from jupyter_govdata.query.split.expression import UnreadableFilterError, read_expression
from jupyter_govdata.query.split.local_filter import keep


class GovernedDataset(pads.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """The visible columns and permitted rows of one asset at one version.

    Args:
        view: The governed card; its schema is what DuckDB binds against.
        at: Version to read, or None for now.
        reads: Returns the reads of the running statement.
    """

    _view: AssetView
    _at: At | None
    _reads: Callable[[], Reads]
    _shown: pa.Schema
    _schema: pa.Schema
    _told: pa.Schema

    def __init__(self, view: AssetView, at: At | None, reads: Callable[[], Reads]) -> None:
        # UPSTREAM: `Dataset.__init__` refuses to be called; a subclass has no C++ dataset below,
        # and DuckDB only uses `schema` and `scanner`.
        self._view = view
        self._at = at
        self._reads = reads
        self._shown = _shown_schema(view)
        self._schema = pa.schema(sorted(self._shown, key=lambda field: _cost(field, view)))
        self._told = self._prefixed(self._schema)

    @property
    def schema(self) -> pa.Schema:
        """All visible columns, in the types they are shown in, the cheapest one first.

        For ``count(*)`` DuckDB reads the first column; that should not be one whose pseudonyms
        have to be computed. `columns` has the order that users see. Names begin with `prefix`.
        """
        return self._told

    @property
    def asset(self) -> str:
        """Name of the asset."""
        return self._view.asset.name

    @property
    def at(self) -> At | None:
        """The version that the query names, or None."""
        return self._at

    @property
    def view(self) -> AssetView:
        """The governed card."""
        return self._view

    @property
    def prefix(self) -> str:
        """What the names of the columns begin with.

        DuckDB's plans name the columns of a scan and not its table; so they tell the asset.
        """
        return f"{self._view.asset.name}{_version_text(self._at)}."

    def _prefixed(self, schema: pa.Schema) -> pa.Schema:
        return pa.schema([field.with_name(self.prefix + field.name) for field in schema])

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the visible columns in the order of the card."""
        return tuple(self._shown.names)

    @property
    def shown(self) -> pa.Schema:
        """The visible columns in the order of the card, without `prefix`."""
        return self._shown

    def adopt(self, view: AssetView) -> bool:
        """Take over a newer card; False if its columns are others, then a new dataset is due."""
        if view is self._view:
            return True
        if not _shown_schema(view).equals(self._shown):
            return False
        self._view = view
        return True

    def scanner(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002  # pyarrow's name
        **_: Any,
    ) -> GovernedScanner:
        """Prepare a governed scan of `columns`, in this order, with the rows that meet `filter`.

        Raises:
            UnreadableFilterError: The filter cannot be taken over exactly.
        """
        reads = self._reads()
        told = self._told.names if columns is None else columns
        asked = [name.removeprefix(self.prefix) for name in told]
        try:
            conditions = (
                () if filter is None else conditions_of(read_expression(filter, self.prefix))
            )
            predicate, local = self._split(conditions)
            needed = [*asked, *sorted(frozenset().union(*map(columns_of, local)) - set(asked))]
            _check(local, self._part(needed))
        except UnreadableFilterError as error:
            reads.unreadable = error
            raise
        fragment: Fragment = Scan(self._view.asset.name, self._at)
        if predicate != TRUE:
            fragment = Filter(fragment, predicate)
        request = ScanRequest(Project(fragment, tuple(needed)), reads.purpose)
        schema = self._prefixed(self._part(asked))
        return GovernedScanner(
            schema, lambda: self._batches(reads, request, self._part(needed), schema, local)
        )

    def _batches(
        self,
        reads: Reads,
        request: ScanRequest,
        expected: pa.Schema,
        schema: pa.Schema,
        local: Sequence[Condition],
    ) -> Iterator[pa.RecordBatch]:
        """Ask for the scan and yield what it gives.

        UPSTREAM: while `scanner` waits, DuckDB's other threads spin and take the processor from
        the gateway; while a reader waits, they sleep. So the gateway is asked here.
        """
        opened = reads.open(request)
        if _form(plain_schema(opened.stream.schema)) != _form(expected):
            opened.stream.cancel()
            stale = outdated(self._view.asset.name)
            reads.fail(stale)
            raise stale
        asked = [name.removeprefix(self.prefix) for name in schema.names]
        yield from reads.batches(opened, asked, schema, local)

    def _split(self, conditions: Sequence[Condition]) -> tuple[Predicate, list[Condition]]:
        """Return what the gateway applies and what is left to do here.

        Conditions on masked columns stay here: the rows were masked before they arrive.
        """
        masked = self._view.masked
        pushable = {f.name: f.type for f in self._schema if f.name not in masked}
        pushed: list[Predicate] = []
        local: list[Condition] = []
        for condition in conditions:
            predicate = to_predicate(condition, pushable)
            if predicate is None:
                local.append(condition)
            else:
                pushed.append(predicate)
        return all_of(*pushed), local

    def _part(self, columns: Sequence[str]) -> pa.Schema:
        return pa.schema([self._schema.field(name) for name in columns])


class GovernedScanner:
    """What DuckDB reads from: one stream, once."""

    def __init__(self, schema: pa.Schema, batches: Callable[[], Any]) -> None:
        self.projected_schema = schema
        self._batches = batches

    def to_reader(self) -> pa.RecordBatchReader:
        """Return the batches; dropping the reader ends the scan."""
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._batches())


class StreamDataset(pads.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """Batches that DuckDB reads once, all of their columns, as they come.

    UPSTREAM: DuckDB reads tables and readers through Acero, which complains on the terminal about
    buffers that came over the wire.

    Args:
        schema: Of the batches.
        batches: The batches.
    """

    _schema: pa.Schema
    _batches: Iterator[pa.RecordBatch]

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self._schema = schema
        self._batches = batches

    @property
    def schema(self) -> pa.Schema:
        """Schema of the batches."""
        return self._schema

    def scanner(self, columns: Sequence[str] | None = None, **_: Any) -> GovernedScanner:
        """Return what DuckDB reads from; it asks for all columns, in any order."""
        names = self._schema.names if columns is None else columns
        schema = pa.schema([self._schema.field(name) for name in names])
        return GovernedScanner(schema, lambda: (b.select(names) for b in self._batches))


def outdated(asset: str) -> StaleDecisionError:
    """Return the error for an answer that does not fit the card."""
    return StaleDecisionError(
        f"what you may see of `{asset}` has changed", hint="run the query again"
    )


def _version_text(at: At | None) -> str:
    if at is None:
        return ""
    return f"@{at.snapshot_id or at.tag or (at.timestamp.isoformat() if at.timestamp else 0)}"


def _shown_schema(view: AssetView) -> pa.Schema:
    return plain_schema(pa.ipc.read_schema(pa.py_buffer(view.arrow_schema)))


def _cost(field: pa.Field, view: AssetView) -> tuple[bool, bool, int]:
    try:
        width = field.type.bit_width
    except ValueError:
        width = 0
    return field.name in view.masked, not width, width


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the schema without view types and metadata.

    UPSTREAM: one `string_view` column makes DuckDB 1.5 hand over no filter at all.
    """
    return pa.schema([pa.field(f.name, _plain_type(f.type), f.nullable) for f in schema])


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def _form(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {f.name: f.type for f in schema}


def _check(conditions: Sequence[Condition], schema: pa.Schema) -> None:
    """Apply the conditions to no row, which finds types that Arrow cannot compare."""
    if not conditions:
        return
    try:
        keep(pa.RecordBatch.from_pylist([], schema=schema), conditions)
    except (pa.ArrowException, KeyError, TypeError) as exc:
        raise UnreadableFilterError("the filter compares what cannot be compared here") from exc
