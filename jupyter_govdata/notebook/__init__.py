"""The IPython extension: ``%load_ext jupyter_govdata``. Runs in the kernel, which is untrusted.

Loading it imports IPython's magics only; DuckDB, Arrow and the client come with the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_govdata.notebook.completion import COMPLETER_ID, govsql_matcher
from jupyter_govdata.notebook.magics import GovDataMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_MAGICS = {"line": ("govdata", "govsql"), "cell": ("govsql",)}


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Register ``%govdata``, ``%govsql``, ``%%govsql`` and completion of names."""
    unload_ipython_extension(ip)
    magics = GovDataMagics(ip)
    magics.state.start()
    ip.register_magics(magics)
    completer = getattr(ip, "Completer", None)
    if completer is not None:
        completer.custom_matchers.append(govsql_matcher)


def unload_ipython_extension(ip: InteractiveShell) -> None:
    """Remove what loading registered and close the sessions that the magics opened."""
    magics = ip.magics_manager.registry.pop("GovDataMagics", None)
    if magics is not None:
        magics.state.stop()
        if magics in ip.configurables:
            ip.configurables.remove(magics)
    for kind, names in _MAGICS.items():
        for name in names:
            ip.magics_manager.magics[kind].pop(name, None)
    completer = getattr(ip, "Completer", None)
    if completer is not None:
        completer.custom_matchers[:] = [
            m
            for m in completer.custom_matchers
            if getattr(m, "matcher_identifier", "") != COMPLETER_ID
        ]


__all__ = ["load_ipython_extension", "unload_ipython_extension"]
