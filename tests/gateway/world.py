"""A small governed lake behind a real gateway, for tests that speak the protocol themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from jupyter_govdata.client.connection import Connection
from jupyter_govdata.client.endpoint import EmbeddedGateway
from jupyter_govdata.config import GatewayConfig, Limits
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.loading import LoadRequest
from jupyter_govdata.gateway.server import Server
from tests.canaries import canary

PRINCIPALS = """
groups:
  stewards: {description: stewards}
  clinical: {description: clinical analysts}
  ml: {description: machine learning}
principals:
  dina: {name: Dina, groups: [stewards], purpose: research}
  ana: {name: Ana, groups: [clinical], purpose: research, attributes: {study: S1}}
  miko: {name: Miko, groups: [ml], purpose: model_training, attributes: {study: S2}}
  nobody: {name: Nobody, purpose: research}
"""
PURPOSES = """
purposes:
  research: {description: research}
  model_training: {description: training}
  marketing: {description: nobody may}
"""
TAGS = """
tags:
  identifier: {scope: [column], values: [direct, quasi]}
  register: {scope: [asset], values: [consent, crosswalk]}
  sensitivity: {scope: [column], values: [secret]}
"""
CARDS = """
assets:
  trials.patients:
    owner: dina
    steward: stewards
    description: Patients of two studies.
    subject: {column: patient, domain: "T:patient"}
    columns:
      patient: {description: Patient number., domain: "T:patient", tags: {identifier: direct}}
      birth: {description: Date of birth., tags: {identifier: quasi}}
      secret: {description: Free text., tags: {sensitivity: secret}}
  trials.hidden:
    owner: dina
    steward: stewards
    description: Nobody else may know.
  governance.consent:
    owner: dina
    steward: stewards
    tags: {register: consent}
  trials.wide:
    owner: dina
    steward: stewards
"""
POLICIES = """
@id("owners")
permit (principal, action, resource)
when { resource.asset.owner == principal || principal in resource.asset.steward };

@id("lake-stewards")
permit (principal in Group::"stewards",
        action in [Action::"discover", Action::"publish", Action::"approve", Action::"manage"],
        resource);

@id("clinical-read")
@description("clinical analysts read their own study")
permit (principal in Group::"clinical",
        action in [Action::"discover", Action::"reveal"],
        resource in Asset::"trials.patients");

@id("clinical-rows")
permit (principal in Group::"clinical", action == Action::"select",
        resource in Asset::"trials.patients")
when { resource.study == principal.study && context.purpose == "research" };

@id("ml-read")
permit (principal in Group::"ml",
        action in [Action::"discover", Action::"reveal"],
        resource in Asset::"trials.patients");

@id("ml-rows")
permit (principal in Group::"ml", action == Action::"select",
        resource in Asset::"trials.patients")
when { resource.subject.consents.contains(context.purpose) };

@id("wide-open")
permit (principal, action in [Action::"discover", Action::"select", Action::"reveal"],
        resource in Asset::"trials.wide");

@id("ids-as-pseudonyms")
@mask("pseudonym")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("identifier") && resource.getTag("identifier") == "direct" }
unless { principal in Group::"stewards" };

@id("birth-year")
@mask("year")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("identifier") && resource.getTag("identifier") == "quasi" }
unless { principal in Group::"stewards" };

@id("secrets-hidden")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("sensitivity") }
unless { principal in Group::"stewards" };
"""

FILES = {
    "principals.yaml": PRINCIPALS,
    "purposes.yaml": PURPOSES,
    "tags.yaml": TAGS,
    "assets/trials.yaml": CARDS,
    "policies/all.cedar": POLICIES,
}

PATIENTS = pa.table(
    {
        "patient": [f"P{i:03d}" for i in range(1, 41)],
        "study": [("S1", "S2", None, "S3")[i % 4] for i in range(40)],
        "age": pa.array([20 + (i * 7) % 60 if i % 9 else None for i in range(40)], pa.int64()),
        "score": pa.array(
            [float("nan") if i % 11 == 0 else i / 4 if i % 5 else None for i in range(40)]
        ),
        "dose": pa.array(
            [Decimal(i) / 100 if i % 6 else None for i in range(40)], pa.decimal128(9, 2)
        ),
        "birth": pa.array([dt.date(1940 + i, 1 + i % 12, 1 + i % 28) for i in range(40)]),
        "seen": pa.array(
            [dt.datetime(2024, 1, 1 + i % 28, i % 24, tzinfo=dt.UTC) for i in range(40)],
            pa.timestamp("us", "UTC"),
        ),
        "arm": [("placebo", "high", "low", "it's", "ünï", None)[i % 6] for i in range(40)],
        "secret": [canary("hidden", i) for i in range(40)],
    }
)
CONSENTED = frozenset(f"P{i:03d}" for i in range(1, 41) if i % 3)


def consent_table() -> pa.Table:
    """One row a patient: the register's person is the id itself within its domain."""
    rows = [f"P{i:03d}" for i in range(1, 41)]
    return pa.table(
        {
            "person_key": [f"T:patient|{p}" for p in rows],
            "purpose": ["model_training"] * len(rows),
            "status": ["given" if p in CONSENTED else "withdrawn" for p in rows],
            "recorded_at": pa.array(
                [dt.datetime(2025, 1, 1, tzinfo=dt.UTC)] * len(rows), pa.timestamp("us", "UTC")
            ),
            "source": ["test"] * len(rows),
        }
    )


@dataclass
class World:
    """A lake, its gateway and its server."""

    gateway: Gateway
    server: Server
    lake: Path
    connections: list[Connection] = field(default_factory=list)

    def connect(self, user: str) -> Connection:
        """Return a connection as one of the principals."""
        connection = Connection(EmbeddedGateway(self.lake, user))
        self.connections.append(connection)
        return connection

    def load(self, asset: str, table: pa.Table, mode: str = "create", by: str = "dina") -> int:
        """Load a table as the steward; return its snapshot id."""
        snapshot = self.gateway.loading.load(
            by, LoadRequest(asset, mode), table.schema, iter(table.to_batches()), {}
        )
        return snapshot.snapshot_id

    def apply(self, **changes: str) -> int:
        """Apply the governance files with some replaced; return the epoch."""
        files: Mapping[str, str] = FILES | {
            {"policies": "policies/all.cedar", "cards": "assets/trials.yaml"}.get(k, f"{k}.yaml"): v
            for k, v in changes.items()
        }
        applied = self.gateway.loading.apply_files(files, "dina", dry_run=False)
        assert not applied.problems, [str(p) for p in applied.problems]
        return applied.epoch

    def close(self) -> None:
        """Stop everything."""
        for connection in self.connections:
            connection.close()
        self.server.shutdown()
        self.gateway.close()


def make_world(folder: Path, limits: Limits | None = None) -> World:
    """Build the lake and serve it."""
    source = folder / "source"
    for name, text in FILES.items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = folder / "lake"
    initialise(lake, "dina", source)
    gateway = Gateway(GatewayConfig(lake=lake, limits=limits or Limits()))
    server = Server(gateway)
    write_run_file(lake, server.address)
    world = World(gateway, server, lake)
    world.load("trials.patients", PATIENTS)
    world.load("trials.hidden", pa.table({"x": [1, 2, 3]}))
    world.load("governance.consent", consent_table())
    return world
