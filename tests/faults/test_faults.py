"""People work while things break; after each fault everything holds that must."""

from __future__ import annotations

import itertools
import os
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.evidence import record
from tests.faults.faults import draw
from tests.faults.site import Site, make_lake
from tests.fuzz import SEED

LOOPS = int(os.environ.get("GOVDATA_FAULT_LOOPS", "11"))


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_faults_under_load_lose_no_commit_leave_no_gap_and_show_nothing(tmp_path: Path) -> None:
    site = Site(make_lake(tmp_path), SEED)
    met: Counter[str] = Counter()
    began = time.monotonic()
    with site.working():
        site.settle()
        for fault in itertools.islice(draw(site), LOOPS):
            fault(site)
            site.settle()
            site.check()
            met[fault.__name__] += 1
            print(f"{time.monotonic() - began:7.1f} s  {fault.__name__}", flush=True)
            tell(met, site)  # a long run may be stopped at any time
    assert not site.wrongs, site.wrongs


def tell(met: Counter[str], site: Site) -> None:
    """Write down what was survived so far."""
    told = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in sorted(met.items()))
    survived = sum(met.values())
    record(
        "faults",
        [
            {
                "what": "faults survived under load: no commit lost, no audit gap, no leak",
                "count": survived,
                "of": survived,
                "conditions": f"{told}; {sum(site.answered.values()):,} answers checked",
                "command": f"make faults N={survived} SEED={SEED}",
            }
        ],
    )
