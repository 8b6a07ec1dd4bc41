"""Cards of assets as `assets/*.yaml` writes them. Runs in the gateway; trusts nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from jupyter_govdata.errors import CatalogError
from jupyter_govdata.model.asset import (
    RISK_CLASSES,
    Asset,
    AssetKind,
    Column,
    FileColumns,
    Subject,
    asset_name,
)
from jupyter_govdata.policy.compare import template_columns
from jupyter_govdata.policy.yaml_source import Node, Place, near

RESERVED_COLUMNS = ("asset", "subject")
"""Names that a row has besides its columns."""

_KINDS: tuple[str, ...] = get_args(AssetKind)
_CARD_KEYS = (
    "kind",
    "owner",
    "steward",
    "description",
    "licence",
    "source",
    "generated_by",
    "transformations",
    "quality",
    "suitable_for",
    "limitations",
    "intended_use",
    "risk_class",
    "tags",
    "subject",
    "files",
    "columns",
)
_FILE_KEYS = ("uri", "size", "checksum", "version", "format")
_COLUMN_KEYS = ("description", "unit", "tags", "domain")
_DOMAIN = re.compile(r"(?:[^{}\s]|\{[^{}]+\})+")


@dataclass(frozen=True, slots=True)
class TagDefinition:
    """A tag that cards may carry.

    Args:
        key: Its name.
        scope: ``asset``, ``column`` or both.
        values: Allowed values; none means any text, or no value at all.
        description: For people.
    """

    key: str
    scope: tuple[str, ...] = ("asset", "column")
    values: tuple[str, ...] = ()
    description: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TagDefinition:
        """Reverse `to_wire`."""
        return cls(data["key"], tuple(data["scope"]), tuple(data["values"]), data["description"])


CardReader = Callable[[Node, dict[str, Asset], dict[str, Place]], None]


def card_reader(
    tags: Mapping[str, TagDefinition], principals: Collection[str], groups: Collection[str]
) -> CardReader:
    """Return a function that adds the cards of one file, and their places, to two mappings."""
    reader = _Reader(tags, frozenset(principals), frozenset(groups))
    return reader.read


@dataclass(frozen=True, slots=True)
class _Reader:
    tags: Mapping[str, TagDefinition]
    principals: frozenset[str]
    groups: frozenset[str]

    def read(self, node: Node, cards: dict[str, Asset], places: dict[str, Place]) -> None:
        fields = node.fields(f"`{node.file}`", ("assets",))
        for name, key, value in fields["assets"].entries("`assets`") if fields else ():
            try:
                asset_name(name)
            except CatalogError as exc:
                key.error(exc.message, exc.hint)
                continue
            if name in cards:
                first = places[f"card:{name}"]
                key.error(
                    f"`{name}` has a card already", f"it is in `{first.file}` line {first.line}"
                )
                continue
            places[f"card:{name}"] = key.place
            cards[name] = self._card(name, value, places)

    def _card(self, name: str, node: Node, places: dict[str, Place]) -> Asset:
        fields = node.fields(f"the card of `{name}`", _CARD_KEYS)

        def text(key: str) -> str:
            found = fields[key].text(f"`{key}` of `{name}`") if key in fields else None
            return found or ""

        kind = text("kind") or "table"
        if kind not in _KINDS:
            fields["kind"].error(f"unknown kind `{kind}`", near(kind, _KINDS))
            kind = "table"
        owner, steward = text("owner"), text("steward")
        if owner and owner not in self.principals:
            fields["owner"].error(f"unknown principal `{owner}`", near(owner, self.principals))
        people = self.principals | self.groups
        if steward and steward not in people:
            fields["steward"].error(
                f"unknown principal or group `{steward}`", near(steward, people)
            )
        subject = self._subject(name, fields.get("subject"), places)
        return Asset(
            name=name,
            kind=cast("AssetKind", kind),
            owner=owner,
            steward=steward,
            description=text("description"),
            tags=self._tags(fields.get("tags"), "asset", f"`{name}`"),
            columns=self._columns(name, fields.get("columns"), places),
            subject=subject,
            files=self._files(name, kind, fields.get("files"), places),
            licence=text("licence"),
            source=text("source"),
            generated_by=text("generated_by"),
            transformations=text("transformations"),
            quality=self._quality(name, fields.get("quality")),
            suitable_for=text("suitable_for"),
            limitations=text("limitations"),
            intended_use=text("intended_use"),
            risk_class=self._risk_class(name, fields.get("risk_class")),
        )

    def _quality(self, asset: str, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        found = node.texts(f"`quality` of `{asset}`")
        return tuple(text for text, _ in found if text)

    def _risk_class(self, asset: str, node: Node | None) -> str:
        found = node.text(f"`risk_class` of `{asset}`") if node is not None else None
        if node is None or not found:
            return ""
        if found not in RISK_CLASSES:
            node.error(
                f"unknown risk class `{found[:60]}` of `{asset}`",
                near(found, RISK_CLASSES) or "use `low`, `moderate` or `high`",
            )
            return ""
        return found

    def _columns(
        self, asset: str, node: Node | None, places: dict[str, Place]
    ) -> tuple[Column, ...]:
        found: list[Column] = []
        for name, key, value in node.entries(f"`columns` of `{asset}`") if node else ():
            if name in RESERVED_COLUMNS:
                key.error(
                    f"`{name}` cannot name a column",
                    f"policies read the row's own `resource.{name}`: rename the column",
                )
            places[f"card:{asset}/{name}"] = key.place
            what = f"column `{name}`"
            fields = value.fields(what, _COLUMN_KEYS)
            texts = {k: fields[k].text(f"`{k}` of {what}") for k in fields if k != "tags"}
            if "domain" in fields:
                self._domain(fields["domain"], texts["domain"] or "")
            found.append(
                Column(
                    name=name,
                    description=texts.get("description") or "",
                    unit=texts.get("unit") or "",
                    tags=self._tags(fields.get("tags"), "column", what),
                    domain=texts.get("domain") or "",
                )
            )
        return tuple(found)

    def _subject(self, asset: str, node: Node | None, places: dict[str, Place]) -> Subject | None:
        if node is None:
            return None
        places[f"card:{asset}//subject"] = node.place
        fields = node.fields(f"`subject` of `{asset}`", ("column", "domain"))
        if len(fields) != 2:
            node.error(f"`subject` of `{asset}` needs `column` and `domain`")
            return None
        column = fields["column"].text("`column` of a subject")
        domain = fields["domain"].text("`domain` of a subject")
        if column is None or domain is None or not self._domain(fields["domain"], domain):
            return None
        return Subject(column, domain)

    def _files(
        self, asset: str, kind: str, node: Node | None, places: dict[str, Place]
    ) -> FileColumns | None:
        if node is None:
            return None
        places[f"card:{asset}//files"] = node.place
        if kind != "files":
            node.error(f"`{asset}` is no inventory", "set `kind: files`, or remove `files`")
        fields = node.fields(f"`files` of `{asset}`", _FILE_KEYS)
        found = {key: fields[key].text(f"`{key}` of `files`") or "" for key in fields}
        if not found.get("uri"):
            node.error(f"`files` of `{asset}` needs `uri`", "name the column with the addresses")
            return None
        return FileColumns(**found)

    def _domain(self, node: Node, domain: str) -> bool:
        if domain and not _DOMAIN.fullmatch(domain):
            node.error(
                f"`{domain[:60]}` is not an identifier domain",
                "write `STUDY:id_type`, or name columns in braces: `{study_id}:{id_type}`",
            )
            return False
        for column in template_columns(domain) & set(RESERVED_COLUMNS):
            node.error(f"a domain cannot name `{column}`: it is not a column")
        return True

    def _tags(self, node: Node | None, scope: str, what: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, at, value in node.entries(f"`tags` of {what}") if node else ():
            definition = self.tags.get(key)
            if definition is None:
                at.error(
                    f"unknown tag `{key}`", near(key, self.tags) or "declare it in `tags.yaml`"
                )
                continue
            if scope not in definition.scope:
                at.error(f"tag `{key}` is not for {scope}s", "see its `scope` in `tags.yaml`")
                continue
            text = "" if value.empty else value.text(f"tag `{key}`")
            if text is None:
                continue
            if definition.values and text not in definition.values:
                place = at if value.empty else value
                place.error(
                    f"tag `{key}` has no value `{text}`" if text else f"tag `{key}` needs a value",
                    near(text, definition.values),
                )
                continue
            found[key] = text
        return found
