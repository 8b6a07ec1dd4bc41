"""The progress of a query that takes long. Runs in the kernel, in the thread that waits.

With a frontend it is an output that the stamp takes the place of, so a saved notebook holds
nothing of it, and a log of papermill one plain line. In a terminal it is a line on stderr that
disappears; where stderr is a file, there is none.
"""

from __future__ import annotations

import sys
import uuid
from html import escape
from typing import TYPE_CHECKING, Any

from jupyter_govdata.notebook import lazy
from jupyter_govdata.notebook.stamping import has_frontend

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_govdata.query.progress import AssetProgress, Progress

_WAIT = 0.5
_EVERY = 0.25
_UNITS = ("B", "kB", "MB", "GB", "TB")


class ProgressDisplay:
    """Shows the progress of one query.

    Args:
        shell: Where the cell runs.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._line: Any = None
        self._next = _WAIT
        self.display_id: str | None = None
        """Of the output that shows it, once there is one."""

    def show(self, progress: Progress) -> None:
        """Take how far the query is, and show it if that is due."""
        if progress.done:
            self.close()
        elif progress.seconds >= self._next:
            self._next = progress.seconds + _EVERY
            if has_frontend(self._shell):
                self._publish(progress)
            elif sys.stderr.isatty():
                self._print(progress)

    def close(self) -> None:
        """Remove it from the terminal."""
        if self._line is not None:
            self._line.stop()
            self._line = None

    def _publish(self, progress: Progress) -> None:
        is_new = self.display_id is None
        self.display_id = self.display_id or f"govdata-{uuid.uuid4().hex}"
        self._shell.display_pub.publish(
            data={"text/plain": progress_text(progress), "text/html": _html(progress)},
            transient={"display_id": self.display_id},
            update=not is_new,
        )

    def _print(self, progress: Progress) -> None:
        if self._line is None:
            console = lazy.console.Console(stderr=True)
            self._line = lazy.live.Live(console=console, transient=True, auto_refresh=False)
            self._line.start()
        self._line.update(lazy.text.Text(progress_text(progress)), refresh=True)


def progress_text(progress: Progress) -> str:
    """Return how far a query is, on one line."""
    read = [_asset_text(a) for a in progress.assets if a.rows]
    what = f"reading {', '.join(read)}" if read else "running"
    return f"govdata: {what} · {progress.seconds:.0f} s"


def _asset_text(asset: AssetProgress) -> str:
    total = "" if asset.total_rows is None else f" of {asset.total_rows:,}"
    return f"{asset.asset}: {asset.rows:,}{total} rows, {_size(asset.bytes)}"


def _size(count: float) -> str:
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def _html(progress: Progress) -> str:
    bars = "".join(
        f"<div>{_bar(a)} {escape(_asset_text(a))}</div>" for a in progress.assets if a.rows
    )
    return f"<div>{bars}<div>running for {progress.seconds:.0f} s</div></div>"


def _bar(asset: AssetProgress) -> str:
    total = f' value="{asset.rows}" max="{asset.total_rows}"' if asset.total_rows else ""
    return f'<progress{total} aria-label="{escape(asset.asset)}"></progress>'
