"""What breaks: each function breaks one thing of a site for a moment, at a random one."""

from __future__ import annotations

import contextlib
import resource
import signal
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException

from jupyter_govdata.errors import GovDataError, StaleDecisionError
from jupyter_govdata.model.scan import Scan, ScanRequest
from tests.faults import kernel
from tests.faults.site import PEOPLE, Site, commit_of, person, signalled
from tests.server.jupyter import Server


def gateway_killed(site: Site) -> None:
    """The gateway is killed, and another one starts."""
    site.wait_a_moment()
    site.restart(signal.SIGKILL)


def gateway_killed_and_left(site: Site) -> None:
    """The gateway is killed; whoever asks next starts another."""
    site.wait_a_moment()
    signalled(site.gateway(), signal.SIGKILL)


def gateway_ended(site: Site) -> None:
    """The gateway is told to end, as an update does, and another one starts."""
    site.wait_a_moment()
    site.restart(signal.SIGTERM)


def gateway_stopped(site: Site) -> None:
    """The gateway stands still, and goes on."""
    site.wait_a_moment()
    pid = site.gateway()
    signalled(pid, signal.SIGSTOP)
    site.wait_a_moment()
    signalled(pid, signal.SIGCONT)


def kernel_killed(site: Site) -> None:
    """A kernel is killed while it loads or reads."""
    working = kernel.start(site.lake)
    assert working.stdin is not None
    assert working.stdout is not None
    numbers = [site.take_number() for _ in range(3)]
    working.stdin.write("".join(f"{n}\n" for n in numbers))
    working.stdin.flush()
    site.wait_a_moment(2.0)
    working.kill()
    for line in working.stdout:
        if line.startswith("done"):
            site.confirm(int(line.split()[1]))
    working.wait()
    with contextlib.suppress(BrokenPipeError):
        working.stdin.close()
    working.stdout.close()


def server_killed(site: Site) -> None:
    """A Jupyter server is killed while its sidebar asks; another one answers at once."""
    settings = {"GOVDATA_LAKE": str(site.lake), "GOVDATA_USER": "ana", "GOVDATA_GATEWAY": None}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("first", "second"):
            server = Server(Path(folder) / name, environment=settings)
            try:
                answer = server.get("catalog")
                assert answer.status == 200, answer.text
                assert [asset["name"] for asset in answer.json["assets"]] == ["lab.events"]
                asking = threading.Thread(target=ask_until_gone, args=(server,))
                asking.start()
                site.wait_a_moment()
            finally:
                server.process.kill()
                server.process.wait()
            asking.join(60)
            assert not asking.is_alive(), "a request hangs"


def ask_until_gone(server: Server) -> None:
    """Ask a server until it does not answer."""
    with contextlib.suppress(OSError):
        while True:
            server.get("assets/lab.events")


def store_locked(site: Site) -> None:
    """Somebody else holds the store's only write lock."""
    held(site, site.lake / "store.db")


def catalog_locked(site: Site) -> None:
    """Somebody else holds the catalog's only write lock."""
    held(site, site.lake / "catalog.db")


def held(site: Site, database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        site.wait_a_moment(1.0)
        other.execute("ROLLBACK")


def disk_full(site: Site) -> None:
    """No file of the gateway's may grow beyond some kilobytes."""
    pid = site.gateway()
    if pid is None:
        return
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = site.random.choice((0, 1_000, 20_000, 200_000))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    site.wait_a_moment(1.0)
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def policy_changed_while_streaming(site: Site) -> None:
    """A consent is withdrawn and given while its rows stream."""
    before = threading.Event()
    steward = site.sessions["steward"]
    name = person(site.random.randrange(PEOPLE))

    def stream() -> None:
        try:
            reader = site.sessions["miko"].open_scan(ScanRequest(Scan("lab.events"))).reader()
            for batch in reader:
                before.set()
                assert batch.num_columns
        except StaleDecisionError:
            site.errors["stream ended as it must"] += 1
        except GovDataError as error:
            site.errors[error.code] += 1
        finally:
            before.set()

    reading = threading.Thread(target=stream)
    reading.start()
    before.wait(60)
    steward.consent("L:p", name, "research", "withdrawn")
    steward.consent("L:p", name, "research", "given")
    reading.join(60)
    assert not reading.is_alive(), "a stream hangs"


def two_writers(site: Site) -> None:
    """Another engine commits to the table while the loader does."""
    catalog = SqlCatalog(
        "govdata",
        uri=f"sqlite:///{site.lake / 'catalog.db'}",
        warehouse=(site.lake / "warehouse").as_uri(),
    )
    try:
        number = site.take_number()
        table = catalog.load_table("lab.events")
        site.wait_a_moment(0.1)
        with contextlib.suppress(CommitFailedException):
            table.append(commit_of(number).cast(table.schema().as_arrow()))
            site.confirm(number)
    finally:
        catalog.close()


FAULTS: dict[Callable[[Site], None], int] = {
    gateway_killed: 6,
    gateway_killed_and_left: 1,
    gateway_ended: 2,
    gateway_stopped: 3,
    kernel_killed: 1,
    server_killed: 0,
    store_locked: 2,
    catalog_locked: 2,
    disk_full: 4,
    policy_changed_while_streaming: 3,
    two_writers: 3,
}
"""Faults with how often each is drawn; each comes once at first."""


def draw(site: Site) -> Iterator[Callable[[Site], None]]:
    """Yield faults: each once, then by their weights."""
    first = list(FAULTS)
    site.random.shuffle(first)
    yield from first
    while True:
        yield site.random.choices(list(FAULTS), list(FAULTS.values()))[0]
