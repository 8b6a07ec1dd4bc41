"""Random worlds: tables, rows, policies, masks and consents, each world twice.

Namespaces `aaa` and `bbb` hold the same rows as far as anybody may see; what is denied or masked
differs. So whatever somebody finds different between the two, they learned of what is hidden.
`permitted` is what a version shows, by the oracle alone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.loading import LoadRequest
from jupyter_govdata.gateway.server import Server
from tests.fuzz import rules as R
from tests.fuzz.choices import Choices
from tests.oracle.cedar import written
from tests.oracle.policy import Rule, concerns, masked, shown_as, visible

SIDES = ("aaa", "bbb")
TABLES = ("t0", "t1")
PEOPLE = {"ana": ("g0",), "miko": ("g0", "g1")}
PIDS = tuple(f"P{n:02d}" for n in range(12))
DOMAIN = "T:patient"
DENIED = "DENIED"
"""Stands in texts of denied rows, RAW in masked texts: no answer and no error may hold either."""
RAW = "RAW"
Row = dict[str, Any]

ARROW = {
    "text": pa.string(),
    "long": pa.int64(),
    "decimal": pa.decimal128(9, 2),
    "bool": pa.bool_(),
    "day": pa.date32(),
    "at": pa.timestamp("us", "UTC"),
    "double": pa.float64(),
    "list": pa.list_(pa.string()),
    "struct": pa.struct([("x", pa.int64()), ("y", pa.string())]),
}
MASKS = {
    "text": ("null", "constant:***", "last:2", ""),
    "pid": ("pseudonym", "null", "last:1", ""),
    "long": ("null", "round:10", "constant:x", ""),
    "decimal": ("null", "round:0.5", ""),
    "double": ("null", "round:0.5", ""),
    "day": ("year", "null", ""),
    "at": ("year", "null", ""),
    "bool": ("null", ""),
    "list": ("null", "constant:[]", ""),
    "struct": ("null", ""),
}
"""Masks by kind of column; the empty one hides."""
EXTREMES: Mapping[str, tuple[Any, ...]] = {
    "long": (2**63 - 1, -(2**63), 2**62, 0),
    "decimal": (Decimal("9999999.99"), Decimal("-9999999.99")),
    "double": (float("inf"), float("-inf"), 1e308, -0.0),
    "day": (dt.date(1, 1, 1), dt.date(9999, 12, 31)),
}
"""What hidden cells often hold: arithmetic on them overflows, so an error would tell of them."""


@dataclass
class Table:
    """One table of a world: its columns, and what each version of it holds on each side."""

    name: str
    kinds: Mapping[str, str]
    tags: Mapping[str, str]
    versions: dict[str, list[list[Row]]] = field(default_factory=dict)
    snapshots: dict[str, list[int]] = field(default_factory=dict)

    def schema(self) -> pa.Schema:
        return pa.schema([(name, ARROW[kind]) for name, kind in self.kinds.items()])


@dataclass
class World:
    """Everything that one number makes."""

    number: int
    tables: dict[str, Table]
    rules: list[Rule]
    consents: frozenset[str]

    def rows_of(self, user: str, table: str) -> list[Rule]:
        asset = f"{SIDES[0]}.{table}"
        return [r for r in self.rules if concerns(r, user, PEOPLE[user], "select", asset)]

    def shown(self, user: str, table: str) -> dict[str, str]:
        """Return how each visible column is seen."""
        asset, found = f"{SIDES[0]}.{table}", {}
        mine = [r for r in self.rules if concerns(r, user, PEOPLE[user], "reveal", asset)]
        for column in self.tables[table].kinds:
            tag = self.tables[table].tags.get(column)
            found[column] = shown_as(mine, {"tag:m": tag_of(tag)} if tag else {})
        return {name: how for name, how in found.items() if how != "hidden"}

    def sees(self, rules: Sequence[Rule], row: Row) -> bool:
        agrees = None if row["pid"] is None else row["pid"] in self.consents
        return visible(rules, {**row, "consents": agrees})

    def permitted(
        self, user: str, table: str, version: int, names: Mapping[str, str]
    ) -> tuple[dict[str, str], list[Row]]:
        """Return visible columns and rows; `names` are the pseudonyms that were shown."""
        shown, rules = self.shown(user, table), self.rows_of(user, table)
        found = []
        for row in self.tables[table].versions[SIDES[0]][version]:
            if self.sees(rules, row):
                found.append({n: see(how, row[n], names) for n, how in shown.items()})
        return shown, found


def see(how: str, cell: Any, names: Mapping[str, str]) -> Any:
    """Return a cell as it is seen."""
    if how == "clear":
        return cell
    if how == "pseudonym":
        return None if cell is None else names[cell]
    return masked(how, cell)


# -- drawing -------------------------------------------------------------------------------------


def draw_world(number: int) -> World:
    """Return the world of a number; nothing of the product is asked."""
    draw = Choices(number)
    tables = {name: draw_table(draw, name) for name in TABLES}
    world = World(number, tables, draw_rules(draw, tables), frozenset(draw.some(PIDS, 0, 12)))
    for table in tables.values():
        count, versions = draw.between(5, 60), draw.between(1, 3)
        for side in SIDES:
            table.versions[side] = [[] for _ in range(versions)]
        rid = 0
        for version in range(versions):
            for _ in range(count // versions):
                rid = draw_pair(draw, world, table, version, rid)
        for side in SIDES:
            rows: list[Row] = []
            for added in table.versions[side]:
                rows.extend(added)
                added[:] = rows
    return world


def draw_table(draw: Choices, name: str) -> Table:
    kinds = {"rid": "long", "pid": "text", "site": "text"}
    for i in range(draw.between(3, 7)):
        kind = draw.of(tuple(ARROW))
        kinds[f"{kind}{i}"] = kind
    tags = {}
    for column, kind in kinds.items():
        if column != "rid" and draw.chance(50 if column == "pid" else 30):
            mask = draw.of(MASKS["pid" if column == "pid" else kind])
            tags[column] = mask or "hidden"
    return Table(name, kinds, tags)


def draw_rules(draw: Choices, tables: Mapping[str, Table]) -> list[Rule]:
    """Return the policies; they name the first side only, `written_rules` doubles them."""
    rules = [
        Rule("reveal", "permit", "reveal"),
        *(mask_rule(m) for m in sorted({m or "hidden" for some in MASKS.values() for m in some})),
    ]
    for name, table in tables.items():
        columns = {c: k for c, k in table.kinds.items() if c != "rid"} | {"consents": "bool"}
        asset = ("Asset", f"{SIDES[0]}.{name}")
        whos = (None, ("Group", "g0"), ("User", "ana"), ("User", "miko"), ("Group", "g1"))
        if draw.chance(15):
            rules.append(Rule(f"{name}-all", "permit", "select", None, asset))
            continue
        rules.append(Rule(f"{name}-site", "permit", "select", None, asset, draw_site(draw)))
        for i in range(draw.between(0, 3)):
            effect = draw.of(("permit", "forbid"))
            when = R.condition(draw, columns, draw.between(0, 2), constant=False)
            rules.append(Rule(f"{name}-{i}", effect, "select", draw.of(whos), asset, when))
    return rules


def draw_site(draw: Choices) -> tuple[Any, ...]:
    return draw.of(
        (
            ("==", ("column", "site"), ("value", "S1")),
            ("in", ("column", "site"), ("S1", "S2")),
            ("column", "consents"),
        )
    )


def mask_rule(mask: str) -> Rule:
    when = ("and", ("has", "tag:m"), ("==", ("column", "tag:m"), ("value", tag_of(mask))))
    return Rule(
        f"mask-{tag_of(mask)}",
        "forbid",
        "reveal",
        None,
        None,
        when,
        "" if mask == "hidden" else mask,
    )


def tag_of(mask: str) -> str:
    """Return a mask as the value of a tag."""
    return "".join(c if c.isalnum() else "-" for c in mask)


def draw_cell(draw: Choices, column: str, kind: str, raw: str) -> Any:
    """Return a value; `raw` marks texts that nobody may see."""
    if draw.chance(15):
        return None
    if column == "pid":
        return draw.of(PIDS)
    if raw and kind in EXTREMES and draw.chance(30):
        return draw.of(EXTREMES[kind])
    match kind:
        case "text":
            return draw.of(R.TEXTS) if column == "site" or not raw else f"{raw}-{draw.below(9)}-ab"
        case "long":
            return draw.between(-5, 80)
        case "double":
            return draw.of((float("nan"), *(n / 4 for n in range(-20, 21))))
        case "decimal":
            return draw.of((*R.DECIMALS, Decimal(draw.between(-500, 500)) / 100))
        case "bool":
            return draw.chance(50)
        case "day":
            return draw.of((*R.DAYS, dt.date(draw.between(1940, 1980), draw.between(1, 12), 7)))
        case "at":
            return draw.of((*R.MOMENTS, R.MOMENTS[0] + dt.timedelta(minutes=draw.below(40_000))))
        case "list":
            return [raw or draw.of(R.TEXTS) for _ in range(draw.below(4))]
    return {"x": draw.between(0, 9), "y": raw or draw.of(R.TEXTS)}


def draw_row(draw: Choices, table: Table, raw: str) -> Row:
    return {c: draw_cell(draw, c, k, raw) for c, k in table.kinds.items() if c != "rid"}


def draw_pair(draw: Choices, world: World, table: Table, version: int, rid: int) -> int:
    """Add a row to both sides, or rows that nobody may see to one of them; return the next rid."""
    rules = {user: world.rows_of(user, table.name) for user in PEOPLE}

    def seen(row: Row) -> list[bool]:
        return [world.sees(rules[user], row) for user in PEOPLE]

    if not draw.chance(50):
        row = {"rid": rid, **draw_row(draw, table, "")}
        if any(seen(row)):
            other = {**row, **draw_masked(draw, table, row)}
            if seen(other) != seen(row):
                other = row
            table.versions["aaa"][version].append(row)
            table.versions["bbb"][version].append(other)
            return rid + 1
    for side in SIDES:
        for _ in range(draw.below(3)):
            row = {"rid": 1000 + draw.below(1000), **draw_row(draw, table, DENIED)}
            if not any(seen(row)):
                table.versions[side][version].append(row)
    return rid


def draw_masked(draw: Choices, table: Table, row: Row) -> Row:
    """Return other values for masked columns that look the same through their masks."""
    found: Row = {}
    for column, tag in table.tags.items():
        kind = table.kinds[column]
        mask = next(
            (m for m in MASKS["pid" if column == "pid" else kind] if (m or "hidden") == tag), ""
        )
        if not mask or mask.startswith(("null", "constant")):
            found[column] = draw_cell(draw, column, kind, RAW)
        elif row[column] is not None and mask != "pseudonym":
            other = draw_cell(draw, column, kind, "")
            if other is not None and masked(mask, other) == masked(mask, row[column]):
                found[column] = other
    return found


# -- making --------------------------------------------------------------------------------------


def files_of(world: World) -> dict[str, str]:
    """Return the governance folder of a world."""
    masks = sorted({tag_of(m or "hidden") for some in MASKS.values() for m in some})
    groups = sorted({g for some in PEOPLE.values() for g in some} | {"stewards"})
    people = {"dina": {"groups": ["stewards"], "purpose": "research"}}
    people |= {p: {"groups": list(g), "purpose": "research"} for p, g in PEOPLE.items()}
    cards = {
        "governance.consent": {
            "owner": "dina",
            "steward": "stewards",
            "tags": {"register": "consent"},
        }
    }
    for side in SIDES:
        for table in world.tables.values():
            columns = {c: {"tags": {"m": tag_of(t)}} for c, t in table.tags.items()}
            columns.setdefault("pid", {})["domain"] = DOMAIN
            cards[f"{side}.{table.name}"] = {
                "owner": "dina",
                "steward": "stewards",
                "subject": {"column": "pid", "domain": DOMAIN},
                "columns": columns,
            }
    return {
        # JSON is YAML.
        "principals.yaml": json.dumps({"groups": {g: {} for g in groups}, "principals": people}),
        "purposes.yaml": json.dumps({"purposes": {"research": {}}}),
        "tags.yaml": json.dumps(
            {
                "tags": {
                    "register": {"scope": ["asset"], "values": ["consent"]},
                    "m": {"scope": ["column"], "values": masks},
                }
            }
        ),
        "assets/all.yaml": json.dumps({"assets": cards}),
        "policies/all.cedar": policies_of(world),
    }


def policies_of(world: World) -> str:
    """Return the rules as Cedar, those of one side for the other, too."""
    texts = [
        (
            '@id("stewards") permit (principal in Group::"stewards", action, resource)\n'
            'when { resource in Namespace::"governance" };'
        ),
        (
            '@id("load") permit (principal in Group::"stewards", '
            'action in [Action::"publish", Action::"manage", Action::"discover"], resource);'
        ),
        (
            '@id("discover") permit (principal, action == Action::"discover", resource)\n'
            'unless { resource in Namespace::"governance" };'
        ),
    ]
    for rule in world.rules:
        text = written(rule)
        texts.append(text)
        if rule.what is not None:
            texts.append(text.replace('"aaa.', '"bbb.').replace(f'"{rule.id}"', f'"b-{rule.id}"'))
    return "\n".join(texts)


@dataclass
class Served:
    """A world behind a real gateway."""

    world: World
    lake: Path
    gateway: Gateway
    server: Server

    def close(self) -> None:
        self.server.shutdown()
        self.gateway.close()


def serve(world: World, folder: Path) -> Served:
    """Build the lake of a world and serve it."""
    source = folder / "governance"
    for name, text in files_of(world).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    lake = folder / "lake"
    initialise(lake, "dina", source)
    gateway = Gateway(GatewayConfig(lake=lake))
    server = Server(gateway)
    write_run_file(lake, server.address)
    load(gateway, "governance.consent", consents(world))
    for side in SIDES:
        for table in world.tables.values():
            made, before = table.snapshots.setdefault(side, []), 0
            for rows in table.versions[side]:
                added = pa.Table.from_pylist(rows[before:], table.schema())
                made.append(load(gateway, f"{side}.{table.name}", added, append=bool(made)))
                before = len(rows)
    return Served(world, lake, gateway, server)


def load(gateway: Gateway, asset: str, rows: pa.Table, *, append: bool = False) -> int:
    request = LoadRequest(asset, "append" if append else "create")
    return gateway.loading.load(
        "dina", request, rows.schema, iter(rows.to_batches()), {}
    ).snapshot_id


def consents(world: World) -> pa.Table:
    """Return the consent register."""
    rows = [
        {
            "person_key": f"{DOMAIN}|{pid}",
            "purpose": "research",
            "status": "given" if pid in world.consents else "withdrawn",
            "recorded_at": dt.datetime(2025, 1, 1, tzinfo=dt.UTC),
            "source": "fuzz",
        }
        for pid in PIDS
    ]
    schema = pa.schema(
        [
            ("person_key", pa.string()),
            ("purpose", pa.string()),
            ("status", pa.string()),
            ("recorded_at", pa.timestamp("us", "UTC")),
            ("source", pa.string()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)
