"""The tour: a notebook over the demo lake, opened in JupyterLab or run in the terminal.

Runs on the client side. The notebook finds its lake by ``GOVDATA_LAKE``.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.text import Text

from jupyter_govdata.errors import ConfigError, MissingExtraError, StorageError

NAME = "01_tour.ipynb"
CELL_SECONDS = 120
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def tour_notebook() -> Path:
    """Return the tour as it is shipped: in the package, or in a checkout beside it.

    Raises:
        ConfigError: It is in neither place.
    """
    here = Path(__file__).parent
    for folder in (here / "notebooks", here.parents[1] / "example_notebooks"):
        if (folder / NAME).is_file():
            return folder / NAME
    raise ConfigError(
        f"the tour `{NAME}` is not installed", hint="run it from a checkout of the repository"
    )


def run_tour(lake: str | Path, *, console: Console | None = None) -> int:
    """Run the tour on a demo lake and print its cells with their outputs.

    Returns:
        0 if every cell ran, 1 if one failed; the failing cell is printed.

    Raises:
        MissingExtraError: The extra `demo` is not installed.
    """
    nbformat, nbclient = _need("nbformat"), _need("nbclient")
    out = console or Console()
    notebook = nbformat.read(tour_notebook(), as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        # The kernel's remarks about itself do not belong into the tour.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    failure: Exception | None = None
    try:
        client.execute(env=_environment(lake))
    except nbclient.exceptions.CellExecutionError as exc:
        failure = exc
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.execution_count is None:
            break
        _print_cell(out, cell)
    if failure is not None:
        out.print("[red]the tour stopped at this cell[/red]")
    return 0 if failure is None else 1


def open_tour(lake: str | Path) -> int:
    """Open a copy of the tour beside the lake in JupyterLab; return when it ends.

    The copy is made once: what the user writes into it stays.

    Raises:
        MissingExtraError: JupyterLab is not installed.
        StorageError: The copy cannot be written.
    """
    _need("jupyterlab")
    folder = Path(lake).expanduser().absolute()
    copy = folder / "notebooks" / NAME
    try:
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists():
            shutil.copyfile(tour_notebook(), copy)
    except OSError as exc:
        raise StorageError(f"the tour cannot be copied into `{copy.parent}`") from exc
    # In a container one is root, and JupyterLab wants to hear that this is meant.
    root = ["--allow-root"] if os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *root, str(copy)]
    return subprocess.run(command, env=_environment(folder), check=False).returncode  # noqa: S603


def _environment(lake: str | Path) -> Mapping[str, str]:
    return os.environ | {"GOVDATA_LAKE": str(Path(lake).expanduser().absolute())}


def _need(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        raise MissingExtraError.for_extra("demo", "the tour") from exc


def _print_cell(out: Console, cell: Any) -> None:
    if cell.cell_type == "markdown":
        out.print(Markdown(cell.source))
        return
    language = "sql" if cell.source.startswith("%%govsql") else "python"
    out.print(Syntax(cell.source, language, background_color="default", word_wrap=True))
    for output in cell.outputs:
        text = _text(output)
        if text:
            out.print(Text(text.rstrip()))
    out.print()


def _text(output: Any) -> str:
    """Return what an output shows in a terminal; a traceback is its last line."""
    if output.output_type == "stream":
        return _ANSI.sub("", output.text)
    if output.output_type == "error":
        return f"{output.ename}: {_ANSI.sub('', output.evalue)}"
    found = output.data.get("text/plain", "")
    return _ANSI.sub("", found if isinstance(found, str) else "".join(found))
