"""Commands that look: ls, describe, versions, explain, sql."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.table import Table

from jupyter_govdata.cli.options import add_session_options, open_session, pairs
from jupyter_govdata.model.view import AssetView


def add_commands(commands: Any) -> None:
    """Add the commands of this module."""
    command = commands.add_parser("ls", help="list what you may see")
    command.add_argument("namespace", nargs="?", metavar="NAMESPACE")
    add_session_options(command)
    command.set_defaults(run=_ls)

    command = commands.add_parser("describe", help="show an asset's card as you see it")
    command.add_argument("asset", metavar="ASSET")
    add_session_options(command)
    command.set_defaults(run=_describe)

    command = commands.add_parser("versions", help="list an asset's snapshots")
    command.add_argument("asset", metavar="ASSET")
    add_session_options(command)
    command.set_defaults(run=_versions)

    command = commands.add_parser("explain", help="say what one may see of an asset, and why")
    command.add_argument("asset", metavar="ASSET")
    command.add_argument(
        "--as", dest="as_user", metavar="USER", help="somebody else (needs `manage`)"
    )
    add_session_options(command)
    command.set_defaults(run=_explain)

    command = commands.add_parser("sql", help="run one query and print its result")
    command.add_argument("query", metavar="SQL")
    command.add_argument("-p", "--param", action="append", default=[], metavar="NAME=VALUE")
    add_session_options(command)
    command.set_defaults(run=_sql)


def _ls(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        found = session.catalog.ls(options.namespace)
    table = Table("asset", "access", "description", box=None, header_style="bold")
    for summary in found:
        table.add_row(summary.name, summary.access, summary.description)
    Console().print(table)
    return 0


def _card(view: AssetView) -> None:
    console = Console()
    asset = view.asset
    console.print(f"[bold]{asset.name}[/]  {asset.kind}, access: {view.access}", highlight=False)
    for label, text in (
        ("description", asset.description),
        ("owner", asset.owner),
        ("steward", asset.steward),
        ("licence", asset.licence),
        ("source", asset.source),
    ):
        if text:
            console.print(f"  {label}: {text}", highlight=False, markup=False)
    if view.snapshot is not None:
        console.print(f"  snapshot: {view.snapshot.snapshot_id}", highlight=False)
    table = Table("column", "type", "shown", "description", box=None, header_style="bold")
    masked = view.masked
    for column in asset.columns:
        unit = f" [{column.unit}]" if column.unit else ""
        table.add_row(
            column.name,
            column.type,
            masked.get(column.name, "as stored"),
            (column.description + unit).replace("[", "\\["),
        )
    if asset.columns:
        console.print(table)


def _why(view: AssetView) -> None:
    print(f"{view.asset.name} for purpose `{view.purpose}`, epoch {view.epoch}: {view.access}")
    for sentence in view.why:
        print(f"  {sentence}")


def _describe(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        _card(session.catalog.describe(options.asset))
    return 0


def _versions(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        found = session.catalog.versions(options.asset)
    table = Table("snapshot", "committed", "operation", "rows", "tags", box=None)
    for snapshot in found:
        table.add_row(
            str(snapshot.snapshot_id),
            f"{snapshot.committed_at:%Y-%m-%d %H:%M:%S} UTC",
            snapshot.operation,
            "" if snapshot.total_rows is None else str(snapshot.total_rows),
            ", ".join(snapshot.tags),
        )
    Console().print(table)
    return 0


def _explain(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        _why(session.explain(options.asset, user=options.as_user, purpose=options.purpose))
    return 0


def _sql(options: argparse.Namespace) -> int:
    with open_session(options) as session:
        print(session.sql(options.query, pairs(options.param)))
    return 0
