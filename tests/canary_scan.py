"""A pytest plugin: when all tests have run, nothing that they wrote or printed holds a secret.

Looked at are all files below the temporary folder of the run, what tests printed and logged,
their tracebacks, IPython's history and core dumps. Looked for are planted canaries
(`tests/canaries.py`), the keys of every lake that was made, and anything that is a private key or
a signed token by its form. A find fails the run; the report names the place and not the secret.
"""

from __future__ import annotations

import base64
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.canaries import MARK, may_hold
from tests.evidence import record

TOKEN = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}")
PRIVATE = b"PRIVATE KEY-----"
KEYS = ("ticket.key", "pseudonym.key", "embedded.key")
UNREADABLE = (OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What packed files raise that are damaged, encrypted or packed in an unknown way."""
MOST_BYTES = 100_000_000
LEAST_DIFFERENT = 8
"""Bytes of a key that are different; those that tests have damaged stand everywhere."""
TEXT_LIMIT = 10_000_000
"""Characters of printed text that are kept to be searched for lakes' keys."""


@dataclass(frozen=True)
class Find:
    """A secret where none may be."""

    kind: str
    place: str

    def __str__(self) -> str:
        return f"{self.kind} in {self.place}"


def forms(folder: Path) -> list[tuple[str, bytes]]:
    """Return the keys of a lake in every form that a leak of them may have."""
    found: list[tuple[str, bytes]] = []
    for name in KEYS:
        with suppress(OSError, ValueError):
            text = (folder / name).read_bytes().strip()
            raw = bytes.fromhex(text.decode())
            if len(set(raw)) < LEAST_DIFFERENT:
                continue
            shapes = {text, text.upper(), raw, base64.b64encode(raw).rstrip(b"=")}
            shapes.add(base64.urlsafe_b64encode(raw).rstrip(b"="))
            found += [(f"the key {name} of a lake", shape) for shape in shapes]
    with suppress(OSError, IndexError):
        found.append(("a signing key", (folder / "signing.key").read_bytes().splitlines()[1]))
    return found


def contents(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, unpacked where it is packed."""
    with suppress(OSError):
        data = path.read_bytes()
        yield data
        if data[:4] == b"PAR1" and data[-4:] == b"PAR1":
            with suppress(pa.ArrowException):
                sink = pa.BufferOutputStream()
                table = pq.read_table(path)
                with pa.ipc.new_stream(sink, table.schema) as writer:
                    writer.write_table(table)
                yield sink.getvalue().to_pybytes()
        elif data[:2] == b"\x1f\x8b":
            with suppress(*UNREADABLE), gzip.open(path) as unpacked:
                yield unpacked.read(MOST_BYTES)
        elif data[:4] == b"PK\x03\x04":
            with suppress(*UNREADABLE), zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    with suppress(*UNREADABLE), packed.open(name) as member:
                        yield member.read(MOST_BYTES)


def kinds(data: bytes) -> Iterator[str]:
    """Yield what kinds of secrets stand in some bytes, by their own form."""
    at = data.find(MARK.encode())
    while at >= 0:
        word = data[at + len(MARK) : at + len(MARK) + 40].decode("latin-1")
        yield "canary " + (re.match(r"-(\w+-?\w*)", word) or re.match("()", word))[1]
        at = data.find(MARK.encode(), at + 1)
    if PRIVATE in data:
        yield "a private key"
    if b"eyJ" in data and TOKEN.search(data):
        yield "a token"


def desk(base: Path, path: Path) -> Path:
    """Return the folder of the test, or of the fixture, that wrote a file."""
    parts = path.relative_to(base).parts
    return base.joinpath(*parts[: 2 if parts[0].startswith("popen-") else 1])


def scan(base: Path) -> tuple[list[Find], int, list[tuple[str, bytes]]]:
    """Return finds below a folder, how many files were searched, and all keys of its lakes."""
    lakes = {path.parent for path in base.rglob("keys/ticket.key")}
    every: dict[Path, list[tuple[str, bytes]]] = {}
    for keys in lakes:
        every.setdefault(desk(base, keys), []).extend(forms(keys))
    found: set[Find] = set()
    searched = 0
    for path in base.rglob("*"):
        if path.is_symlink() or not path.is_file() or "warehouse" in path.parts:
            continue
        searched += 1
        place = path.relative_to(base).as_posix()
        if path.parent in lakes:
            continue
        # A lake's keys are looked for in whatever the tests that made it wrote.
        near = every.get(desk(base, path), ())
        for data in contents(path):
            found |= {Find(k, place) for k in set(kinds(data)) if not may_hold(path, k)}
            held = {k for k, shape in near if shape in data}
            found |= {Find(k, place) for k in held if not may_hold(path, k)}
    return sorted(found, key=str), searched, [form for one in every.values() for form in one]


class CanaryScan:
    """Collects what tests say and, at the end, searches it and the files."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._said: list[tuple[str, str]] = []
        self._size = 0
        self.finds: list[Find] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the text of a test."""
        text = "\n".join((*(content for _, content in report.sections), report.longreprtext))
        if text.strip() and self._size < TEXT_LIMIT:
            self._said.append((report.nodeid, text))
            self._size += len(text)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Search everything; fail the run for a find."""
        base = self._config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        self.finds, searched, keys = scan(base)
        for test, text in self._said:
            data = text.encode(errors="surrogateescape")
            told = set(kinds(data)) | {kind for kind, shape in keys if shape in data}
            self.finds += [Find(kind, f"the output of {test}") for kind in sorted(told)]
        history = Path.home() / ".ipython/profile_default/history.sqlite"
        started = base.stat().st_ctime if base.exists() else 0
        for path in (history, *self._config.rootpath.glob("core*")):
            if path.is_file() and path.stat().st_mtime >= started:
                self.finds += [
                    Find(kind, str(path)) for data in contents(path) for kind in set(kinds(data))
                ]
        if self.finds and session.exitstatus in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        record(
            "canaries",
            [
                {
                    "what": "files and outputs that hold a planted secret or a key",
                    "count": len(self.finds),
                    "of": searched + len(self._said),
                    "command": "make test-all",
                }
            ],
        )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where secrets were found."""
        if self.finds:
            terminalreporter.section("secrets where none may be", red=True)
            for find in self.finds[:50]:
                terminalreporter.line(str(find))


def pytest_configure(config: pytest.Config) -> None:
    """Search once, in the process that others report to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(CanaryScan(config), "canary-scan")
