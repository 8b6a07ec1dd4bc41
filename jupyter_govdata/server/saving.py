"""The pre-save hook: stamps of a notebook's outputs go into its metadata as it is saved.

Runs in the Jupyter server, before any other pre-save hook, for one that clears outputs would take
the stamps along. Whatever goes wrong here is logged, and the notebook is saved as it is.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.stamps.folding import NAMESPACE, fold_stamps
from jupyter_govdata.stamps.reading import read_notebook

Hook = Callable[..., Any]


def install(manager: Any, log: logging.Logger) -> None:
    """Fold stamps on every save of a contents manager; a hook that it has runs after ours."""
    hook = FoldHook(log, getattr(manager, "pre_save_hook", None))
    if hook.following is not None:
        with warnings.catch_warnings():
            # It warns that a hook is replaced; ours calls the one that was there.
            warnings.simplefilter("ignore")
            manager.pre_save_hook = hook
    elif hasattr(manager, "register_pre_save_hook"):
        manager.register_pre_save_hook(hook)
    elif hasattr(manager, "pre_save_hook"):
        manager.pre_save_hook = hook
    else:
        log.warning("jupyter_govdata: this contents manager has no save hooks; stamps are not kept")


class FoldHook:
    """A pre-save hook that folds stamps and then calls the hook that was there before."""

    __name__ = "fold_stamps"

    def __init__(self, log: logging.Logger, following: Hook | None) -> None:
        self._log = log
        self.following = following

    def __call__(
        self, model: dict[str, Any], path: str, contents_manager: Any = None, **more: Any
    ) -> None:
        """Fold; never fails a save, but the other hook may (it raises an `HTTPError`)."""
        try:
            _fold(model, path, contents_manager)
        except Exception:  # noqa: BLE001  (a stamp that is not folded must not cost a notebook)
            self._log.warning("jupyter_govdata: the stamps were not folded", exc_info=True)
        if self.following is not None:
            self.following(model=model, path=path, contents_manager=contents_manager, **more)


def _fold(model: Mapping[str, Any], path: str, manager: Any) -> None:
    nb = model.get("content")
    if model.get("type") != "notebook" or not isinstance(nb, dict) or nb.get("nbformat") != 4:
        return
    fold_stamps(nb, _replaced(path, manager))


def _replaced(path: str, manager: Any) -> Mapping[str, Any] | None:
    """Return the notebook that is in the file now, if it is a file and has copies of stamps."""
    locate = getattr(manager, "_get_os_path", None)
    if locate is None:
        return None
    file = Path(locate(path.strip("/")))
    try:
        return read_notebook(file) if file.is_file() and _mentions(file) else None
    except (ConfigError, OSError):
        return None  # it is being replaced; what was wrong with it does not matter


def _mentions(file: Path) -> bool:
    """Return whether the file may have copies of stamps, without parsing it."""
    word = NAMESPACE.encode()
    with file.open("rb") as content:
        tail = b""
        while block := content.read(1 << 20):
            if word in tail + block:
                return True
            tail = block[-len(word) :]
    return False
