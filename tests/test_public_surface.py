"""The public names: sorted, documented, and changed on purpose only."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import jupyter_govdata as gd
from jupyter_govdata import errors

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
SNAPSHOT = Path(__file__).parent / "public_surface.txt"
UPDATE = "GOVDATA_UPDATE_SURFACE"


def signature(value: Any) -> str:
    """Return the signature without what differs between Python versions (default addresses)."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(inspect.signature(value)))


def members(kind: type) -> Iterator[str]:
    for name, value in sorted(vars(kind).items()):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(value, property):
            yield f"{kind.__name__}.{name}: property"
        elif inspect.isfunction(value):
            yield f"{kind.__name__}.{name}{signature(value)}"
        elif not inspect.ismemberdescriptor(value) and not inspect.isclass(value):
            yield f"{kind.__name__}.{name}"


def surface() -> str:
    lines: list[str] = []
    for name in gd.__all__:
        value = getattr(gd, name)
        if inspect.isclass(value):
            bases = ", ".join(base.__name__ for base in value.__bases__)
            lines += [f"class {name}({bases})", *members(value)]
        elif callable(value):
            lines.append(f"{name}{signature(value)}")
        else:
            lines.append(name)
    return "\n".join(lines) + "\n"


def test_names_are_sorted_and_resolve() -> None:
    assert gd.__all__ == sorted(gd.__all__)
    for name in gd.__all__:
        assert getattr(gd, name) is not None
    assert dir(gd) == gd.__all__
    with pytest.raises(AttributeError):
        _ = gd.no_such_name  # type: ignore[attr-defined]


def test_names_are_documented() -> None:
    text = (REFERENCE / "python.md").read_text("utf-8")
    missing = [name for name in gd.__all__ if f"`{name}" not in text]
    assert not missing, f"not in docs/reference/python.md: {missing}"


@pytest.mark.parametrize("kind", ["Session", "QueryResult"])
def test_members_are_documented(kind: str) -> None:
    text = (REFERENCE / "python.md").read_text("utf-8").split(f"## {kind}")[1].split("\n## ")[0]
    names = [
        name
        for name, value in vars(getattr(gd, kind)).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    ]
    missing = [name for name in names if not re.search(rf"`{name}\b", text)]
    assert not missing, f"members of {kind} not in docs/reference/python.md: {missing}"


def test_surface_is_as_recorded() -> None:
    """A change here is a change for every user: record it, and say it in the changelog."""
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(surface(), "utf-8")
    assert surface() == SNAPSHOT.read_text("utf-8"), (
        f"the public surface changed; if you mean it: {UPDATE}=1 pytest {Path(__file__).name}"
    )


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, jupyter_govdata; "
        "print(*sorted({m.split('.')[0] for m in sys.modules} & "
        "{'duckdb', 'pyarrow', 'numpy', 'pandas', 'IPython', 'sqlalchemy'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def tree(kind: type[errors.GovDataError]) -> Iterator[type[errors.GovDataError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


def test_errors_are_documented_with_their_codes() -> None:
    text = (REFERENCE / "errors.md").read_text("utf-8")
    missing = [
        kind.__name__
        for kind in tree(errors.GovDataError)
        if f"| `{kind.__name__}` | `{kind.code}` |" not in text
    ]
    assert not missing, f"not in docs/reference/errors.md: {missing}"


def test_errors_have_codes_of_their_own() -> None:
    codes = [kind.code for kind in tree(errors.GovDataError)]
    assert len(codes) == len(set(codes))
