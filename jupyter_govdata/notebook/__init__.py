"""The IPython extension: ``%load_ext jupyter_govdata``. Runs in the kernel, which is untrusted.

Loading it imports IPython's magics only; DuckDB, Arrow and the client come with the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from jupyter_govdata.notebook.completion import Completion
from jupyter_govdata.notebook.magics import GovDataMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_completions: WeakKeyDictionary[InteractiveShell, Completion] = WeakKeyDictionary()
_MAGICS = {"line": ("govdata", "govsql"), "cell": ("govsql",)}


def load_ipython_extension(ip: InteractiveShell) -> None:
    """Register ``%govdata``, ``%govsql``, ``%%govsql`` and completion of names."""
    unload_ipython_extension(ip)
    magics = GovDataMagics(ip)
    magics.state.start()
    ip.register_magics(magics)
    _completions[ip] = Completion(ip)
    _completions[ip].start()


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
    completion = _completions.pop(ip, None)
    if completion is not None:
        completion.stop()


__all__ = ["load_ipython_extension", "unload_ipython_extension"]
