"""What is governed: assets, their columns, cards and snapshots. Runs everywhere."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jupyter_govdata.errors import CatalogError

AssetKind = Literal["table", "files", "embeddings", "model", "report"]
RISK_CLASSES = ("low", "moderate", "high")
"""How bad it would be if the data were wrong, lost or seen by others."""
NAME_PART = re.compile(r"[a-z][a-z0-9_]{0,62}")


def asset_name(text: str) -> str:
    """Return `text` if it is a canonical asset name ``namespace.name``.

    Both parts are 1 to 63 characters of ``a-z 0-9 _`` and start with a letter, so no name can
    hold a wildcard, a path or a look-alike letter.

    Raises:
        CatalogError: The name is not canonical.
    """
    parts = text.split(".")
    if len(parts) != 2 or not all(NAME_PART.fullmatch(part) for part in parts):
        raise CatalogError(
            f"`{text[:200]}` is not an asset name",
            hint="use `namespace.name`: lower-case letters, digits and `_`, starting with a letter",
        )
    return text


def namespace_of(asset: str) -> str:
    """Return the namespace of an asset name.

    >>> namespace_of("trials.outcomes")
    'trials'
    """
    return asset.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the card describes it.

    Args:
        name: Name in the current schema.
        type: Iceberg type, e.g. ``string``, ``long``, ``decimal(9, 2)``, ``timestamptz``.
        field_id: Iceberg field id; stays the same through renames. 0 in a card that is not
            bound to a table yet.
        description: For people; from the source's label where it has one.
        unit: Unit of measurement, or empty.
        tags: Classification, e.g. ``{"identifier": "direct"}``; a tag without a value maps to "".
        domain: Identifier domain of an id column (``TCGA-LAML:tcga_patient``), or empty. Values
            of one domain get one pseudonym. May name other columns in braces:
            ``{study_id}:{id_type}``.
    """

    name: str
    type: str = ""
    field_id: int = 0
    description: str = ""
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Which column says whom a row is about: where consent is looked up.

    `domain` may name other columns in braces, as in `Column.domain`.
    """

    column: str
    domain: str


@dataclass(frozen=True, slots=True)
class FileColumns:
    """Which columns of an inventory tell where its files are and what they hold.

    Args:
        uri: Address of the file; in the gateway only.
        size: Bytes, or empty for no such column; so the others.
        checksum: SHA-256 (hex), or what the store calls its checksum.
        version: Version of the object.
        format: Format of the file.
    """

    uri: str
    size: str = ""
    checksum: str = ""
    version: str = ""
    format: str = ""


@dataclass(frozen=True, slots=True)
class Asset:
    """A governed object with its card.

    Args:
        name: ``namespace.name``.
        kind: What it is.
        owner: Principal id.
        steward: Principal or group id.
        description: For people.
        tags: Classification; a tag without a value maps to "".
        columns: Of the current schema, in order.
        subject: Whom rows are about, or None when they are about nobody.
        licence: Licence or terms of use, or empty.
        source: Where the data comes from, with attribution, or empty.
        files: Of an inventory, else None.
        generated_by: How and by whom it was generated, or empty.
        transformations: What was done to it since, or empty.
        quality: Checks that were made, each with what it found.
        suitable_for: What it can be used for, or empty.
        limitations: What it cannot show, or empty.
        intended_use: What it was made for, or empty.
        risk_class: One of `RISK_CLASSES`, or empty.
    """

    name: str
    kind: AssetKind = "table"
    owner: str = ""
    steward: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    subject: Subject | None = None
    licence: str = ""
    source: str = ""
    files: FileColumns | None = None
    generated_by: str = ""
    transformations: str = ""
    quality: tuple[str, ...] = ()
    suitable_for: str = ""
    limitations: str = ""
    intended_use: str = ""
    risk_class: str = ""

    def column(self, name: str) -> Column | None:
        """Return the column of that name, or None."""
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A version of an asset.

    Args:
        snapshot_id: Iceberg snapshot id.
        schema_id: Iceberg schema id it was written under.
        committed_at: UTC.
        operation: ``append``, ``overwrite``, ``delete`` or ``replace``.
        added_rows: Rows added, or None if the writer did not say.
        removed_rows: Rows removed, or None.
        total_rows: Rows after the commit, or None.
        tags: Iceberg tags that point here.
        provenance: What the loader recorded (``source``, ``sha256``, ``loaded_by`` ...).
    """

    snapshot_id: int
    schema_id: int
    committed_at: dt.datetime
    operation: str
    added_rows: int | None = None
    removed_rows: int | None = None
    total_rows: int | None = None
    tags: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
