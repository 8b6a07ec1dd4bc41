"""Read a `pyarrow.compute.Expression` back as a tree. Runs in the kernel.

DuckDB hands its filters over as Arrow expressions, which have no public accessors. Their
pickled form is an Arrow IPC file: the tokens of the expression, in order, are the schema's
key-value metadata, and literals and options are the columns of its only row, with their exact
types. Whatever this reader does not know, it refuses.

UPSTREAM: arrow/cpp/src/arrow/compute/expression.cc, `Serialize`.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_MAX_DEPTH = 200


class UnreadableFilterError(Exception):
    """A filter that cannot be taken over exactly; DuckDB has to apply it by itself.

    Never leaves this room: the engine runs the statement again without pushdown.
    """


@dataclass(frozen=True, slots=True)
class Field:
    """A column, or a field in a struct column."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A typed constant."""

    value: pa.Scalar


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `options` is a struct scalar, or None."""

    function: str
    args: tuple[Node, ...]
    options: pa.StructScalar | None = None


Node = Field | Literal | Call


def read_expression(expression: pc.Expression, prefix: str = "") -> Node:
    """Return the tree of an expression.

    Args:
        expression: What DuckDB hands over.
        prefix: What the names of all columns begin with; it is taken off.

    Raises:
        UnreadableFilterError: The expression has a form that this reader does not know.
    """
    try:
        _, (buffer,) = expression.__reduce__()
        batch = pa.ipc.open_file(buffer).get_batch(0)
        tokens = _metadata(batch.schema)
    except (pa.ArrowException, ValueError, TypeError, KeyError) as exc:
        raise UnreadableFilterError("the filter has no readable form") from exc
    reader = _Reader(tokens, batch, prefix)
    node = reader.node()
    if reader.position != len(tokens):
        raise UnreadableFilterError("the filter has a tail")
    return node


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]], batch: pa.RecordBatch, prefix: str) -> None:
        self._tokens = tokens
        self._batch = batch
        self._prefix = prefix
        self.position = 0

    def _next(self) -> tuple[str, str]:
        if self.position >= len(self._tokens):
            raise UnreadableFilterError("the filter ends too early")
        self.position += 1
        return self._tokens[self.position - 1]

    def _column(self, index: str) -> pa.Scalar:
        if not index.isdecimal() or int(index) >= self._batch.num_columns:
            raise UnreadableFilterError("the filter names a literal that is not there")
        return self._batch.column(int(index))[0]

    def node(self, depth: int = 0) -> Node:
        if depth > _MAX_DEPTH:
            raise UnreadableFilterError("the filter is nested too deep")
        key, value = self._next()
        if key == "literal":
            return Literal(self._column(value))
        if key == "field_ref":
            return Field((self._plain(value),))
        if key == "nested_field_ref":
            column, *inner = (self._part() for _ in range(_count(value)))
            return Field((self._plain(column), *inner))
        if key == "call":
            return self._call(value, depth)
        raise UnreadableFilterError(f"the filter has an unknown part `{key}`")

    def _plain(self, column: str) -> str:
        if not column.startswith(self._prefix):
            raise UnreadableFilterError("the filter names a column that is not of this table")
        return column.removeprefix(self._prefix)

    def _part(self) -> str:
        key, value = self._next()
        if key != "field_ref":
            raise UnreadableFilterError("a nested field has an unknown part")
        return value

    def _call(self, function: str, depth: int) -> Call:
        args: list[Node] = []
        options: pa.StructScalar | None = None
        while True:
            key, value = self._next()
            if key == "end" and value == function:
                return Call(function, tuple(args), options)
            if key == "end" or options is not None:
                raise UnreadableFilterError("a call does not end as it began")
            if key == "options":
                options = self._column(value)
            else:
                self.position -= 1
                args.append(self.node(depth + 1))


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _MAX_DEPTH:
        raise UnreadableFilterError("a nested field has no length")
    return int(text)


# -- key-value metadata with repeated keys ---------------------------------------------------


class _ArrowSchema(ctypes.Structure):
    """The head of `ArrowSchema` of the Arrow C data interface."""

    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
    )


_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = (ctypes.py_object, ctypes.c_char_p)


def _metadata(schema: pa.Schema) -> list[tuple[str, str]]:
    """Return the metadata of a schema in order; `Schema.metadata` keeps one value per key.

    UPSTREAM: https://arrow.apache.org/docs/format/CDataInterface.html (`ArrowSchema.metadata`:
    a count, then for each pair the lengths and bytes of key and value, native int32).
    """
    capsule = schema.__arrow_c_schema__()
    head = _ArrowSchema.from_address(_pointer_of(capsule, b"arrow_schema"))
    address = head.metadata
    if not address:
        return []

    def number() -> int:
        nonlocal address
        value = ctypes.c_int32.from_address(address).value
        address += 4
        return value

    def text() -> str:
        nonlocal address
        size = number()
        value = ctypes.string_at(address, size).decode()
        address += size
        return value

    return [(text(), text()) for _ in range(number())]
