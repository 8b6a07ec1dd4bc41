"""Stamps as cell outputs: one for every query of the kernel, however it ended. Runs in the kernel.

The stamp is displayed by the kernel, so every frontend, nbclient and papermill keep it. Its data
holds deterministic facts only; times and sizes are in the output's metadata.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any
from weakref import ref

from IPython.core.displaypub import DisplayPublisher

from jupyter_govdata.errors import StampError
from jupyter_govdata.notebook import lazy
from jupyter_govdata.query.answers import Answer

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_govdata.model.stamp import Stamp


class Stamper:
    """Displays the stamps of answers.

    Args:
        shell: Where cells run.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell

    def show(self, answer: Answer, display_id: str | None = None, cell_text: str = "") -> None:
        """Display the stamp of an answer, or say why there is none.

        A result that is not read to its end has a partial stamp; it is replaced by the whole one
        as soon as the last row has come.

        Args:
            answer: How a query ended.
            display_id: Of an output that the stamp takes the place of.
            cell_text: Of the cell that asked: its digest says later which code was stamped.
        """
        is_new = display_id is None
        place = display_id or f"govdata-{uuid.uuid4().hex}"
        result = answer.result
        self._publish(stamped(answer, cell_text), place, update=not is_new)
        if result is None or result.complete:
            return
        parts = {f.name: getattr(result, f.name) for f in fields(result) if f.name != "rows"}
        # Whoever holds the rows keeps a query open, so this must not: the user does, or nobody.
        kind, rows = type(result), ref(result.rows)

        def completed() -> None:
            here = rows()
            if here is not None:
                whole = replace(answer, result=kind(rows=here, **parts))
                self._publish(stamped(whole, cell_text), place, update=True)

        result.on_complete.append(completed)

    def _publish(
        self, bundle: tuple[dict[str, Any], dict[str, Any]], display_id: str, *, update: bool
    ) -> None:
        data, metadata = bundle
        if update and not has_frontend(self._shell):
            return  # a terminal would print it once more
        self._shell.display_pub.publish(
            data=data, metadata=metadata, transient={"display_id": display_id}, update=update
        )


def has_frontend(shell: InteractiveShell) -> bool:
    """Return whether outputs go to a frontend, which can replace them, and not to a terminal."""
    return type(shell.display_pub) is not DisplayPublisher


def stamped(answer: Answer, cell_text: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the output that tells of an answer: its stamp, or why there is none."""
    result = answer.result
    volatile: dict[str, Any] = {
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "seconds": round(answer.seconds, 4),
        "rows_scanned": 0 if result is None else result.scanned_rows,
        "bytes": 0 if result is None else result.scanned_bytes,
    }
    if result is not None and result.read_columns:
        volatile["columns"] = {asset: [*names] for asset, names in result.read_columns.items()}
    if cell_text:
        volatile["source"] = lazy.folding.source_digest(cell_text)
    try:
        bundle: tuple[dict[str, Any], dict[str, Any]] = lazy.stamps.stamp_bundle(
            stamp_of(answer), volatile
        )
    except StampError as error:
        return {"text/plain": f"govdata: no stamp: {error.message}"}, {}
    return bundle


def stamp_of(answer: Answer) -> Stamp:
    """Return the stamp of an answer.

    Raises:
        StampError: A column or parameter has a type that no digest is defined for.
    """
    if answer.result is not None:
        return answer.result.stamp
    stamp: Stamp = lazy.stamps.make_stamp(
        query=answer.query,
        parameters=answer.parameters,
        receipts=answer.receipts,
        table=None,
        ordered=False,
        wall=answer.source.wall,
        pins=answer.pins,
        status=answer.status,
        error=answer.error,
    )
    return stamp
