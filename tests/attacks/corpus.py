"""The attacks by number, by which way each can arrive, and what says that it was tried.

A test names its attacks: `@pytest.mark.attack("T01", "T03", surface="flight")`. The marks are read
from the source, so they count whichever tests were selected; `test_corpus.py` compares them with
the tables here and in `not_applicable.py`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from tests.attacks.payloads import SQL

TESTS = Path(__file__).parent.parent
HIGHEST = 85

SURFACES = {
    "magic": "`%%govsql` and `%govdata` in a real IPython shell",
    "api": "the Python API of a session",
    "flight": "hand-made messages to the gateway",
    "rest": "the Jupyter server extension",
    "stored": "cards, columns, tags, governance files, inventory rows, notebooks",
    "storage": "the object store, data files, keys, the governance store, an identity provider",
}

_SQL = {"magic", "api", "flight", "rest", "stored"}
REACH: dict[str, set[str]] = {
    **{f"T{number:02}": _SQL for number in (*range(1, 15), 16, 17, 18, 19)},
    "T01": _SQL | {"storage"},
    "T15": _SQL | {"storage"},
    "T20": _SQL,
    "T21": _SQL,
    "T22": {"magic", "api", "flight", "rest"},
    "T23": {"magic", "api", "flight", "rest"},
    "T24": {"magic", "api", "flight"},
    "T25": {"magic", "api", "flight", "rest"},
    "T26": {"magic", "api", "flight"},
    "T27": {"magic", "api", "flight", "rest"},
    "T28": {"magic", "api", "flight", "rest"},
    "T29": {"magic", "api", "flight", "rest"},
    "T30": {"flight"},
    "T31": {"magic", "api", "flight", "rest"},
    "T32": {"api", "flight", "rest"},
    "T33": {"flight"},
    "T34": {"flight"},
    "T35": {"api", "flight"},
    "T36": {"api", "flight"},
    "T37": {"magic", "api", "flight"},
    "T38": {"api", "flight"},
    "T45": {"api", "flight"},
    "T46": {"flight", "stored", "storage"},
    "T47": {"flight", "storage"},
    "T48": {"flight", "storage"},
    "T49": {"stored", "storage"},
    "T50": {"flight", "storage"},
    "T51": {"flight", "storage"},
    "T52": {"flight"},
    "T53": {"flight", "storage"},
    "T54": {"stored"},
    "T55": {"stored", "storage"},
    "T56": {"flight", "rest"},
    "T57": {"magic", "api", "flight", "rest", "stored", "storage"},
    "T58": {"flight"},
    "T59": {"flight", "storage"},
    "T60": {"storage"},
    "T61": {"api", "flight"},
    "T63": {"flight"},
    "T64": {"flight"},
    "T65": {"flight", "storage"},
    "T66": {"api", "flight"},
    "T68": {"stored", "flight"},
    "T69": {"api"},
    "T72": {"magic", "api", "flight", "rest", "stored"},
    "T73": {"magic", "api", "flight", "rest"},
    "T74": {"flight", "storage"},
    "T75": {"flight"},
    "T76": {"magic", "rest", "stored"},
    "T78": {"api", "rest", "stored"},
    "T79": {"api", "flight"},
    "T80": {"api"},
    "T81": {"api", "flight", "rest", "stored"},
    "T82": {"api", "flight", "rest", "stored", "storage"},
    "T83": {"flight", "rest"},
    "T84": {"stored"},
    "T85": {"flight", "rest"},
}
"""Number -> every way that the attack can arrive by. A way without a test fails."""


@dataclass(frozen=True)
class Mark:
    """One use of the mark: what is tried, by which way, by which test."""

    number: str
    surface: str
    test: str


def marks(folder: Path = TESTS) -> list[Mark]:
    """Return all marks of the tests below a folder, read from their source."""
    found = []
    for path in sorted(folder.rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"), str(path))
        place = path.relative_to(folder).as_posix()
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                test = f"{place}::{node.name}"
                for decorator in node.decorator_list:
                    for call in ast.walk(decorator):
                        found += _marks_of(call, test)
    return found


def _marks_of(node: ast.AST, test: str) -> list[Mark]:
    if not isinstance(node, ast.Call) or ast.unparse(node.func) != "pytest.mark.attack":
        return []
    surfaces = [ast.literal_eval(k.value) for k in node.keywords if k.arg == "surface"]
    if len(surfaces) != 1 or len(node.keywords) != 1:
        raise ValueError(f"{test}: an attack names its surface, and nothing else by name")
    numbers: list[str] = []
    for arg in node.args:
        if isinstance(arg, ast.Starred) and ast.unparse(arg) == "*SQL":
            numbers += SQL
        else:
            numbers.append(ast.literal_eval(arg))
    return [Mark(number, surfaces[0], test) for number in numbers]
