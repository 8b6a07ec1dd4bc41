"""One asset with every edge, and answers with and without the gateway's help, side by side."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from jupyter_govdata.model.scan import FlatScan
from jupyter_govdata.query.engine import QueryEngine
from jupyter_govdata.query.handover import Handover
from tests.query.lake import T0, Governed, Lake, Version

ROWS = 300


def measured() -> pa.Table:
    """Rows with every edge, and few enough values that groups have several rows."""
    choose = random.Random(7).choice
    names: list[str | None] = ["a", "A", "", "é", None]
    return pa.table(
        {
            "id": pa.array(range(ROWS), pa.int64()),
            "site": pa.array([choose(names) for _ in range(ROWS)]),
            "arm": pa.array([choose(["x", "y"]) for _ in range(ROWS)]),
            "age": pa.array([choose([1, 2, 40, None]) for _ in range(ROWS)], pa.int32()),
            "big": pa.array([choose([0, -1, 2**62, None]) for _ in range(ROWS)], pa.int64()),
            "dose": pa.array(
                [choose([0.5, 1.25, -2.0, math.nan, math.inf, None]) for _ in range(ROWS)]
            ),
            "weight": pa.array([choose([0.5, 0.25, 8.0, None]) for _ in range(ROWS)]),
            "price": pa.array(
                [choose([Decimal("0.10"), Decimal("99.99"), None]) for _ in range(ROWS)],
                pa.decimal128(12, 2),
            ),
            "off": pa.array(
                [choose([Decimal("0.05"), Decimal("0.50")]) for _ in range(ROWS)],
                pa.decimal128(4, 2),
            ),
            "seen": pa.array([dt.date(2020, 1, choose([1, 2, 3])) for _ in range(ROWS)]),
            "visit": pa.array([dt.datetime(2020, 1, 1, choose([0, 5])) for _ in range(ROWS)]),
            "ok": pa.array([choose([True, False, None]) for _ in range(ROWS)]),
            "tags": pa.array([choose([["p"], ["p", "q"], None]) for _ in range(ROWS)]),
            "patient": pa.array([f"P{n % 9}" for n in range(ROWS)]),
        }
    )


@contextmanager
def opened() -> Iterator[tuple[Lake, QueryEngine]]:
    """The asset, filtered and masked, and an engine that reads it."""
    lake = Lake(
        {
            "trial.rows": Governed(
                [Version(measured().slice(0, 100), T0), Version(measured(), T0)],
                row_filter="id % 10 <> 3",
                masks={"patient": ("pseudonym", "md5(patient)")},
            )
        }
    )
    engine = QueryEngine(lake, scan_cache=0)
    yield lake, engine
    engine.close()
    lake.close()


def both(
    trial: tuple[Lake, QueryEngine], sql: str, params: dict[str, Any] | None = None
) -> tuple[list[FlatScan], pa.Table, pa.Table]:
    """What was asked of the gateway, and the answers with and without its help."""
    lake, engine = trial
    lake.requests.clear()
    helped = engine.run(sql, params).arrow()
    asked = list(lake.requests)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Handover, "rows", lambda *_, **__: None)
        patch.setattr(Handover, "rest", lambda *_: None)
        alone = engine.run(sql, params).arrow()
    return asked, helped, alone


def same(helped: pa.Table, alone: pa.Table, *, ordered: bool = False) -> None:
    """Check that two answers are one."""
    assert helped.schema == alone.schema
    rows, wanted = ([[cell(v) for v in r.values()] for r in t.to_pylist()] for t in (helped, alone))
    assert rows == wanted if ordered else sorted(rows) == sorted(wanted)


def cell(value: Any) -> str:
    """A value so that equal ones are equal."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{value + 0.0:.12g}"
    return repr(value)
