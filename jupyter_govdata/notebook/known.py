"""What completion knows of a session: names, cards, versions. Runs in the kernel.

Only what the gateway showed this principal, and only while the policy state is the one it was
shown under. All calls are made in threads of their own; whoever types waits for a moment at most,
so a gateway that is slow or gone costs proposals and never holds the kernel up.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from jupyter_govdata.model.asset import Snapshot
from jupyter_govdata.model.view import Access, AssetView
from jupyter_govdata.notebook.lazy import LazyModule
from jupyter_govdata.query.text.name_index import NameIndex
from jupyter_govdata.query.text.scope import KnownColumn

if TYPE_CHECKING:
    from jupyter_govdata.session import Session

_vocabulary = LazyModule("jupyter_govdata.query.text.vocabulary")

WAIT_SECONDS = 0.25
"""What one completion waits for the gateway, all its questions together."""

_BADGE_SECONDS = 0.015  # badges are nice to have: they come with the next key
_SLOW_WAIT_SECONDS = 0.02  # while the gateway is slow or gone
_CONFIRMED_SECONDS = 1.0
_KEPT_SECONDS = 60.0  # for what is new without a change of the policy state
_AFTER_FAILURE_SECONDS = 5.0
_LISTED_ASSETS = 100  # of a namespace whose rows' access is asked for
# A mask may change the type; the card then tells Arrow's.
_TYPES = {
    "bool": "boolean",
    "date32[day]": "date",
    "int32": "int",
    "int64": "long",
    "timestamp[us]": "timestamp",
    "timestamp[us, tz=UTC]": "timestamptz",
}
_DONE: dict[Access, str] = {"filtered": "filtered", "masked": "masked", "none": "refused"}


_EXIT_SECONDS = 2.0
_threads: WeakSet[threading.Thread] = WeakSet()


@atexit.register
def _let_end() -> None:
    """Wait for what is asked: a thread that the interpreter stops inside Flight aborts it."""
    deadline = time.monotonic() + _EXIT_SECONDS
    for thread in tuple(_threads):
        thread.join(max(0.0, deadline - time.monotonic()))


class Answers:
    """Answers to questions that are asked in the background, each once.

    Args:
        age: Seconds after which a question is asked again.
    """

    def __init__(self, age: float = _KEPT_SECONDS) -> None:
        self._age = age
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}
        self._asking: dict[str, threading.Event] = {}
        self._not_before: dict[str, float] = {}

    def get(self, key: str, ask: Callable[[], Any], until: float) -> Any:
        """Return the answer, None if there is none by the moment `until`.

        An old answer is returned while it is asked for again.

        Args:
            key: The question.
            ask: Asks it; called in a thread.
            until: On the monotonic clock.
        """
        asking = self.start(key, ask)
        if asking is not None and key not in self._kept:
            asking.wait(max(0.0, until - time.monotonic()))
        kept = self._kept.get(key)
        return None if kept is None else kept[1]

    def new(self, key: str, ask: Callable[[], Any], until: float) -> Any:
        """Return the answer as `get` does, but none that is old."""
        asking = self.start(key, ask)
        if asking is not None and not asking.wait(max(0.0, until - time.monotonic())):
            return None
        kept = self._kept.get(key)
        return None if kept is None else kept[1]

    def start(self, key: str, ask: Callable[[], Any]) -> threading.Event | None:
        """Ask in the background; return what to wait for, or None if that would be in vain."""
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(key)
            is_new = kept is not None and now - kept[0] <= self._age
            if is_new or now < self._not_before.get(key, 0.0):
                return None
            asking = self._asking.get(key)
            if asking is None:
                asking = self._asking[key] = threading.Event()
                run = threading.Thread(target=self._ask, args=(key, ask, asking), daemon=True)
                _threads.add(run)
                run.start()
            return asking

    def _ask(self, key: str, ask: Callable[[], Any], asking: threading.Event) -> None:
        try:
            answer = ask()
        except Exception:  # noqa: BLE001  # refused, unreachable, closed: there is no answer
            with self._lock:
                self._kept.pop(key, None)
                self._not_before[key] = time.monotonic() + _AFTER_FAILURE_SECONDS
        else:
            with self._lock:
                self._kept[key] = (time.monotonic(), answer)
        finally:
            with self._lock:
                self._asking.pop(key, None)
            asking.set()


class Shown:
    """What one session was shown under one purpose.

    Args:
        session: Whose.
        purpose: Of the query that is typed; None for the session's own.
    """

    def __init__(self, session: Session, purpose: str | None) -> None:
        self._session = session
        self._purpose = purpose
        self._answers = Answers()
        self._epochs = Answers(_CONFIRMED_SECONDS)
        self._until = 0.0
        self._slow_until = 0.0

    @property
    def waits(self) -> float:
        """Seconds that a completion waits for the gateway at most."""
        is_slow = time.monotonic() < self._slow_until
        return _SLOW_WAIT_SECONDS if is_slow else WAIT_SECONDS

    def warm(self) -> None:
        """Fetch names and DuckDB's words in the background, for the first completion."""
        self._answers.start("names", self._names)
        self._epochs.start("words", _vocabulary.vocabulary)

    def begin(self) -> bool:
        """Start a completion; return whether what is known is of the current policy state.

        After a gateway that did not answer in time, completions do not wait for a while.
        """
        self._until = time.monotonic() + self.waits
        epoch = self._epochs.new("epoch", self._session.epoch, self._until)
        named = self._answers.get("names", self._names, self._until)
        if named is not None and epoch is not None and named[0] < epoch:
            self._answers = Answers()
            named = self._answers.get("names", self._names, self._until)
        is_current = epoch is not None and named is not None and named[0] >= epoch
        self._slow_until = 0.0 if is_current else time.monotonic() + _AFTER_FAILURE_SECONDS
        return is_current

    def names(self) -> NameIndex:
        """Return the visible assets."""
        named = self._answers.get("names", self._names, self._until)
        return named[1] if named is not None else NameIndex()

    def card(self, asset: str) -> AssetView | None:
        """Return the card of a visible asset."""
        if asset not in self.names():
            return None
        found: AssetView | None = self._answers.get(
            f"card {asset}", lambda: self._session.view(asset, None, self._purpose), self._until
        )
        return found

    def columns(self, asset: str) -> list[KnownColumn]:
        """Return the visible columns of an asset."""
        card = self.card(asset)
        if card is None:
            return []
        facts = {column.name: column for column in card.asset.columns}
        found = []
        for access in card.columns:
            fact = facts.get(access.column)
            kinds = [_TYPES.get(fact.type, fact.type), fact.unit] if fact else []
            if access.mask is not None:
                is_pseudonym = access.mask == "pseudonym"
                kinds.append("pseudonymised" if is_pseudonym else f"masked: {access.mask}")
            kind = " · ".join(filter(None, kinds)) or "column"
            found.append(KnownColumn(access.column, kind, fact.domain if fact else ""))
        return found

    def access(self, assets: Sequence[str]) -> Mapping[str, str]:
        """Return what is done to the rows of assets, where the gateway said so already."""
        namespaces = {name.partition(".")[0] for name in assets}
        index = self.names()
        found: dict[str, str] = {}
        until = min(self._until, time.monotonic() + _BADGE_SECONDS)
        for namespace in namespaces if len(namespaces) == 1 else ():
            if len(index.starting(f"{namespace}.", _LISTED_ASSETS + 1)) <= _LISTED_ASSETS:
                found |= self._answers.get(f"ls {namespace}", self._ls(namespace), until) or {}
        return {name: _DONE[done] for name, done in found.items() if done in _DONE}

    def versions(self, asset: str) -> Sequence[tuple[int, str, tuple[str, ...]]]:
        """Return snapshot id, description and tags of an asset's versions, newest first."""
        if asset not in self.names():
            return ()
        found = self._answers.get(
            f"versions {asset}", lambda: self._session.catalog.versions(asset), self._until
        )
        return [(s.snapshot_id, _described(s), s.tags) for s in found or ()]

    def purposes(self) -> Sequence[str]:
        """Return the declared purposes."""
        me = self._answers.get("whoami", self._session.whoami, self._until)
        return tuple(me.get("purposes", ())) if me else ()

    def _names(self) -> tuple[int, NameIndex]:
        epoch, names = self._session.catalog.names(self._purpose)
        return epoch, NameIndex(names)

    def _ls(self, namespace: str) -> Callable[[], dict[str, Access]]:
        return lambda: {
            summary.name: summary.access
            for summary in self._session.catalog.ls(namespace, self._purpose)
        }


def _described(snapshot: Snapshot) -> str:
    rows = "" if snapshot.total_rows is None else f" · {snapshot.total_rows:,} rows"
    return f"{snapshot.committed_at:%Y-%m-%d %H:%M} · {snapshot.operation}{rows}"


_shown: WeakKeyDictionary[Session, dict[tuple[str | None, str | None], Shown]] = WeakKeyDictionary()


def shown_to(session: Session, purpose: str | None = None) -> Shown:
    """Return what a session was shown under a purpose, its own by default."""
    by_purpose = _shown.setdefault(session, {})
    key = (purpose, session.purpose)
    if key not in by_purpose:
        by_purpose[key] = Shown(session, purpose)
    return by_purpose[key]


__all__ = ["WAIT_SECONDS", "Answers", "Shown", "shown_to"]
