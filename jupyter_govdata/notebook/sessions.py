"""The sessions of a notebook, by name. Runs in the kernel.

SECURITY: a session holds a token, so it stays here and never gets into the user's namespace.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.notebook import lazy
from jupyter_govdata.notebook.settings import GovSql

if TYPE_CHECKING:
    from jupyter_govdata.session import Session

FIRST = "main"
"""Name of a session that was given none."""

_NAME = re.compile(r"[^\W\d][\w-]{0,62}")


class Sessions:
    """Open sessions by name; one of them is the current one.

    Args:
        settings: What a session is opened with by default.
    """

    def __init__(self, settings: GovSql) -> None:
        self._settings = settings
        self._open: dict[str, Session] = {}
        self._current = FIRST

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[tuple[str, Session]]:
        return iter(tuple(self._open.items()))

    @property
    def current_name(self) -> str:
        """Name of the session that queries use."""
        return self._current

    def current(self) -> Session:
        """Return the session that queries use; the first one is opened here."""
        if self._current not in self._open:
            self.open(None, self._current)
        return self._open[self._current]

    def named(self, name: str | None) -> Session:
        """Return the session of a name; None is the current one.

        Raises:
            ConfigError: There is none of that name.
        """
        if name is None:
            return self.current()
        if name not in self._open:
            raise self._unknown(name)
        return self._open[name]

    def name_of(self, session: Session) -> str | None:
        """Return the name of a session, or None if it was opened in Python."""
        return next((name for name, other in self if other is session), None)

    def open(
        self,
        target: str | None,
        name: str | None = None,
        *,
        user: str | None = None,
        purpose: str | None = None,
    ) -> Session:
        """Open a session and make it the current one; it replaces one of the same name."""
        name = name or FIRST
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"`{name}` is not a name for a session", hint="letters, digits, `_` and `-`"
            )
        settings = self._settings
        opened: Session = lazy.session.connect(
            target or settings.target or None,
            user=user or settings.user or None,
            purpose=purpose or settings.purpose or None,
        )
        replaced = self._open.pop(name, None)
        if replaced is not None:
            replaced.close()
        self._open[name] = opened
        self._current = name
        return opened

    def use(self, name: str) -> Session:
        """Make a session the current one.

        Raises:
            ConfigError: There is none of that name.
        """
        found = self.named(name)
        self._current = name
        return found

    def close(self, name: str | None = None) -> None:
        """Close a session, the current one by default; another open one becomes current.

        Raises:
            ConfigError: There is none of that name.
        """
        if name is None and not self._open:
            return
        closing = self.named(name or self._current)
        self._open = {n: session for n, session in self if session is not closing}
        if self._current not in self._open:
            self._current = next(iter(self._open), FIRST)
        closing.close()

    def close_all(self) -> None:
        """Close every session."""
        while self._open:
            self._open.popitem()[1].close()
        self._current = FIRST

    def _unknown(self, name: str) -> ConfigError:
        close = get_close_matches(name, self._open, n=1)
        known = ", ".join(f"`{n}`" for n in self._open) or "none"
        hint = f"did you mean `{close[0]}`?" if close else f"open sessions: {known}"
        return ConfigError(f"no session is named `{name}`", hint=hint)
