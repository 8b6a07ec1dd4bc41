"""The services behind a gateway fail: PostgreSQL restarts, the store of objects errs or lies."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.errors import GovDataError
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.server import Server
from jupyter_govdata.session import connect
from tests.evidence import record
from tests.faults.faults import gateway_killed, gateway_stopped
from tests.faults.proxy import Proxy
from tests.faults.site import FILES, Site, commit_of, consents, make_lake
from tests.fuzz import SEED
from tests.storage.s3_service import Service, needs_ceph

LOOPS = int(os.environ.get("GOVDATA_FAULT_LOOPS", "3"))
POSTGRES = Path(__file__).parent.parent / "services" / "postgres.sh"


def told(suite: str, what: str, met: Counter[str]) -> None:
    names = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in sorted(met.items()))
    line = {"what": what, "count": sum(met.values()), "of": LOOPS, "conditions": names}
    record(suite, [{**line, "command": "make test-all"}])


@pytest.fixture
def postgres() -> Iterator[tuple[str, Callable[[], str]]]:
    """A server of one's own: its URL, and a way to restart it."""
    # Not below a test's own folder: the server runs as another user, who may not look in there.
    folder = Path(tempfile.gettempdir()) / f"govdata-postgres-{secrets.token_hex(6)}"

    def service(command: str) -> str:
        done = subprocess.run(
            [POSTGRES, command, folder], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    url = service("start")
    yield url.replace("postgresql://", "postgresql+psycopg://", 1), partial(service, "restart")
    service("stop")


@pytest.mark.slow
@pytest.mark.services
@pytest.mark.timeout(0)
def test_store_that_restarts_loses_no_commit_and_leaves_no_gap(
    tmp_path: Path, postgres: tuple[str, Callable[[], str]]
) -> None:
    url, restart = postgres

    def postgres_restarted(site: Site) -> None:
        site.wait_a_moment()
        restart()

    faults = (postgres_restarted, postgres_restarted, gateway_killed, gateway_stopped)
    site = Site(make_lake(tmp_path, url), SEED, url)
    met: Counter[str] = Counter()
    with site.working():
        site.settle()
        for fault in itertools.islice(itertools.cycle(faults), LOOPS):
            fault(site)
            site.settle()
            site.check()
            met[fault.__name__] += 1
    told("faults-postgres", "faults survived with a store in PostgreSQL", met)


@pytest.mark.slow
@needs_ceph
@pytest.mark.timeout(0)
def test_storage_that_errs_or_lies_is_never_answered_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service.running()
    service.environment(monkeypatch)
    # UPSTREAM: Ceph 16 refuses the trailing checksums of newer clients.
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
    bucket = service.bucket({})
    source = tmp_path / "source"
    for name, text in FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    initialise(tmp_path / "lake", "dina", source)
    with Proxy(service.endpoint) as proxy:
        catalog = {
            "type": "sql",
            "uri": f"sqlite:///{tmp_path / 'catalog.db'}",
            "warehouse": f"s3://{bucket.name}/warehouse",
            "s3.endpoint": proxy.address,
            "s3.region": service.region,
            "s3.access-key-id": service.owner[0],
            "s3.secret-access-key": service.owner[1],
            "s3.force-virtual-addressing": "false",
        }
        gateway = Gateway(GatewayConfig(lake=tmp_path / "lake", catalog=catalog))
        server = Server(gateway)
        try:
            write_run_file(tmp_path / "lake", server.address)
            met = loops(tmp_path / "lake", proxy)
        finally:
            server.shutdown()
            gateway.close()
    told("faults-s3", "faults of object storage: right, or refused with a code", met)


def loops(lake: Path, proxy: Proxy) -> Counter[str]:
    """Read and load while the storage misbehaves in one way after the other."""
    rng = random.Random(SEED)
    met: Counter[str] = Counter()
    sure, unsure = {0}, set()
    with connect(lake, user="dina") as dina, connect(lake, user="ana") as ana:
        dina.load(consents(), "governance.consent")
        dina.load(commit_of(0), "lab.events")
        for number in range(1, LOOPS * 4 + 1):
            proxy.fault = rng.choice(Proxy.FAULTS)
            unsure.add(number)
            try:
                if rng.random() < 0.5:
                    dina.load(commit_of(number), "lab.events", mode="append")
                    sure.add(number)
                rows = ana.sql("SELECT batch, study FROM lab.events").arrow()
                assert set(rows["study"].to_pylist()) == {"S1"}
                assert sure <= set(rows["batch"].to_pylist()) <= sure | unsure
                met[f"{proxy.fault} answered"] += 1
            except GovDataError as error:
                met[f"{proxy.fault} refused as {error.code}"] += 1
            proxy.fault = ""
            there = {r["batch"]: r["n"] for r in dina.sql(COUNTED)}
            assert sure <= there.keys() <= sure | unsure, (sure, there)
            assert set(there.values()) == {len(commit_of(0))}, there
        assert dina.audit(limit=1)["chain"]["ok"]
    return met


COUNTED = "SELECT batch, count(*) AS n FROM lab.events GROUP BY batch"
