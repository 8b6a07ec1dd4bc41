"""Browsing large catalogs: first page, keystrokes, and what a new epoch costs.

    python benchmarks/catalog.py [--assets 10000 100000]

Writes cards (12 columns each, 200 namespaces, four modalities) into the store of an empty lake and
asks the gateway in this process, without the wire. `prepared` is when the gateway has sorted all
cards, which it does beside its other work; `first` is the first question after that, `next` another
principal's first one, `epoch` the first one after one card changed. A keystroke is
the median over the growing prefixes of three words. Times are wall time in milliseconds.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.model.asset import Asset, Column
from jupyter_govdata.model.browsing import Browse

T = TypeVar("T")
FILES = {
    "principals.yaml": """
groups: {stewards: {description: s}, clinical: {description: c}}
principals:
  dina: {groups: [stewards], purpose: research}
  ana: {groups: [clinical], purpose: research}
  miko: {groups: [clinical], purpose: research}
""",
    "purposes.yaml": "purposes: {research: {description: research}}\n",
    "tags.yaml": """
tags:
  modality: {scope: [asset]}
  identifier: {scope: [column], values: [direct]}
  sensitivity: {scope: [column], values: [secret]}
""",
    "policies/bench.cedar": """
@id("owners") permit (principal, action, resource)
when { resource.asset.owner == principal || principal in resource.asset.steward };
@id("look") permit (principal, action == Action::"discover", resource)
when { resource.asset.hasTag("modality")
       && ["genomics", "imaging", "notes"].contains(resource.asset.getTag("modality")) };
@id("read") permit (principal in Group::"clinical",
  action in [Action::"select", Action::"reveal"], resource)
when { resource.asset.hasTag("modality") && resource.asset.getTag("modality") == "imaging" };
@id("ids") @mask("null") forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("identifier") } unless { principal in Group::"stewards" };
@id("secrets") forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("sensitivity") } unless { principal in Group::"stewards" };
""",
}
NOUNS = (
    *("gene", "tumour", "cell", "batch", "slide", "patient", "visit", "sample", "plasma"),
    *("assay", "dose", "outcome", "image", "spectrum", "reading", "variant", "lesion"),
    *("cohort", "site", "device"),
)
WORDS = [
    word + end
    for word in NOUNS
    for end in ("", "s", "_id", "_code", "_value", "_date", "_unit", "_flag", "_name", "_score")
]
TYPED = ("assay", "tumour_sc", "ns042.")


def cards(count: int) -> Mapping[str, Asset]:
    """Return made-up cards."""
    chance = random.Random(7)

    def text(words: int) -> str:
        return " ".join(chance.choice(WORDS) for _ in range(words)).capitalize() + "."

    columns = [
        Column(
            f"{chance.choice(WORDS)}_{i}",
            chance.choice(("string", "long", "double", "date")),
            description=text(5),
            tags={"identifier": "direct"}
            if i % 40 == 0
            else {"sensitivity": "secret"}
            if i % 37 == 0
            else {},
        )
        for i in range(3_000)
    ]
    found = {}
    for i in range(count):
        name = f"ns{i % 200:03d}.{chance.choice(WORDS)}_{i:06d}"
        chosen = chance.sample(columns, 12)
        found[name] = Asset(
            name,
            owner=chance.choice(("dina", "ana", "miko")),
            steward="stewards",
            description=text(12),
            tags={"modality": chance.choice(("genomics", "imaging", "notes", "ehr"))},
            columns=tuple(replace(c, field_id=j + 1) for j, c in enumerate(chosen)),
        )
    return found


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Return what a call returns, and its milliseconds."""
    start = time.perf_counter()
    found = call()
    return found, 1e3 * (time.perf_counter() - start)


def keystrokes(gateway: Gateway, principal: str) -> list[float]:
    """Return the milliseconds of every prefix of the words typed."""
    return [
        timed(lambda text=word[:end]: gateway.browsing.browse(principal, Browse(text=text), None))[
            1
        ]
        for word in TYPED
        for end in range(1, len(word) + 1)
    ]


def measure(count: int, folder: Path) -> None:
    """Build a lake of that many assets and print one block."""
    for name, text in FILES.items():
        target = folder / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = folder / "lake"
    initialise(lake, "dina", folder / "source")
    made = cards(count)
    gateway = Gateway(GatewayConfig(lake=lake))
    gateway.ledger.apply(gateway.ledger.state().files, made, "dina")
    gateway.close()
    gateway, opened = timed(lambda: Gateway(GatewayConfig(lake=lake)))
    _, prepared = timed(lambda: gateway.browsing.prepare(gateway.access.state()))
    print(f"{count} assets\n  open {opened:.0f}, prepared {prepared:.0f} later")
    for label, principal in (("first", "ana"), ("next", "miko"), ("steward", "dina")):
        page, first = timed(lambda who=principal: gateway.browsing.browse(who, Browse(), None))
        _, again = timed(lambda who=principal: gateway.browsing.browse(who, Browse(), None))
        _, word = timed(lambda who=principal: gateway.browsing.browse(who, Browse("gene"), None))
        keys = keystrokes(gateway, principal)
        print(
            f"  {label}: {page.total} visible, first page {first:.0f}, again {again:.1f},"
            f" first word {word:.0f}, keystroke median {statistics.median(keys):.1f}"
            f" worst {max(keys):.1f}"
        )
    name = next(iter(made))
    gateway.ledger.put_card(replace(made[name], description="Changed."), "dina")
    _, state = timed(gateway.access.state)
    _, first = timed(lambda: gateway.browsing.browse("ana", Browse(), None))
    _, word = timed(lambda: gateway.browsing.browse("ana", Browse("gene"), None))
    print(f"  epoch: state {state:.0f}, first page {first:.0f}, first word {word:.0f}")
    print(f"  memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
    gateway.close()


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--assets", type=int, nargs="+", default=[10_000, 100_000])
    for count in options.parse_args().assets:
        with tempfile.TemporaryDirectory() as folder:
            measure(count, Path(folder))


if __name__ == "__main__":
    main()
