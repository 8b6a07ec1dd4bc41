"""Whatever is sent to the gateway: a typed answer, no leak, bounded memory, the next one served.

A case draws everything from its number, so `make fuzz N=1 SEED=<number>` sends it again.
"""

from __future__ import annotations

import json
import logging
import random
import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import flight

from jupyter_govdata.client.scan import FlightScan
from jupyter_govdata.client.token import mint_embedded
from jupyter_govdata.model.scan import Scan, ScanRequest
from tests.canaries import MARK
from tests.evidence import record
from tests.fuzz import SEED, cases, replay
from tests.fuzz.wire import (
    ACTIONS,
    ASSET,
    SCANS,
    TICKETS,
    call_in_frames,
    field,
    mangled,
    message,
    prefixed,
    spoken,
)
from tests.gateway.world import World, make_world

CALLS = cases(700, more=3_000)
FRAMES = cases(150, more=600)
GROWTH = 700 << 20
"""Bytes that the process may grow by, client and gateway in one, whatever is sent."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("wire"))
    yield made
    made.close()


@pytest.fixture
def unmoved(world: World, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing but the audit chain changes, nothing fails inside, and memory stays bounded."""
    gateway = world.gateway
    before = gateway.ledger.epoch(), gateway.catalog.names(), rows(world)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with caplog.at_level(logging.INFO, "jupyter_govdata.gateway"):
        yield
    assert (gateway.ledger.epoch(), gateway.catalog.names(), rows(world)) == before
    assert gateway.verify_audit().ok
    assert "failure" not in caplog.text
    assert MARK not in caplog.text
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) * 1024 < GROWTH


def rows(world: World) -> int:
    """Return how many rows an honest client gets."""
    scan = FlightScan(world.connect("ana"), ScanRequest(Scan(ASSET)))
    return scan.reader().read_all().num_rows


def token(rng: random.Random, world: World) -> bytes:
    """Return a token of somebody with few rights, sometimes a wrong one."""
    good = b"Bearer " + mint_embedded(world.lake, rng.choice(("ana", "nobody")), 600).encode()
    if rng.random() < 0.93:
        return good
    bad = mangled(rng, good)[:4_000]
    return bytes(b for b in bad if 32 < b < 127) or b"x"


def sent(rng: random.Random, world: World, used: list[bytes]) -> Callable[..., Any]:
    """Return one call of Flight with a message of which something is wrong."""
    scan = rng.choice(SCANS)
    name, body = rng.choice(ACTIONS)
    if rng.random() < 0.1:
        name, body = rng.choice(ACTIONS)[0], scan  # in the wrong place
    raw = message(rng, scan)
    match rng.randrange(8):
        case 0 | 1 | 2:
            return lambda c, o: list(c.do_action(flight.Action(name, message(rng, body)), o))
        case 3:
            return lambda c, o: list(c.do_action(flight.Action("scan", raw), o))
        case 4:
            return lambda c, o: c.get_flight_info(flight.FlightDescriptor.for_command(raw), o)
        case 5:
            return lambda c, o: c.do_get(flight.Ticket(b"scan:" + raw), o).read_all()
        case 6:
            ticket = mangled(rng, rng.choice((*TICKETS, *used)))
            return lambda c, o: c.do_get(flight.Ticket(ticket), o).read_all()
        case _:
            again = rng.choice(used)  # good once, and that was before
            return lambda c, o: c.do_get(flight.Ticket(again), o).read_all()


def told(answer: Any) -> str:
    """Return all that an answer says."""
    if isinstance(answer, pa.Table):
        return str(answer.to_pylist())
    if isinstance(answer, flight.FlightInfo):
        return repr(answer.schema) + repr(answer.app_metadata)
    return " ".join(result.body.to_pybytes().decode("latin-1") for result in answer)


def try_case(world: World, case: int, used: list[bytes]) -> bool:
    """Send one case; return whether it was refused."""
    rng = random.Random(case)
    client = flight.FlightClient(world.server.address)
    options = flight.FlightCallOptions(headers=[(b"authorization", token(rng, world))])
    call = sent(rng, world, used)
    try:
        said, refused = told(call(client, options)), False
    except pa.ArrowException as exc:
        info = getattr(exc, "extra_info", None)
        said, refused = f"{exc} {info}", True
        assert info, f"{replay(case)}: {exc!r}"
        assert json.loads(info)["message"] != "the gateway failed inside", replay(case)
    finally:
        client.close()
    assert MARK not in said, replay(case)
    assert "Traceback" not in said, replay(case)
    return refused


def used_tickets(world: World) -> list[bytes]:
    """Return tickets that were good, and were used."""
    ana = world.connect("ana")
    tickets = [ana.plan(ScanRequest(Scan(ASSET)))[1][0] for _ in range(3)]
    for ticket in tickets:
        ana.get(ticket).read_all()
    return [ticket.ticket for ticket in tickets]


@pytest.mark.attack("T11", "T25", "T51", "T57", "T82", surface="flight")
def test_message_with_anything_wrong_gets_a_typed_answer(world: World, unmoved: None) -> None:
    used = used_tickets(world)
    refused = sum(try_case(world, SEED + i, used) for i in range(CALLS))
    assert refused > CALLS // 4 or CALLS < 100
    assert rows(world) == 10
    record(
        "wire-fuzz",
        [
            {
                "what": "broken Flight messages answered without crash, leak or untyped error",
                "count": CALLS,
                "of": CALLS,
                "conditions": f"{refused} refused, the rest still meant something",
                "command": f"make fuzz N={CALLS} SEED={SEED}",
            }
        ],
    )


@pytest.mark.attack("T82", surface="flight")
def test_honest_client_is_served_while_many_send_what_is_wrong(world: World, unmoved: None) -> None:
    used = used_tickets(world)
    numbers = range(SEED, SEED + CALLS // 4)
    with ThreadPoolExecutor(8) as crowd:
        running = [crowd.submit(try_case, world, number, used) for number in numbers]
        served = 0
        while not all(done.done() for done in running):
            assert rows(world) == 10
            served += 1
        for done in running:
            done.result()
    assert served


def put_message(rng: random.Random) -> bytes:
    """Return the first message of a load, its Arrow schema perhaps wrong."""
    load = {"v": 1, "asset": "trials.fuzzed", "mode": "append"}
    schema = pa.schema([("a", pa.int64()), ("b", pa.list_(pa.string()))]).serialize().to_pybytes()
    header = schema[8:]
    descriptor = b"\x08\x02" + field(2, json.dumps(load).encode())
    if rng.random() < 0.7:
        header = mangled(rng, header)
    return field(1, descriptor) + field(2, header)


@pytest.mark.attack("T82", surface="flight")
@pytest.mark.parametrize("user", ["ana", "dina"])
def test_frames_that_no_client_sends_leave_the_gateway_serving(
    world: World, unmoved: None, user: str
) -> None:
    bearer = "Bearer " + mint_embedded(world.lake, user, 600)
    calls = ("whoami", "epoch")
    for i in range(FRAMES // 2):
        rng = random.Random(SEED + i)
        method, said = call_in_frames(rng, put_message)
        if user == "dina" and method == "DoAction":
            said = prefixed(mangled(rng, field(1, rng.choice(calls).encode()) + field(2, b"{}")))
        heard = spoken(world.server.address, method, bearer, said, end=rng.random() < 0.7)
        assert MARK.encode() not in heard or user == "dina", replay(SEED + i)
    good = prefixed(field(1, b"epoch") + field(2, b"{}"))
    assert b'"epoch"' in spoken(world.server.address, "DoAction", bearer, good)
    assert rows(world) == 10
