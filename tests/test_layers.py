"""The shape of the house: who may import whom, which room owns which SDK, how long a part may be.

The tables below are the architecture. To change an arrow is an architecture decision: write it
into `docs/adr/` and then here.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "jupyter_govdata"
TOP = "jupyter_govdata"

ZERO = {"errors", "model"}
ROOMS: dict[str, tuple[set[str], str]] = {
    # room: (rooms it may import, why)
    "errors": (set(), "layer 0: the standard library only"),
    "model": ({"errors"}, "layer 0: words of the house, the standard library only"),
    "config": (ZERO, "pure: settings are read by whoever starts, never at import"),
    "policy": (ZERO, "pure: Cedar in, decisions out"),
    "stamps": (ZERO, "pure: read wherever a notebook is read"),
    "formats": (ZERO, "client side: files of strangers are parsed outside the gateway"),
    "client": (ZERO | {"config", "stamps"}, "kernel: speaks to the gateway, never is one"),
    "query": (ZERO | {"stamps"}, "kernel: the user's SQL; reads through a protocol it defines"),
    "catalog": (ZERO | {"config"}, "gateway: the only room that knows Iceberg"),
    "storage": (ZERO | {"config"}, "gateway: reads table files"),
    "ledger": (ZERO | {"config"}, "gateway: the governance store"),
    "gateway": (
        ZERO | {"config", "policy", "stamps", "catalog", "storage", "ledger"},
        "gateway: the composer; the only place where data and permission meet",
    ),
    "files": (
        ZERO | {"config", "client", "query", "stamps"},
        "kernel: files, and tables that are read from theirs, as granted; a session asks for them",
    ),
    "session": (
        ZERO | {"config", "client", "files", "query", "formats", "stamps"},
        "kernel: the composer of what a surface needs",
    ),
    "notebook": (
        ZERO | {"config", "session", "files", "query", "stamps"},
        "surface; `files` for what a session returns",
    ),
    "rerun": (
        ZERO | {"config", "session", "query", "stamps"},
        "surface: runs notebooks in kernels of their own; `asking` runs inside such a kernel",
    ),
    "server": (
        ZERO | {"config", "session", "query", "stamps"},
        "surface: runs in the Jupyter server, with a session of its own that no kernel keeps busy",
    ),
    "demo": (ZERO | {"config", "session", "query", "stamps"}, "surface"),
    "cli": (
        ZERO | {"config", "session", "files", "query", "stamps", "formats", "demo", "rerun"},
        "surface: starts a gateway as a process of its own, and may open the demo",
    ),
    "__init__": (
        ZERO | {"session", "query", "notebook", "server"},
        "the public names, resolved lazily",
    ),
    "__main__": ({"cli"}, "python -m jupyter_govdata"),
}
BEHIND_THE_WALL = {"gateway", "catalog", "storage", "ledger", "policy"}

OWNERS: dict[str, tuple[set[str], str]] = {
    # third-party module: (rooms or files that may import it, why)
    "boto3": ({"storage/s3_client.py"}, "optional extra: S3 and its token service"),
    "botocore": ({"storage/s3_client.py"}, "comes with boto3"),
    "urllib3": ({"storage/s3_client.py"}, "comes with boto3, whose streams raise its errors"),
    "cedarpy": ({"policy/cedar.py"}, "partial evaluation is experimental upstream: one module"),
    "cryptography": ({"stamps", "gateway"}, "signing stays in the gateway, checking in stamps"),
    "duckdb": ({"query", "storage", "formats"}, "the user's engine, the reader, the CSV sniffer"),
    "IPython": ({"notebook", "query"}, "surfaces of the notebook"),
    "jupyter_client": ({"rerun"}, "says which kernels are installed"),
    "jwt": ({"client", "gateway"}, "tokens are minted by clients and checked by the gateway"),
    "narwhals": ({"query/plotting.py"}, "a protocol of the plotting library that asks"),
    "nbclient": ({"demo", "rerun"}, "runs the tour; under papermill"),
    "nbformat": ({"stamps", "demo", "rerun", "cli/reporting.py"}, "notebooks"),
    "nbconvert": ({"cli/reporting.py"}, "optional extra: a notebook as a page"),
    "bleach": ({"cli/sanitising.py"}, "optional extra: comes with nbconvert"),
    "papermill": ({"rerun"}, "optional extra: the engine is written against its classes"),
    "pandas": ({"query", "formats", "session"}, "optional extra"),
    "traitlets": ({"notebook", "server"}, "settings; comes with IPython"),
    "jupyter_core": (
        {"notebook", "server"},
        "folders of configuration files; comes with every kernel",
    ),
    "jupyter_server": ({"server"}, "optional extra: routes, and who may ask"),
    "tornado": ({"server"}, "what Jupyter's routes are made of; comes with Jupyter server"),
    "ipywidgets": ({"notebook"}, "optional extra"),
    "polars": ({"query", "formats", "session"}, "optional extra"),
    "fsspec": ({"files"}, "optional extra: files as a filesystem"),
    "torch": ({"files"}, "optional extra: files as a dataset"),
    "prometheus_client": ({"gateway"}, "metrics"),
    "psycopg": ({"ledger", "formats"}, "optional extra"),
    "pyarrow.flight": ({"client", "gateway"}, "the wire"),
    "PIL": ({"server/drawing.py"}, "optional extra: pictures, in a process of their own"),
    "pydicom": (
        {"demo/pack.py", "server/drawing.py"},
        "packs the demo's images, which the demo does not need; optional extra: pictures",
    ),
    "pyiceberg": ({"catalog"}, "the only user of PyIceberg"),
    "pyreadstat": ({"formats"}, "optional extra"),
    "h5py": ({"formats"}, "optional extra"),
    "rich": ({"cli", "demo", "notebook", "query"}, "text for terminals"),
    "sqlalchemy": (
        {"ledger", "formats", "catalog/errors.py", "catalog/heads.py"},
        "the store, databases that are loaded from, and what stands in PyIceberg's SQL catalog",
    ),
    "yaml": ({"policy"}, "governance files"),
}
# Arrow, and vectors over its buffers, are the common tongue above layer 0 (Flight is owned).
ANYWHERE = {"numpy", "pyarrow"}
OPTIONAL = {
    "pandas",
    "polars",
    "fsspec",
    "torch",
    "narwhals",
    "pyreadstat",
    "h5py",
    "psycopg",
    "PIL",
    "pydicom",
    "IPython",
    "nbformat",
    "jupyter_core",
    "ipywidgets",
    "boto3",
    "botocore",
    "urllib3",
}

MODULE_LINES = 400
FUNCTION_LINES = 80


@dataclass(frozen=True)
class Import:
    file: str
    line: int
    target: str
    inside_function: bool
    for_types: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.target}"


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(file: str) -> str:
    first = file.split("/", maxsplit=1)[0]
    return first.removesuffix(".py")


def lazy_target(call: ast.Call) -> str | None:
    """Return the module that `LazyModule("...")` or `import_module("...")` names."""
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in ("LazyModule", "import_module") and call.args:
        first = call.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value
    return None


def imports_of(path: Path) -> Iterator[Import]:
    def visit(node: ast.AST, inside: bool, types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            deeper = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            typing = types or (
                isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            )
            if isinstance(child, ast.Import):
                for name in child.names:
                    yield Import(relative(path), child.lineno, name.name, inside, types)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{relative(path)}:{child.lineno}: relative import"
                module = child.module or ""
                for name in child.names:
                    full = f"{module}.{name.name}"
                    yield Import(relative(path), child.lineno, full, inside, types)
            elif isinstance(child, ast.Call) and (target := lazy_target(child)):
                # A lazy stand-in is an arrow like any other; it cannot make a circle at import.
                yield Import(relative(path), child.lineno, target, False, True)
            yield from visit(child, deeper, typing)

    return visit(tree(path), inside=False, types=False)


def all_imports() -> list[Import]:
    return [found for path in modules() for found in imports_of(path)]


def target_room(target: str) -> str | None:
    parts = target.split(".")
    if parts[0] != TOP:
        return None
    if len(parts) == 1 or parts[1].startswith("__"):
        return "__init__"
    return parts[1] if parts[1] in ROOMS else "__init__"


def owned_by(target: str) -> str | None:
    names = [name for name in OWNERS if target == name or target.startswith(name + ".")]
    return max(names, key=len, default=None)


def test_rooms_every_module_is_in_a_known_room() -> None:
    unknown = [relative(p) for p in modules() if room_of(relative(p)) not in ROOMS]
    assert not unknown, f"modules of no known room: {unknown}"


def test_rooms_import_only_what_the_table_allows() -> None:
    wrong = []
    for found in all_imports():
        room, target = room_of(found.file), target_room(found.target)
        if target is None or target == room or found.target == f"{TOP}.__version__":
            continue
        allowed, why = ROOMS[room]
        if target not in allowed:
            wrong.append(f"{found} (room `{room}` is {why})")
    assert not wrong, "\n".join(wrong)


def test_wall_only_the_gateway_imports_what_is_behind_it() -> None:
    """Nothing in a kernel's process may hold a reader, a policy or a store (invariant 6)."""
    wrong = [
        str(found)
        for found in all_imports()
        if target_room(found.target) in BEHIND_THE_WALL
        and room_of(found.file) not in BEHIND_THE_WALL
    ]
    assert not wrong, "\n".join(wrong)


def test_sdks_are_imported_by_their_owners_only() -> None:
    wrong = []
    for found in all_imports():
        name = owned_by(found.target)
        if name is None:
            continue
        owners, why = OWNERS[name]
        if not ({room_of(found.file), found.file} & owners):
            wrong.append(f"{found}: `{name}` belongs to {sorted(owners)} ({why})")
    assert not wrong, "\n".join(wrong)


def test_sdks_every_third_party_import_has_an_owner() -> None:
    known = set(sys.stdlib_module_names) | ANYWHERE | {TOP}
    unknown = [
        str(found)
        for found in all_imports()
        if found.target.split(".")[0] not in known and owned_by(found.target) is None
    ]
    assert not unknown, "\n".join(unknown)


def test_layer_zero_imports_the_standard_library_only() -> None:
    wrong = [
        str(found)
        for found in all_imports()
        if room_of(found.file) in ZERO
        and target_room(found.target) not in ZERO
        and found.target.split(".")[0] not in sys.stdlib_module_names
    ]
    assert not wrong, "\n".join(wrong)


def test_functions_import_optional_extras_only() -> None:
    """An import inside a function hides an arrow or a circle; optional extras may be lazy."""
    wrong = [
        str(found)
        for found in all_imports()
        if found.inside_function and found.target.split(".")[0] not in OPTIONAL
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_have_no_circles() -> None:
    names = {
        f"{TOP}.{relative(p)[:-3].replace('/', '.')}".removesuffix(".__init__") for p in modules()
    }
    graph: dict[str, set[str]] = {name: set() for name in names}
    for path in modules():
        name = f"{TOP}.{relative(path)[:-3].replace('/', '.')}".removesuffix(".__init__")
        for found in imports_of(path):
            target = "" if found.for_types else found.target
            while target and target not in names:
                target = target.rpartition(".")[0]
            # The package itself resolves its names lazily, so nothing is imported by importing it.
            if target and target not in (name, TOP) and name != TOP:
                graph[name].add(target)
    done: set[str] = set()

    def walk(node: str, trail: tuple[str, ...]) -> None:
        assert node not in trail, " -> ".join([*trail[trail.index(node) :], node])
        if node in done:
            return
        for target in sorted(graph[node]):
            walk(target, (*trail, node))
        done.add(node)

    for name in sorted(graph):
        walk(name, ())


@pytest.mark.parametrize("path", modules(), ids=relative)
def test_module_is_short_enough_to_read(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES, f"{relative(path)} has {lines} lines: two rooms in one?"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.lineno + 1
            assert length <= FUNCTION_LINES, f"{relative(path)}: `{node.name}` has {length} lines"
