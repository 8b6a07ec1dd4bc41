"""The gateway's clock jumps: a policy gives for its time only, and no jump opens more."""

from __future__ import annotations

import datetime as dt
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.errors import GovDataError, RefusalError
from jupyter_govdata.gateway import access
from jupyter_govdata.session import connect
from tests.evidence import record
from tests.fuzz import SEED
from tests.gateway.world import POLICIES, World, make_world

JUMPS = int(os.environ.get("GOVDATA_FAULT_LOOPS", "40"))
FROM = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
UNTIL = dt.datetime(2030, 6, 1, tzinfo=dt.UTC)
BOUNDED = POLICIES.replace(
    'context.purpose == "research" };',
    'context.purpose == "research" && context.now >= datetime("2024-06-01T00:00:00Z")\n'
    '  && context.now < datetime("2030-06-01T00:00:00Z") };',
)


class Clock:
    """The one clock of the gateway."""

    def __init__(self) -> None:
        self.now = FROM

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    made.apply(policies=BOUNDED)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    made = Clock()
    for name, module in list(sys.modules.items()):
        if name.startswith("jupyter_govdata.gateway.") and hasattr(module, "utc_now"):
            monkeypatch.setattr(module, "utc_now", made)
    assert access.utc_now is made  # type: ignore[comparison-overlap]
    return made


def moments(rng: random.Random) -> Iterator[dt.datetime]:
    """Yield moments on both sides of the bounds, at them, and where no clock should be."""
    second = dt.timedelta(seconds=1)
    odd = (dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC))
    edges = (
        FROM,
        FROM - second,
        UNTIL,
        UNTIL - second,
        *odd,
        dt.datetime(1999, 12, 31, tzinfo=dt.UTC),
    )
    while True:
        within = FROM + rng.random() * (UNTIL - FROM)
        yield rng.choice((*edges, within, within, within + dt.timedelta(days=3650)))


@pytest.mark.more
def test_clock_that_jumps_opens_nothing_and_leaves_the_audit_whole(
    world: World, clock: Clock
) -> None:
    rng = random.Random(SEED)
    answered = refused = 0
    with connect(world.lake, user="ana") as session:
        for _, moment in zip(range(JUMPS), moments(rng), strict=False):
            clock.now = moment
            try:
                rows = session.sql("SELECT study FROM trials.patients").arrow()
            except RefusalError as error:
                assert not FROM <= moment < UNTIL, (moment, error)
                refused += 1
                continue
            assert FROM <= moment < UNTIL, moment
            assert set(rows["study"].to_pylist()) == {"S1"}
            answered += 1
    chain = world.gateway.verify_audit()
    assert chain.ok, chain
    record(
        "clock",
        [
            {
                "what": "jumps of the clock: answered within the policy's time, refused outside",
                "count": answered + refused,
                "of": JUMPS,
                "conditions": f"{answered} answered, {refused} refused",
                "command": f"make faults N={JUMPS} SEED={SEED}",
            }
        ],
    )


@pytest.mark.parametrize("moment", [UNTIL, FROM - dt.timedelta(seconds=1)])
def test_answer_that_was_given_is_refused_once_the_clock_has_left_the_policy(
    world: World, clock: Clock, moment: dt.datetime
) -> None:
    with connect(world.lake, user="ana") as session:
        assert session.sql("SELECT study FROM trials.patients").arrow().num_rows
        clock.now = moment
        with pytest.raises(GovDataError, match="refused"):
            session.sql("SELECT study FROM trials.patients").arrow()
