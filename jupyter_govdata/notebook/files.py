"""``%govdata files``. Runs in the kernel; shows what the gateway decides.

The progress of a download is an output that is emptied when it has ended, so that a saved
notebook holds the answer only; in a terminal it is a line on stderr that disappears.
"""

from __future__ import annotations

import sys
import uuid
from argparse import Namespace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_govdata.notebook import lazy
from jupyter_govdata.notebook.listing import Listing
from jupyter_govdata.notebook.stamping import has_frontend

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_govdata.files.download import FilesProgress
    from jupyter_govdata.files.fileset import FileSet
    from jupyter_govdata.session import Session

_words = lazy.LazyModule("jupyter_govdata.files.words")
_SHOWN = 20


def files(session: Session, shell: InteractiveShell, arguments: Namespace) -> FileSet | Listing:
    """Return the files that a line asks for; with ``--to``, download them."""
    where = " ".join(arguments.where) or None
    found = session.files(arguments.asset, where, manifest=arguments.manifest)
    if arguments.to is None:
        return found
    folder = Path(arguments.to).expanduser()
    shown = DownloadDisplay(shell)
    try:
        paths = found.download(folder, parallel=arguments.parallel, on_progress=shown.show)
    finally:
        shown.close()
    root = folder.resolve()
    rows = [(p.relative_to(root).as_posix(), p.stat().st_size) for p in paths[:_SHOWN]]
    more = f"... and {len(paths) - _SHOWN:,} more; " if len(paths) > _SHOWN else ""
    told = f"{more}{_words.files_text(len(paths), found.bytes)}"
    return Listing(("file", "bytes"), tuple(rows), (told,))


class DownloadDisplay:
    """Shows the progress of one download.

    Args:
        shell: Where the cell runs.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._display_id: str | None = None
        self._line: Any = None

    def show(self, progress: FilesProgress) -> None:
        """Show how far it is."""
        if progress.done:
            return
        text = download_text(progress)
        if has_frontend(self._shell):
            share = f' value="{progress.bytes_done}" max="{progress.bytes or 1}"'
            html = f'<div><progress{share} aria-label="download"></progress> {escape(text)}</div>'
            self._publish({"text/plain": text, "text/html": html})
        elif sys.stderr.isatty():
            if self._line is None:
                console = lazy.console.Console(stderr=True)
                self._line = lazy.live.Live(console=console, transient=True, auto_refresh=False)
                self._line.start()
            self._line.update(lazy.text.Text(text), refresh=True)

    def close(self) -> None:
        """Take it away."""
        if self._display_id is not None:
            self._publish({"text/plain": "", "text/html": ""})
        if self._line is not None:
            self._line.stop()
            self._line = None

    def _publish(self, data: dict[str, str]) -> None:
        is_new = self._display_id is None
        self._display_id = self._display_id or f"govdata-{uuid.uuid4().hex}"
        self._shell.display_pub.publish(
            data=data, transient={"display_id": self._display_id}, update=not is_new
        )


def download_text(progress: FilesProgress) -> str:
    """Return how far a download is, on one line."""
    size = _words.size_text
    missing = f", {progress.missing:,} refused or unreadable" if progress.missing else ""
    return (
        f"govdata: {progress.files_done:,} of {progress.files:,} files, "
        f"{size(progress.bytes_done)} of {size(progress.bytes)}{missing} · {progress.seconds:.0f} s"
    )
