"""``jupyter govdata report``: a notebook as one HTML file, with an appendix of its provenance.

Runs on the user's side. The notebook is untrusted text: what it shows is sanitised, and every
word of the appendix is escaped. The page loads nothing from elsewhere.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import os
from pathlib import Path
from typing import Any

from jupyter_govdata.cli.appendix import STYLE, Committed, appendix
from jupyter_govdata.cli.options import add_session_options, open_session
from jupyter_govdata.cli.sanitising import clean_html
from jupyter_govdata.errors import ConfigError, GovDataError, MissingExtraError, StorageError
from jupyter_govdata.query.cell import cell_queries
from jupyter_govdata.stamps.export.record import record
from jupyter_govdata.stamps.reading import read_notebook
from jupyter_govdata.stamps.verifying import Keyset, check_notebook

_NOTHING_REMOTE = (
    "jquery_url",
    "mathjax_url",
    "mermaid_js_url",
    "require_js_url",
    "widget_renderer_url",
)


def add_commands(commands: Any) -> None:
    """Add the command of this module."""
    command = commands.add_parser(
        "report", help="write a notebook as HTML, with an appendix of its provenance"
    )
    command.add_argument("notebook", type=Path, metavar="NB")
    command.add_argument("-o", "--out", type=Path, metavar="FILE", help="HTML (NB.html)")
    command.add_argument("--no-code", action="store_true", help="leave out the code of cells")
    command.add_argument(
        "--trusted", action="store_true", help="keep scripts and styles of outputs as they are"
    )
    command.add_argument(
        "--key",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="public keys of the gateway (PEM), to check the receipts with",
    )
    add_session_options(command)
    command.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    out = options.out or options.notebook.with_suffix(".html")
    nb = read_notebook(options.notebook)
    run = record(nb, options.notebook.name, queries_of=_queries)
    keys = [path.read_bytes() for path in options.key]
    committed: Committed = {}
    if _is_named(options):
        with open_session(options) as session:
            keys = keys or [pem.encode() for pem in session.public_keys]
            committed = _committed(
                session, {r.asset for q in run.queries for r in q.stamp.receipts}
            )
    checked = (
        {cell.name: cell for cell in check_notebook(nb, Keyset(keys), _queries)} if keys else {}
    )
    page = _page(options)
    # What the notebook shows is sanitised or the user's own; the appendix goes behind all of it.
    body, end, rest = page.rpartition("</body>")
    text = f"{body}<style>{STYLE}</style>{appendix(run, checked, committed)}{end}{rest}"
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise StorageError(f"`{out}` cannot be written: {exc.strerror}") from exc
    print(out)
    return 0


def _queries(source: str) -> list[str]:
    return [query.sql for query in cell_queries(source) if query.is_stamped]


def _is_named(options: argparse.Namespace) -> bool:
    """Return whether a lake is named; none is made to write a report."""
    named = ("GOVDATA_GATEWAY", "GOVDATA_LAKE")
    return bool(options.lake or Path("govdata.toml").exists() or any(map(os.environ.get, named)))


def _committed(session: Any, assets: set[str]) -> Committed:
    """Return when snapshots were committed, of the assets that one may read."""
    found: dict[tuple[str, int], dt.datetime] = {}
    for asset in sorted(assets):
        try:
            versions = session.catalog.versions(asset)
        except GovDataError:
            continue
        found |= {(asset, v.snapshot_id): v.committed_at for v in versions}
    return found


def _page(options: argparse.Namespace) -> str:
    try:
        nbformat = importlib.import_module("nbformat")
        nbconvert = importlib.import_module("nbconvert")
    except ImportError as exc:
        raise MissingExtraError.for_extra("report", "a report") from exc
    exporter = nbconvert.HTMLExporter(
        template_name="lab",
        sanitize_html=not options.trusted,
        exclude_input=options.no_code,
        **dict.fromkeys(_NOTHING_REMOTE, ""),
    )
    if not options.trusted:
        exporter.register_filter("clean_html", clean_html)
    try:
        nb = nbformat.v4.upgrade(nbformat.read(options.notebook, as_version=4))
    except (OSError, ValueError, KeyError, nbformat.ValidationError) as exc:
        raise ConfigError(f"`{options.notebook}` is not a notebook") from exc
    page, _ = exporter.from_notebook_node(nb, {"metadata": {"name": options.notebook.stem}})
    return str(page)
