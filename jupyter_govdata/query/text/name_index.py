"""The names of the visible assets, in an order that makes prefixes cheap. Runs in the kernel."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence


class NameIndex:
    """Sorted names ``namespace.asset``.

    Args:
        names: In any order.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = sorted(names)
        self._called = sorted((name.partition(".")[2], name) for name in self._names)
        self.namespaces = tuple(sorted({name.partition(".")[0] for name in self._names}))

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        place = bisect_left(self._names, name)
        return place < len(self._names) and self._names[place] == name

    def starting(self, prefix: str, limit: int) -> Sequence[str]:
        """Return the first `limit` names that start with `prefix`."""
        start = bisect_left(self._names, prefix)
        found = self._names[start : start + limit]
        return [name for name in found if name.startswith(prefix)]

    def called(self, prefix: str, limit: int) -> Sequence[str]:
        """Return names whose part behind the dot starts with `prefix`."""
        start = bisect_left(self._called, (prefix, ""))
        found = self._called[start : start + limit]
        return [full for short, full in found if short.startswith(prefix)]
