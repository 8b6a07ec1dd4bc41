"""The governance folder as values: who there is, what for, which tags, cards and policies.

Runs in the gateway and in `jupyter govdata check`; trusts nothing in the files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.identity import Principal
from jupyter_govdata.model.wire import asset_from_wire, to_wire
from jupyter_govdata.policy.cards import TagDefinition, card_reader
from jupyter_govdata.policy.records import PolicyText, read_policies
from jupyter_govdata.policy.yaml_source import Node, Place, Problems, near, read_yaml

_ID = re.compile(r"[!#-&(-\[\]-_a-~]{1,200}")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_TAG_SCOPES = ("asset", "column")


@dataclass(frozen=True, slots=True)
class Governance:
    """Everything that policy needs to know but the assets themselves.

    Args:
        principals: By id.
        groups: Group -> description.
        purposes: Purpose -> description.
        tags: Definitions, by key.
        cards: Assets as the files describe them: columns without types.
        policies: Sorted by id.
        templates: Policies with slots, sorted by id; they count once a request links them.
        places: Where things stand, for errors; ``card:<asset>``, ``card:<asset>/<column>``,
            ``card:<asset>//subject``. Not kept by the store.
    """

    principals: Mapping[str, Principal] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, TagDefinition] = field(default_factory=dict)
    cards: Mapping[str, Asset] = field(default_factory=dict)
    policies: tuple[PolicyText, ...] = ()
    templates: tuple[PolicyText, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)

    def policy(self, policy_id: str) -> PolicyText | None:
        """Return the policy of that id, or None."""
        return next((p for p in self.policies if p.id == policy_id), None)

    def to_json(self) -> dict[str, Any]:
        """Return the form that the governance store keeps: plain JSON, nothing to parse again."""
        return {
            "principals": [to_wire(p) for p in self.principals.values()],
            "groups": dict(self.groups),
            "purposes": dict(self.purposes),
            "tags": [to_wire(t) for t in self.tags.values()],
            "cards": [to_wire(c) for c in self.cards.values()],
            "policies": [p.to_json() for p in self.policies],
            "templates": [p.to_json() for p in self.templates],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Governance:
        """Reverse `to_json`."""
        return cls(
            principals={p["id"]: principal_from_json(p) for p in data["principals"]},
            groups=dict(data["groups"]),
            purposes=dict(data["purposes"]),
            tags={t["key"]: TagDefinition.from_json(t) for t in data["tags"]},
            cards={c["name"]: asset_from_wire(c) for c in data["cards"]},
            policies=tuple(PolicyText.from_json(p) for p in data["policies"]),
            templates=tuple(PolicyText.from_json(p) for p in data.get("templates", ())),
        )


def principal_from_json(data: Mapping[str, Any]) -> Principal:
    """Reverse `to_wire` for a `Principal`."""
    attributes = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in data["attributes"].items()
    }
    return Principal(**{**data, "groups": tuple(data["groups"]), "attributes": attributes})


def read_governance(files: Mapping[str, str]) -> Governance:
    """Read a governance folder.

    Reading the same files again is free: the gateway does so at every new epoch, and most of
    those change consent or a card only.

    Args:
        files: Relative path -> text, e.g. ``policies/clinical.cedar``, ``principals.yaml``.

    Raises:
        PolicyFileError: The first thing that is wrong; `validate.problems` lists them all.
    """
    return _read(tuple(sorted(files.items())))


@lru_cache(maxsize=4)
def _read(files: tuple[tuple[str, str], ...]) -> Governance:
    governance, found = read_all(dict(files))
    if found:
        raise found[0]
    return governance


def read_all(files: Mapping[str, str]) -> tuple[Governance, list[PolicyFileError]]:
    """Read what can be read; errors are in the second value."""
    notes = Problems()
    nodes: dict[str, Node | None] = {}
    policies: dict[str, PolicyText] = {}
    for path in sorted(files):
        if path.startswith("policies/") and path.endswith(".cedar"):
            found, wrong = read_policies(path, files[path])
            notes.found.extend(wrong)
            _add_policies(policies, found, notes)
        elif path in ("principals.yaml", "purposes.yaml", "tags.yaml") or (
            path.startswith("assets/") and path.endswith(".yaml")
        ):
            nodes[path] = read_yaml(path, files[path], notes)
        elif not path.endswith((".md", ".txt")) and not path.rpartition("/")[2].startswith("."):
            notes.add(Place(path, 1, 1), "this file has no place in a governance folder", _LAYOUT)
    purposes = _read_purposes(nodes.get("purposes.yaml"))
    tags = _read_tags(nodes.get("tags.yaml"))
    groups, principals = _read_principals(nodes.get("principals.yaml"), purposes)
    read_cards = card_reader(tags, frozenset(principals), frozenset(groups))
    places: dict[str, Place] = {}
    cards: dict[str, Asset] = {}
    for path, node in nodes.items():
        if path.startswith("assets/") and node is not None:
            read_cards(node, cards, places)
    ordered = [policies[name] for name in sorted(policies)]
    static = tuple(policy for policy in ordered if not policy.is_template)
    templates = tuple(policy for policy in ordered if policy.is_template)
    governance = Governance(
        principals, groups, purposes, tags, cards, static, templates, places=places
    )
    return governance, notes.found


_LAYOUT = (
    "it holds `policies/*.cedar`, `assets/*.yaml`, `principals.yaml`, `purposes.yaml` and "
    "`tags.yaml`"
)


def _add_policies(known: dict[str, PolicyText], found: list[PolicyText], notes: Problems) -> None:
    for policy in found:
        first = known.get(policy.id)
        if first is not None:
            notes.add(
                Place(policy.file, policy.line, policy.column),
                f"the policy id `{policy.id}` is taken",
                f"it stands in `{first.file}` line {first.line}",
            )
        else:
            known[policy.id] = policy


def _section(node: Node | None, key: str) -> list[tuple[str, Node, Node]]:
    fields = node.fields(f"`{node.file}`", (key,)) if node is not None else {}
    return fields[key].entries(f"`{key}`") if key in fields else []


def _read_purposes(node: Node | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key, value in _section(node, "purposes"):
        if _named(key, name, "a purpose", _WORD):
            found[name] = _description(value, f"purpose `{name}`")
    return found


def _description(node: Node, what: str) -> str:
    fields = node.fields(what, ("description",))
    text = fields["description"].text(f"`description` of {what}") if fields else None
    return text or ""


def _read_tags(node: Node | None) -> dict[str, TagDefinition]:
    found: dict[str, TagDefinition] = {}
    for name, key, value in _section(node, "tags"):
        if not _named(key, name, "a tag", _WORD):
            continue
        what = f"tag `{name}`"
        fields = value.fields(what, ("scope", "values", "description"))
        scope = fields["scope"].texts(f"`scope` of {what}") if "scope" in fields else []
        for word, at in scope:
            if word not in _TAG_SCOPES:
                at.error(f"unknown scope `{word}` of {what}", near(word, _TAG_SCOPES))
        values = fields["values"].texts(f"`values` of {what}") if "values" in fields else []
        text = fields["description"].text("`description`") if "description" in fields else None
        found[name] = TagDefinition(
            name,
            tuple(s for s, _ in scope) or _TAG_SCOPES,
            tuple(v for v, _ in values),
            text or "",
        )
    return found


def _read_principals(
    node: Node | None, purposes: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, Principal]]:
    groups: dict[str, str] = {}
    principals: dict[str, Principal] = {}
    fields = node.fields("`principals.yaml`", ("groups", "principals")) if node else {}
    if "groups" in fields:
        for name, key, value in fields["groups"].entries("`groups`"):
            if _named(key, name, "a group", _WORD):
                groups[name] = _description(value, f"group `{name}`")
    if "principals" in fields:
        for name, key, value in fields["principals"].entries("`principals`"):
            if not _named(key, name, "a principal", _ID):
                continue
            if name in groups:
                key.error(f"`{name}` is a group already", "a card's steward could mean either")
            principals[name] = _principal(name, value, groups, purposes)
    return groups, principals


def _principal(
    name: str, node: Node, groups: Mapping[str, str], purposes: Mapping[str, str]
) -> Principal:
    what = f"principal `{name}`"
    fields = node.fields(what, ("name", "groups", "purpose", "attributes"))
    member = fields["groups"].texts(f"`groups` of {what}") if "groups" in fields else []
    for group, at in member:
        if group not in groups:
            at.error(f"unknown group `{group}`", near(group, groups))
    purpose = fields["purpose"].text(f"`purpose` of {what}") if "purpose" in fields else None
    if purpose is not None and purpose not in purposes:
        fields["purpose"].error(f"unknown purpose `{purpose}`", near(purpose, purposes))
    attributes = {}
    if "attributes" in fields:
        for attr, key, value in fields["attributes"].entries(f"`attributes` of {what}"):
            if _named(key, attr, "an attribute", _IDENTIFIER):
                read = value.attribute(f"attribute `{attr}`")
                if read is not None:
                    attributes[attr] = read
    person = fields["name"].text(f"`name` of {what}") if "name" in fields else None
    return Principal(name, person or "", tuple(sorted(g for g, _ in member)), attributes, purpose)


def _named(key: Node, name: str, what: str, pattern: re.Pattern[str]) -> bool:
    if pattern.fullmatch(name):
        return True
    wanted = "printable characters without blanks, quotes or `\\`"
    if pattern is not _ID:
        wanted = "letters, digits and `_`, starting with a letter"
    key.error(f"`{name[:60]}` cannot name {what}", f"use {wanted}")
    return False
