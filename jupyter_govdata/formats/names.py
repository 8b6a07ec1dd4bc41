"""Column names: kept as they are wherever a lake can keep them.

Runs in the client process; trusts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jupyter_govdata.formats.iceberg_types import unknown_columns

MAX_NAME = 255


def column_names(raw: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return one usable name per column, and notes on those that had to change.

    An empty or blank name becomes ``column_7`` (its 1-based position), a repeated one
    ``name_2``. Names that differ only in case count as repeated, because SQL engines fold case.
    Control characters become ``_``. Everything else stays, blanks and brackets included.

    >>> column_names(["id", "", "ID"])[0]
    ['id', 'column_2', 'ID_2']
    """
    names: list[str] = []
    notes: list[str] = []
    # INVARIANT: a name that needs no change is never taken by an invented one.
    taken = {_fold(name) for name in raw if name.strip()}
    used: set[str] = set()
    for position, original in enumerate(raw, start=1):
        name = "".join(c if c.isprintable() else "_" for c in original)[:MAX_NAME]
        if not original.strip():
            name = _free(f"column_{position}", taken | used)
            notes.append(f"column {position} has no name and is called `{name}`")
        elif _fold(name) in used or (name != original and _fold(name) in taken):
            name = _free(name, taken | used)
            notes.append(f"column {position} repeats a name and is called `{name}`")
        elif name != original:
            notes.append(f"column {position} has an unprintable name and is called `{name}`")
        used.add(_fold(name))
        names.append(name)
    return names, notes


def renamed(names: Sequence[str], renames: Mapping[str, str]) -> list[str]:
    """Return `names` with the user's new names applied.

    Raises:
        LoadError: A name that the source lacks.
    """
    if error := unknown_columns(renames, names, "columns"):
        raise error
    return [renames.get(name, name) for name in names]


def _fold(name: str) -> str:
    return name.lower()


def _free(name: str, taken: set[str]) -> str:
    if name.startswith("column_") and _fold(name) not in taken:
        return name
    number = 2
    while _fold(f"{name}_{number}") in taken:
        number += 1
    return f"{name}_{number}"
