"""The signed list of what a model was trained on. Runs in the kernel.

A manifest proves which exact file versions were granted, under which decision and epoch. It
permits nothing: who resumes with it is decided anew, and told what is permitted no more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from jupyter_govdata.client.files import FILE_FIELDS
from jupyter_govdata.errors import (
    ConfigError,
    ProtocolError,
    StaleDecisionError,
    StampError,
    StorageError,
)
from jupyter_govdata.files.reading import Granted
from jupyter_govdata.files.words import size_text
from jupyter_govdata.model.files import FilesRequest, FileStat
from jupyter_govdata.model.manifest import (
    ManifestEntry,
    ManifestHeader,
    digest_of,
    entry_from_line,
    entry_of,
    header_from_wire,
)
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.wire import predicate_from_wire
from jupyter_govdata.stamps.verify import is_signed

_TRIES = 3


@dataclass(frozen=True, eq=False)
class Manifest:
    """Exact file versions, signed by the gateway.

    Args:
        header: What is signed: asset, purpose, epoch, decision, digest of the entries.
        entries: The files, in the order of the grant.
        public_keys: PEM of the keys that `verify` takes; empty: it must be given some.
    """

    header: ManifestHeader
    entries: tuple[ManifestEntry, ...] = field(repr=False)
    public_keys: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, granted: Granted, public_keys: Sequence[str] = ()) -> Manifest:
        """Have the gateway sign what a grant holds now.

        Raises:
            StaleDecisionError: Policy, consent or inventory change all the time.
            GovDataError: Whatever the gateway answers.
        """
        for _ in range(_TRIES):
            header, rows = granted.signed_list()
            facts = rows.select(FILE_FIELDS).to_pylist()
            entries = tuple(entry_of(FileStat(**row)) for row in facts)
            if digest_of(entries) == header.digest:
                return cls(header, entries, tuple(public_keys))
        raise StaleDecisionError(
            f"what is permitted of `{granted.grant.asset}` changed while it was listed",
            hint="run it again",
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], public_keys: Sequence[str] = ()) -> Manifest:
        """Read a manifest that `save` wrote; `verify` says whether it is whole.

        Raises:
            StorageError: The file cannot be read.
            StampError: It is no manifest.
        """
        place = Path(path)
        try:
            first, *lines = place.read_text("utf-8").splitlines()
            header = header_from_wire(json.loads(first))
            entries = tuple(entry_from_line(line) for line in lines if line)
        except OSError as exc:
            raise StorageError(f"`{place.name}` cannot be read: {exc.strerror}") from None
        except (ValueError, ProtocolError) as exc:
            raise StampError(f"`{place.name}` is not a manifest") from exc
        return cls(header, entries, tuple(public_keys))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the manifest: JSON lines, the header first.

        Raises:
            StorageError: The file cannot be written.
        """
        place = Path(path)
        lines = [self.header.line(), *(entry.line() for entry in self.entries)]
        try:
            place.write_bytes(b"\n".join(lines) + b"\n")
        except OSError as exc:
            raise StorageError(f"`{place.name}` cannot be written: {exc.strerror}") from None
        return place

    def verify(self, public_keys: Iterable[str] | None = None) -> None:
        """Check that the gateway signed this list as it stands.

        Args:
            public_keys: PEM; those of the session that made or read it by default.

        Raises:
            StampError: A line was changed, added or removed, or no key fits the signature.
            ConfigError: There is no key to check with.
        """
        keys = self.public_keys if public_keys is None else tuple(public_keys)
        if not keys:
            raise ConfigError(
                "there is no public key to check the manifest with",
                hint="read it by `session.read_manifest(path)`, or pass `session.public_keys`",
            )
        header = self.header
        if len(self.entries) != header.count or digest_of(self.entries) != header.digest:
            raise StampError(
                "the lines of the manifest are not those that were signed",
                hint="take the file as it was saved",
            )
        if not any(is_signed(header.message(), header.signature, k.encode()) for k in keys):
            raise StampError(
                "the signature of the manifest does not fit its contents",
                hint="it was changed, or another gateway signed it",
            )

    @property
    def request(self) -> FilesRequest:
        """What to ask for to get these files again, as far as they are permitted."""
        told = self.header.predicate
        predicate = TRUE if told is None else predicate_from_wire(told)
        return FilesRequest(self.header.asset, predicate, self.header.purpose)

    @cached_property
    def text(self) -> str:
        """One line that says what it holds."""
        header = self.header
        return (
            f"manifest of {header.count:,} files ({size_text(header.bytes)}) of {header.asset}, "
            f"for {header.purpose}, epoch {header.epoch}, made {header.made_at}"
        )

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"<{self.text}>"


@dataclass(frozen=True, slots=True)
class ManifestDiff:
    """What lies between a manifest and what is permitted now.

    Args:
        dropped: Files of the manifest that may not be opened any more.
        changed: Files whose content is another one now.
        added: Files that are permitted now and are not in the manifest.
        kept: How many are as they were.
    """

    dropped: tuple[ManifestEntry, ...]
    changed: tuple[ManifestEntry, ...]
    added: tuple[ManifestEntry, ...]
    kept: int

    def __bool__(self) -> bool:
        return bool(self.dropped or self.changed or self.added)

    def __repr__(self) -> str:
        lines = [
            f"{word} {entry.name}"
            for word, entries in (
                ("- drop   ", self.dropped),
                ("~ changed", self.changed),
                ("+ new    ", self.added),
            )
            for entry in entries
        ]
        counts = (
            f"{len(self.dropped):,} to drop, {len(self.changed):,} changed, "
            f"{len(self.added):,} new, {self.kept:,} as they were"
        )
        return "\n".join([*lines, counts])


def difference(manifest: Manifest, rows: pa.Table) -> ManifestDiff:
    """Return what lies between a manifest and the rows of a grant of today."""
    now = {row["key"]: entry_of(FileStat(**row)) for row in rows.select(FILE_FIELDS).to_pylist()}
    dropped, changed, kept = [], [], 0
    for entry in manifest.entries:
        found = now.pop(entry.key, None)
        if found is None:
            dropped.append(entry)
        elif _is_same(found, entry):
            kept += 1
        else:
            changed.append(entry)
    return ManifestDiff(tuple(dropped), tuple(changed), tuple(now.values()), kept)


def places_of(entries: Iterable[ManifestEntry], rows: pa.Table) -> tuple[list[int], list[str]]:
    """Return where the entries are in the rows of a grant, and the names of those that are not."""
    facts: list[dict[str, Any]] = rows.select(FILE_FIELDS).to_pylist()
    now = {row["key"]: (place, entry_of(FileStat(**row))) for place, row in enumerate(facts)}
    places: list[int] = []
    dropped: list[str] = []
    for entry in entries:
        place, found = now.get(entry.key, (-1, None))
        if found is not None and _is_same(found, entry):
            places.append(place)
        else:
            dropped.append(entry.name)
    return places, dropped


def _is_same(one: ManifestEntry, other: ManifestEntry) -> bool:
    # The same checksum is the same content, also where the store counts versions.
    if one.checksum and other.checksum:
        return (one.checksum, one.size) == (other.checksum, other.size)
    return (one.version, one.size) == (other.version, other.size)
