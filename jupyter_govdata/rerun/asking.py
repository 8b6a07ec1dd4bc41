"""What a kernel says of itself to the process that runs its notebook. Runs in the kernel.

Every function returns JSON text. The kernel belongs to the user: what it says decides only
whether the user's own earlier outputs are taken over, never what anybody may see.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def environment() -> str:
    """Return a fingerprint of Python's version and of every installed package's."""
    found: set[str] = set()
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208  (one call for every run's start)
        except OSError:
            continue
        found.update(n for n in names if n.endswith((".dist-info", ".egg-info")))
    told = "\n".join([platform.python_version(), *sorted(found)])
    return json.dumps(hashlib.sha256(told.encode()).hexdigest())


def keep(shell: Any, question: Mapping[str, Any]) -> str:
    """Return whether a query run now would be the one that was stamped: ``""``, or why not.

    If it would, the cell counts as run: the number of the next cell is one higher.

    Args:
        shell: The kernel's IPython shell.
        question: `cell_id`, `sql`, `purpose` (or None) and the cell's `stamp` as JSON.
    """
    magics = shell.magics_manager.registry.get("GovDataMagics")
    if magics is None:
        return json.dumps("the extension is not loaded")
    why = _difference(magics.session, shell.user_ns, question)
    if not why:
        shell.execution_count += 1
    return json.dumps(why)


def _difference(session: Any, variables: Mapping[str, Any], question: Mapping[str, Any]) -> str:
    names = import_module("jupyter_govdata.query.text.names")
    frames = import_module("jupyter_govdata.query.frames")
    stamps = import_module("jupyter_govdata.stamps.stamp")
    sql, stamp = question["sql"], question["stamp"]
    analysis = names.analyse(sql)
    if any(frames.is_frame(variables.get(word)) for word in analysis.words):
        return "it reads a local table"
    bound = {name: variables[name] for name in analysis.parameters if name in variables}
    now = stamps.make_stamp(
        query=sql,
        parameters=bound,
        receipts=(),
        table=None,
        ordered=False,
        wall=session.wall,
        pins={},
        status="failed",
    )
    if now.parameters_digest != stamp["parameters_digest"]:
        return "its parameters have other values"
    if dict(now.versions) != stamp["versions"] or now.wall != stamp["wall"]:
        return "it was computed in another environment"
    pins = session.pins.for_cell(question["cell_id"]).assets
    if any(pins.get(asset) != int(pin) for asset, pin in stamp["pins"].items()):
        return "other snapshots are pinned"
    me = session.whoami()
    purpose = question["purpose"] or session.purpose
    for receipt in stamp["receipts"]:
        if (receipt["principal"], receipt["purpose"]) != (me["principal"], purpose):
            return "another principal or purpose asks"
        if receipt["epoch"] != me["epoch"]:
            return f"policy or consent changed (epoch {receipt['epoch']}, now {me['epoch']})"
    return ""
