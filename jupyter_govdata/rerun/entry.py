"""What papermill's entry point names: the engine, loaded at its first use.

UPSTREAM: papermill loads every engine while its own modules are half imported, and for every
notebook, also for those that another engine runs. So nothing is imported here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class GovDataEngine:
    """Stands for `jupyter_govdata.rerun.engine.Engine`: ``papermill --engine govdata``."""

    @staticmethod
    def _engine() -> Any:
        return import_module("jupyter_govdata.rerun.engine").Engine

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Run a notebook; see `Engine.execute_notebook`."""
        return cls._engine().execute_notebook(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> Any:
        """Return the name of the kernel to run in."""
        return cls._engine().nb_kernel_name(nb, name)

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> Any:
        """Return the language of the notebook."""
        return cls._engine().nb_language(nb, language)
