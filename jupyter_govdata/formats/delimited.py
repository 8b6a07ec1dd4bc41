"""CSV, TSV and their relatives. Runs in the client process; the file is not trusted.

Two passes: the first reads all values to find types and encoding, the second converts. A text
of at most `KEEP` bytes is held in between, so that it is read and parsed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_govdata.errors import LoadError
from jupyter_govdata.formats import encoding as enc
from jupyter_govdata.formats.dialect import HEAD, Dialect, sniff
from jupyter_govdata.formats.iceberg_types import (
    arrow_type,
    described,
    type_name,
    unknown_columns,
)
from jupyter_govdata.formats.infer import Guess
from jupyter_govdata.formats.names import column_names, renamed
from jupyter_govdata.formats.opening import Meter, ahead, pieces, reading
from jupyter_govdata.formats.records import BAD_BYTE, Block, blocks
from jupyter_govdata.formats.rejects import Reject
from jupyter_govdata.formats.source import Request, Source
from jupyter_govdata.formats.text import MARKERS, Converted, convert

KEEP = 128 << 20


@dataclass(slots=True)
class _Column:
    """A column on its way: where it stands, what it is called, what it is."""

    index: int
    raw: str
    name: str
    description: str
    kind: pa.DataType | None = None
    guess: Guess | None = None
    null_values: tuple[str, ...] | None = None

    @property
    def is_void(self) -> bool:
        """True for what a delimiter at the end of every line leaves behind."""
        unnamed = not self.raw.strip() and self.name.startswith("column_")
        return unnamed and self.guess is not None and self.guess.blank and not self.guess.marked


@dataclass(slots=True)
class _Kept:
    """A block of the first pass with what it already converted, by column and type."""

    block: Block
    converted: dict[int, pa.Array] = field(default_factory=dict)


class DelimitedSource(Source):
    """A text table; `batches` may be called again."""

    kind = "csv"

    def __init__(self, request: Request) -> None:
        super().__init__(request, str(request.path))
        path = self._path = self._one_file(request)
        self._request = request
        with reading(path) as file:
            head = file.read(HEAD)
        if not head:
            raise LoadError(f"`{path.name}` is empty", hint="check that it was written to its end")
        given = request.encoding
        self.encoding = enc.known(given) if given else enc.by_head(head)
        self._kept: list[_Kept] | None = None
        self._plan(head)
        if not self._survey(doubt=not given and self.encoding == "utf-8"):
            self.encoding, note = self._census()
            self._plan(head)
            self.notes.append(note)
            self._survey(doubt=False)
        self._settle()

    # -- first pass --------------------------------------------------------------------------

    def _plan(self, head: bytes) -> None:
        """Find dialect and column names."""
        # A cut text may end within a character of four bytes.
        whole = head[: len(head) & ~3] if len(head) == HEAD else head
        text = b"".join(enc.to_utf8(iter([whole]), self.encoding))
        request = self._request
        self._dialect: Dialect = sniff(text, request.delimiter, request.comment)
        names, notes = column_names(self._dialect.names)
        if error := unknown_columns(request.types, [*names, *request.columns.values()], "types"):
            raise error
        final = renamed(names, request.columns)
        self.notes = [*self._dialect.notes, *notes]
        self._columns = []
        for i, (raw, name) in enumerate(zip(names, final, strict=True)):
            given = request.types.get(name, request.types.get(raw))
            column = _Column(i, self._dialect.names[i], name, self._dialect.descriptions[i])
            column.null_values = request.null_values
            if given is None:
                column.guess = Guess(request.null_values)
            else:
                column.kind = arrow_type(given)
            self._columns.append(column)

    def _survey(self, *, doubt: bool) -> bool:
        """Read all values once, to find their types.

        Args:
            doubt: UTF-8 is an assumption: stop at the first byte that speaks against it.

        Returns:
            False if it stopped.
        """
        kept: list[_Kept] | None = []
        size = 0
        meter = Meter()
        for block in self._blocks(meter):
            if doubt and any(reject.reason == BAD_BYTE for reject in block.refused):
                return False
            item = _Kept(block)
            for column in self._columns:
                if column.guess is not None:
                    text = _text(block.table, column.index)
                    done = column.guess.observe(text)
                    if done is not None and done.bad is None:
                        item.converted[column.index] = done.array
            size += len(block.data)
            if kept is not None:
                kept = [*kept, item] if size <= KEEP else None
        self._kept = kept
        self._sha256 = meter.sha256
        return True

    def _census(self) -> tuple[str, str]:
        """Judge all bytes beyond ASCII; return the encoding and what to tell the user."""
        census = enc.Census()
        carry = b""
        for piece in pieces(self._path):
            cut = piece.rfind(b"\n") + 1
            for line in (carry + piece[:cut]).split(b"\n"):
                census.observe(line)
            carry = piece[cut:] if cut else carry + piece
        census.observe(carry)
        return census.verdict()

    def _blocks(self, meter: Meter) -> Iterator[Block]:
        raw = enc.to_utf8(pieces(self._path, meter), self.encoding)
        return blocks(
            _behind(ahead(raw), self._dialect.start), self._dialect.grammar, self._dialect.line
        )

    def _settle(self) -> None:
        marked: list[str] = []
        for column in self._columns:
            guess = column.guess
            if guess is None:
                continue
            column.kind = guess.settle()
            if guess.blank and guess.marked and column.null_values is None:
                column.null_values = MARKERS
            if guess.marked:
                marked.append(f"`{column.name}`")
            if guess.misfits:
                self.notes.append(
                    f"`{column.name}`: {guess.misfits} of {guess.seen} values are no"
                    f" {guess.kind}, their rows are set aside; types={{{column.name!r}:"
                    " 'string'} keeps them"
                )
        if marked and self._request.null_values is None:
            shown = ", ".join(marked[:5]) + (" ..." if len(marked) > 5 else "")
            self.notes.append(f"texts such as `NA` are read as missing in {shown}")
        while len(self._columns) > 1 and self._columns[-1].is_void:
            column = self._columns.pop()
            self.notes.append(f"`{column.name}` has neither name nor value and is left out")
        self.schema = pa.schema(
            [described(c.name, c.kind, description=c.description) for c in self._columns]
        )

    # -- second pass -------------------------------------------------------------------------

    def _read(self) -> Iterator[pa.RecordBatch]:
        kept, self._kept = self._kept, None  # frees the memory block by block
        if kept is not None:
            self._bytes_done = self.bytes or 0
            kept.reverse()
            while kept:
                yield self._convert(kept.pop())
            return
        meter = Meter()
        for block in self._blocks(meter):
            self._bytes_done = meter.done
            yield self._convert(_Kept(block))
        if meter.sha256 is not None and self._sha256 not in (None, meter.sha256):
            raise LoadError(
                f"`{self._path.name}` was changed while it was read", hint="load it again"
            )

    def _convert(self, item: _Kept) -> pa.RecordBatch:
        """Convert a block; set aside what does not fit."""
        block = item.block
        arrays: list[pa.Array] = []
        misfits: dict[int, str] = {}
        for column in self._columns:
            done = self._column(item, column)
            arrays.append(done.array)
            if done.bad is not None:
                reason = f"not a {type_name(column.kind)}"
                for row in pc.indices_nonzero(done.bad).to_pylist():
                    misfits.setdefault(row, f"{column.name}\0{reason}")
        batch = pa.RecordBatch.from_arrays(arrays, schema=self.schema)
        self.rows_read += block.table.num_rows + len(block.refused)
        rejects = list(block.refused)
        if misfits:
            places = block.place_all(self._dialect.grammar)
            for row, text in misfits.items():
                name, reason = text.split("\0")
                place = places[row]
                rejects.append(Reject(place.line, name, reason, block.raw(place)))
            good = [i not in misfits for i in range(batch.num_rows)]
            batch = batch.filter(pa.array(good, pa.bool_()))
        self.reject.add(sorted(rejects, key=lambda reject: reject.line))
        return batch

    def _column(self, item: _Kept, column: _Column) -> Converted:
        ready = item.converted.get(column.index)
        if ready is not None and ready.type == column.kind:
            return Converted(ready)
        text = _text(item.block.table, column.index)
        assert column.kind is not None
        return convert(text, column.kind, column.null_values)


def _text(table: pa.Table, index: int) -> pa.Array:
    column = table.column(index)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _behind(text: Iterator[bytes], skip: int) -> Iterator[bytes]:
    """Yield the text from offset `skip` on."""
    for piece in text:
        if skip < len(piece):
            yield piece[skip:]
        skip = max(0, skip - len(piece))
