"""Walk a policy as written, with stand-ins for what only a request knows.

Runs in `apply` and `jupyter govdata check`; pure. It is the residual translator itself, so what
it lets pass the translator can express; on top it notes names, types and values that no request
could ever have.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.policy.compare import unsupported
from jupyter_govdata.policy.residual import Json
from jupyter_govdata.policy.scene import (
    ACTION_KINDS,
    ADDRESS_TESTS,
    ASSET_ATTRIBUTES,
    COLUMN_ATTRIBUTES,
    CONTEXT,
    TYPES,
    WORDS,
    StandIn,
    attribute_places,
)
from jupyter_govdata.policy.standins import OPEN, Samples
from jupyter_govdata.policy.terms import (
    ALWAYS,
    NEVER,
    Alternatives,
    CedarType,
    Col,
    Const,
    SetOf,
    SubjectOf,
    Truth,
    column_type,
)
from jupyter_govdata.policy.tokens import quoted
from jupyter_govdata.policy.yaml_source import near


class Checker(Samples):
    """Check one condition on one scene; `scene.findings` says what is wrong."""

    # -- variables, attributes -------------------------------------------------------------

    def outside(self, expr: Json) -> Alternatives:
        """Return a stand-in for what does not depend on the row."""
        name, body = next(iter(expr.items()))
        if name == "Var":
            kinds = {"principal": "User", "resource": self.scene.kind, "action": "Action"}
            if body == "context":
                return ((TRUE, Const("record", None)),)
            return ((TRUE, _entity(kinds[body])),)
        if name == ".":
            return self._of_variable(body["left"]["Var"], body["attr"])
        if name == "getTag":
            return self._tag_value(body)
        if name in ADDRESS_TESTS:
            for argument in body:
                if any(isinstance(term, Col) for _, term in self.value(argument)):
                    unsupported(f"`{name}` on a column")
            return ((OPEN.yes, Const("bool", True)), (OPEN.no, Const("bool", False)))
        return unsupported(f"`{name}`")

    def _of_variable(self, variable: str, attr: str) -> Alternatives:
        if variable == "principal":
            return self._of_user(attr)
        if variable == "context":
            kind = CONTEXT.get(attr)
            if kind is None:
                self._unknown(attr, f"`context` has no `{attr}`", CONTEXT)
                return ()
            return ((TRUE, Const(kind, StandIn(attr))),)
        if variable == "resource" and self.scene.kind == "Row" and attr != "asset":
            return self.subject() if attr == "subject" else self.column(attr)
        return self._of_entity(self.scene.kind, attr)

    def _of_entity(self, kind: str, attr: str) -> Alternatives:
        known: Mapping[str, CedarType] = {}
        if kind == "User":
            return self._of_user(attr)
        if kind == "Asset":
            known = ASSET_ATTRIBUTES
        elif kind == "Column":
            known = COLUMN_ATTRIBUTES
        elif kind == "Row":
            known = {"asset": "entity"}
        if attr not in known:
            self._no_attribute(kind, attr, known)
            return ()
        if attr == "name" and self.scene.column is not None and kind == "Column":
            return ((TRUE, Const("string", self.scene.column.name)),)
        if known[attr] == "entity":
            types = {"asset": "Asset", "owner": "User", "steward": "User"}
            return ((TRUE, _entity(types[attr])),)
        return ((TRUE, Const(known[attr], StandIn())),)

    def _no_attribute(self, kind: str, attr: str, known: Mapping[str, CedarType]) -> None:
        if attr in self.row.types or attr == "subject":
            self.note(
                f"`resource.{attr}` is of a row, and this action is not asked on rows",
                "conditions on rows belong to `select` and `open`",
                *attribute_places(attr),
            )
        else:
            self._unknown(attr, f"`{kind}` has no attribute `{attr}`", known)

    def _of_user(self, attr: str) -> Alternatives:
        kinds = self.world.attributes.get(attr)
        if not kinds:
            self._unknown(attr, f"no principal has the attribute `{attr}`", self.world.attributes)
            return ()
        if len(kinds) > 1:
            self.note(
                f"the attribute `{attr}` has different types in different principals",
                "give it one type in `principals.yaml`",
                *attribute_places(attr),
            )
            return ()
        kind = next(iter(kinds))
        if kind == "set":
            return ((TRUE, SetOf((Const("string", StandIn()),))),)
        if kind == "bool":
            return ((OPEN.yes, Const("bool", True)), (OPEN.no, Const("bool", False)))
        return ((TRUE, Const(kind, StandIn())),)

    def _unknown(self, attr: str, message: str, known: Mapping[str, Any]) -> None:
        self.note(message, near(attr, known), *attribute_places(attr))

    def attribute(self, expr: Json, left: Json, attr: str) -> Alternatives:
        """Return ``left.attr``."""
        if "Var" in left:
            return self.outside(expr)
        found = super().attribute(expr, left, attr)
        for _, term in self.value(left):
            if isinstance(term, SubjectOf) and attr != "consents":
                self._unknown(attr, f"`resource.subject` has no `{attr}`", {"consents": None})
            elif isinstance(term, Const) and term.type == "entity":
                if self._looks_into(term, *attribute_places(attr)):
                    found = (*found, *self._of_entity(_kind(term), attr))
            elif not isinstance(term, SubjectOf):
                self.note(f"`.{attr}` on {WORDS[term.type]}", None, *attribute_places(attr))
        return found

    def column(self, name: str) -> Alternatives:
        """Return the term of a column, noting one that does not exist or has no Cedar type."""
        iceberg = self.row.types.get(name)
        if iceberg is None:
            if name in ASSET_ATTRIBUTES:
                hint: str | None = f"write `resource.asset.{name}`"
            else:
                hint = near(name, self.row.types)
            self.note(
                f"no asset in the policy's scope has a column `{name}`",
                hint,
                *attribute_places(name),
            )
            return ()
        if column_type(iceberg) is None:
            where = f" of `{self.scene.where}`" if self.scene.where else ""
            self.note(
                f"column `{name}`{where} is `{iceberg}`, which Cedar cannot compare exactly",
                "load it as `decimal` with up to 4 digits after the point"
                if iceberg in ("float", "double") or iceberg.startswith("decimal")
                else "conditions can ask for text, whole numbers, decimals, booleans and dates",
                *attribute_places(name),
            )
            return ()
        return super().column(name)

    def subject(self) -> Alternatives:
        """Return the term of `resource.subject`, noting that there is none."""
        found = super().subject()
        if not found:
            self.note(
                "no asset in the policy's scope says whom its rows are about",
                "add `subject: {column: …, domain: …}` to its card",
                *attribute_places("subject"),
            )
        return found

    # -- has, is, in, tags -----------------------------------------------------------------

    def has(self, left: Json, attr: str) -> Truth:
        """Return when ``left has attr``."""
        if left == {"Var": "resource"} and self.scene.kind == "Row" and attr != "asset":
            if not (self.subject() if attr == "subject" else self._known_column(attr)):
                return NEVER
            return OPEN
        if left == {"Var": "context"}:
            self._of_variable("context", attr)
            return ALWAYS if attr in CONTEXT else NEVER
        if "Var" in left:
            self._of_variable(left["Var"], attr)
            return OPEN
        for _, term in self.value(left):
            if not isinstance(term, Const) or term.type != "entity":
                continue
            if self._looks_into(term, *attribute_places(attr)):
                self._of_entity(_kind(term), attr)
        return OPEN

    def _looks_into(self, term: Const, *places: tuple[str, ...]) -> bool:
        """Return whether a request brings what an entity holds; note that it does not."""
        kind, name = term.value
        if kind == "Asset" and name is None:
            return True
        what = f'`{kind}::"{name}"`' if name is not None else f"another `{kind}`"
        self.note(
            f"a policy cannot look into {what}: no request brings what it holds",
            "it can look into `principal`, `resource` and `resource.asset`",
            *places,
        )
        return False

    def _known_column(self, name: str) -> bool:
        if name not in self.row.types:
            self.column(name)
        return name in self.row.types

    def outside_truth(self, expr: Json) -> Truth:
        """Return the truth of `is`, `in` and `hasTag`."""
        name, body = next(iter(expr.items()))
        if name == "is":
            return self._is(body)
        if name == "in":
            self._entities_in(body["left"])
            self._entities_in(body["right"])
            if "Var" not in body["left"]:
                for _, term in self.value(body["left"]):
                    if isinstance(term, Const) and term.type == "entity":
                        attr = body["left"].get(".", {}).get("attr", "")
                        kind, name = term.value
                        place = (attr,) if name is None else (kind, "::", quoted(name))
                        self._looks_into(term, (*place, "in"))
            return OPEN
        return self._has_tag(body)

    def _is(self, body: Json) -> Truth:
        kind = body["entity_type"]
        if kind not in TYPES:
            self.note(f"there is no entity type `{kind}`", near(kind, TYPES), ("is", kind))
            return NEVER
        if body["left"] == {"Var": "resource"}:
            return ALWAYS if kind == self.scene.kind else NEVER
        if body["left"] == {"Var": "principal"}:
            return ALWAYS if kind == "User" else NEVER
        return OPEN

    def _entities_in(self, expr: Json) -> None:
        for _, term in self.value(expr):
            parts = term.elements if isinstance(term, SetOf) else (term,)
            for part in parts:
                if part.type != "entity":
                    self.mismatch(part, _entity("Group"))

    def _tag_key(self, body: Json) -> tuple[str | None, Mapping[str, str] | None, str]:
        """Return the key, the tags if the scene knows them, and what carries them."""
        carrier = self.scene.kind
        if body["left"] != {"Var": "resource"}:
            carriers = [t for _, t in self.value(body["left"]) if isinstance(t, Const)]
            carrier = next((_kind(term) for term in carriers), "")
            for term in carriers:
                if term.type == "entity":
                    self._looks_into(term, ("hasTag",), ("getTag",))
        key = body["right"].get("Value")
        if not isinstance(key, str):
            if any(self.columns(term) for _, term in self.value(body["right"])):
                unsupported("a column as the name of a tag")
            return None, None, carrier
        definition = self.world.tags.get(key)
        scope = "column" if carrier == "Column" else "asset"
        if definition is None:
            self.note(f"unknown tag `{key}`", near(key, self.world.tags), (quoted(key),))
        elif scope not in definition.scope:
            self.note(
                f"tag `{key}` is not for {scope}s",
                "write `resource.asset` to ask the asset of a column"
                if scope == "column"
                else "tags of columns can be asked under `reveal`",
                (quoted(key),),
            )
        tags: Mapping[str, str] | None = None
        if self.scene.column is not None and carrier == "Column":
            tags = self.scene.column.tags
        elif self.scene.asset is not None:
            tags = self.scene.asset.tags
        return key, tags, carrier

    def _has_tag(self, body: Json) -> Truth:
        key, tags, _ = self._tag_key(body)
        if key is None or tags is None:
            return OPEN
        return ALWAYS if key in tags else NEVER

    def _tag_value(self, body: Json) -> Alternatives:
        key, tags, _ = self._tag_key(body)
        if key is not None and tags is not None:
            return ((TRUE, Const("string", tags[key])),) if key in tags else ()
        return ((TRUE, Const("string", StandIn(f"tag:{key}" if key else ""))),)

    # -- constants -------------------------------------------------------------------------

    def constant(self, value: Json) -> Alternatives:
        """Return the term of a literal, noting an entity that does not exist."""
        if isinstance(value, dict) and "__entity" in value:
            self.entity(value["__entity"]["type"], value["__entity"]["id"])
        return super().constant(value)

    def entity(self, kind: str, name: str) -> None:
        """Note an entity that does not exist."""
        place = (kind, "::", quoted(name))
        known: Mapping[str, frozenset[str] | Mapping[str, Any]] = {
            "User": self.world.principals,
            "Group": self.world.groups,
            "Lake": frozenset(("lake",)),
            "Namespace": self.world.namespaces,
            "Asset": self.world.assets,
            "Action": ACTION_KINDS,
        }
        if kind == "Column":
            self._column_entity(name, place)
        elif kind == "Row":
            self.note("rows have no names", "write a condition on `resource.<column>`", place)
        elif kind not in known:
            self.note(f"there is no entity type `{kind}`", near(kind, TYPES), place)
        elif name not in known[kind]:
            what = "principal" if kind == "User" else kind.lower()
            self.note(f"there is no {what} `{name}`", near(name, known[kind]), place)

    def _column_entity(self, name: str, place: tuple[str, ...]) -> None:
        namespace, _, rest = name.partition(".")
        table, _, column = rest.partition(".")
        asset = f"{namespace}.{table}"
        card = self.world.assets.get(asset)
        if card is None:
            self.note(
                f"there is no column `{name}`",
                near(asset, self.world.assets) or 'write `Column::"namespace.asset.column"`',
                place,
            )
        elif card.columns and card.column(column) is None:
            names = [c.name for c in card.columns]
            self.note(f"`{asset}` has no column `{column}`", near(column, names), place)

    def literal_of(self, name: str, body: Json) -> Alternatives:
        """Return an extension value; its text may be an attribute that a request brings."""
        if len(body) == 1 and "Value" not in body[0]:
            for _, term in self.value(body[0]):
                if isinstance(term, Const) and isinstance(term.value, StandIn):
                    kind: Any = name
                    return ((TRUE, Const(kind, StandIn())),)
        return super().literal_of(name, body)

    def bad_literal(self, error: PolicyFileError) -> Alternatives:
        """Note a literal that Cedar cannot read."""
        text = error.message.split("`")[1]
        self.note(error.message, error.hint, (quoted(text),))
        return ()


def _entity(kind: str) -> Const:
    return Const("entity", (kind, None))


def _kind(term: Const) -> str:
    return str(term.value[0]) if term.type == "entity" else ""
