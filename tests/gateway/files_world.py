"""A small lake with an inventory of files behind a real gateway."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import flight

from jupyter_govdata.client.connection import Connection, raised
from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.server import Server
from jupyter_govdata.model.files import FileRead, FilesGrant, FilesRequest
from jupyter_govdata.model.wire_files import (
    files_request_to_wire,
    grant_from_wire,
    read_ticket,
    rows_ticket,
)
from tests.gateway.world import PRINCIPALS, PURPOSES, World

TAGS = """
tags:
  identifier: {scope: [column], values: [direct]}
  classification: {scope: [asset], values: [public, internal, restricted]}
  register: {scope: [asset], values: [consent, crosswalk]}
"""
CARDS = """
assets:
  imaging.slides:
    kind: files
    owner: dina
    steward: stewards
    subject: {column: patient, domain: "T:patient"}
    files: {uri: uri, size: bytes, checksum: sha256, version: version}
    tags: {classification: CLASS}
    columns:
      uri: {description: Address.}
      patient: {description: Patient., domain: "T:patient", tags: {identifier: direct}}
  imaging.named:
    kind: files
    owner: dina
    steward: stewards
    files: {uri: uri, size: bytes, checksum: sha256}
    columns:
      uri: {description: Address with a patient in it., domain: "L:uri", tags: {identifier: direct}}
  governance.consent:
    owner: dina
    steward: stewards
    tags: {register: consent}
"""
POLICIES = """
@id("owners")
permit (principal, action, resource)
when { resource.asset.owner == principal || principal in resource.asset.steward };

@id("lake-stewards")
permit (principal in Group::"stewards",
        action in [Action::"discover", Action::"publish", Action::"approve", Action::"manage"],
        resource);

@id("clinical-look")
permit (principal in Group::"clinical", action in [Action::"discover", Action::"reveal"],
        resource in Namespace::"imaging");

@id("clinical-rows")
permit (principal in Group::"clinical", action == Action::"select",
        resource in Namespace::"imaging")
when { context.purpose == "research" };

@id("clinical-open")
permit (principal in Group::"clinical", action == Action::"open",
        resource in Namespace::"imaging")
when { resource.study == principal.study };

@id("ml-look")
permit (principal in Group::"ml", action in [Action::"discover", Action::"reveal"],
        resource in Asset::"imaging.slides");

@id("ml-rows")
permit (principal in Group::"ml", action in [Action::"select", Action::"open"],
        resource in Asset::"imaging.slides")
when { resource.subject.consents.contains(context.purpose) };

@id("ids-as-pseudonyms")
@mask("pseudonym")
forbid (principal, action == Action::"reveal", resource)
when { resource.hasTag("identifier") }
unless { principal in Group::"stewards" };
"""
SCHEMA = pa.schema(
    [
        ("uri", pa.string()),
        ("bytes", pa.int64()),
        ("sha256", pa.string()),
        ("version", pa.string()),
        ("patient", pa.string()),
        ("study", pa.string()),
    ]
)


def governance(classification: str = "internal", policies: str = POLICIES) -> dict[str, str]:
    """Return the governance files."""
    return {
        "principals.yaml": PRINCIPALS,
        "purposes.yaml": PURPOSES,
        "tags.yaml": TAGS,
        "assets/imaging.yaml": CARDS.replace("CLASS", classification),
        "policies/all.cedar": policies,
    }


def row(uri: str, content: bytes, patient: str, study: str, version: str = "") -> dict[str, Any]:
    """Return an inventory row."""
    return {
        "uri": uri,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "version": version or None,
        "patient": patient,
        "study": study,
    }


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """Return inventory rows as a table."""
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def consents(given: dict[str, bool]) -> pa.Table:
    """Return the consent register: patient -> given."""
    moment = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    return pa.table(
        {
            "person_key": [f"T:patient|{p}" for p in given],
            "purpose": ["model_training"] * len(given),
            "status": ["given" if ok else "withdrawn" for ok in given.values()],
            "recorded_at": pa.array([moment] * len(given), pa.timestamp("us", "UTC")),
            "source": ["test"] * len(given),
        }
    )


class Reader:
    """What a client does with files, by the bare protocol."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def grant(self, asset: str = "imaging.slides", **options: Any) -> FilesGrant:
        """Ask for files."""
        request = files_request_to_wire(FilesRequest(asset, **options))
        return grant_from_wire(self.connection.act("files_grant", request))

    def act(self, name: str, grant: FilesGrant, **data: Any) -> Any:
        """Call an action about a grant."""
        return self.connection.act(name, {"grant": grant.grant, **data})

    def rows(self, grant: FilesGrant, offset: int = 0, limit: int | None = None) -> pa.Table:
        """Return rows of a grant."""
        return pa.Table.from_batches(
            [c.data for c in self._chunks(rows_ticket(grant.grant, offset, limit))]
        )

    def read(
        self, grant: FilesGrant, index: int, offset: int = 0, length: int | None = None
    ) -> bytes:
        """Return bytes of a file."""
        ticket = read_ticket(FileRead(grant.grant, index, offset, length))
        return b"".join(
            value.as_buffer() for chunk in self._chunks(ticket) for value in chunk.data.column(0)
        )

    def _chunks(self, ticket: bytes) -> list[flight.FlightStreamChunk]:
        stream, chunk = self.connection.read(ticket)
        found = []
        while chunk is not None:
            found.append(chunk)
            try:
                chunk = stream.read_chunk()
            except StopIteration:
                break
            except pa.ArrowException as exc:
                raise raised(exc) from None
        return found

    def indexes(self, grant: FilesGrant) -> dict[str, int]:
        """Return file name -> index of the files that are permitted now."""
        rows = self.rows(grant)
        return dict(zip(rows["name"].to_pylist(), rows["index"].to_pylist(), strict=True))


def make_files_world(folder: Path, storage: str, classification: str = "internal") -> World:
    """Build a lake whose storages are given as TOML, and serve it."""
    source = folder / "source"
    for name, text in governance(classification).items():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    lake = folder / "lake"
    initialise(lake, "dina", source)
    with (lake / "govdata.toml").open("a", encoding="utf-8") as out:
        out.write(storage)
    gateway = Gateway(GatewayConfig(lake=lake))
    server = Server(gateway)
    write_run_file(lake, server.address)
    return World(gateway, server, lake)


def apply(world: World, **options: str) -> int:
    """Apply the governance files anew; return the epoch."""
    applied = world.gateway.loading.apply_files(governance(**options), "dina", dry_run=False)
    assert not applied.problems, [str(p) for p in applied.problems]
    return applied.epoch
