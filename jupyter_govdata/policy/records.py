"""Policies as records: parsed once, stored as JSON, indexed without parsing again.

Runs in the gateway. A record made by `read_policies` was accepted by Cedar; one that comes from
the governance store is trusted as much as the store.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.policy.cedar import EntityRef, Json, parse_policy, syntax_token
from jupyter_govdata.policy.tokens import Statement, Token, statements

Effect = Literal["permit", "forbid"]
ResourceUse = Literal["none", "card", "all"]
"""What a condition asks of its resource: nothing; only what stands in the card (owner, steward,
kind, tags); or anything else, e.g. its name or a column of the row."""

POLICY_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/-]{0,99}")
MAX_NESTING = 32
MAX_OPERATORS = 1_000
"""Per policy; commas, numbers and texts do not count, so lists of values may be long."""
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")
_FLAT = re.compile(r'[0-9",-]')
CARD_ATTRIBUTES = frozenset(("owner", "steward", "kind"))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a policy's head says of the principal or the resource.

    Args:
        kind: Entity type demanded by ``is``, or empty.
        op: ``all``, ``==`` or ``in``.
        entity: Right side of `op`; None after ``==`` or ``in`` is a template's slot.
    """

    kind: str = ""
    op: Literal["all", "==", "in"] = "all"
    entity: EntityRef | None = None


@dataclass(frozen=True, slots=True)
class PolicyText:
    """One policy.

    Args:
        id: From its ``@id`` annotation, unique.
        file: Relative path.
        line: 1-based line of its first token.
        column: 1-based column of its first token.
        text: As written, without comments before it.
        effect: ``permit`` or ``forbid``.
        annotations: All annotations, ``id`` included.
        principal: Scope.
        actions: Actions in scope; empty means all.
        resource: Scope.
        mentions_now: It depends on the time.
        resource_use: What its condition asks of the resource.
        cedar: Cedar's JSON format of it, as text.
        is_template: Its head has slots: by itself it applies to nobody and nothing.
    """

    id: str
    file: str
    line: int
    column: int
    text: str
    effect: Effect
    annotations: Mapping[str, str]
    principal: Scope = field(default_factory=Scope)
    actions: tuple[str, ...] = ()
    resource: Scope = field(default_factory=Scope)
    mentions_now: bool = False
    resource_use: ResourceUse = "all"
    cedar: str = ""
    is_template: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the form that the governance store keeps."""
        return {
            "id": self.id,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "text": self.text,
            "effect": self.effect,
            "annotations": dict(self.annotations),
            "principal": _scope_to_json(self.principal),
            "actions": list(self.actions),
            "resource": _scope_to_json(self.resource),
            "mentions_now": self.mentions_now,
            "resource_use": self.resource_use,
            "cedar": self.cedar,
            "is_template": self.is_template,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PolicyText:
        """Reverse `to_json`."""
        fields = dict(data)
        fields["actions"] = tuple(data["actions"])
        fields["principal"] = _scope_from_json(data["principal"])
        fields["resource"] = _scope_from_json(data["resource"])
        return cls(**fields)


def _scope_to_json(scope: Scope) -> list[str]:
    entity = (scope.entity.type, scope.entity.id) if scope.entity is not None else ()
    return [scope.kind, scope.op, *entity]


def _scope_from_json(data: list[Any]) -> Scope:
    entity = EntityRef(data[2], data[3]) if len(data) == 4 else None
    return Scope(data[0], data[1], entity)


def read_policies(file: str, text: str) -> tuple[list[PolicyText], list[PolicyFileError]]:
    """Parse a file of policies; what does not parse is in the second list, with its place."""
    found: list[PolicyText] = []
    problems: list[PolicyFileError] = []
    for statement in statements(text):
        try:
            found.append(_policy(file, statement))
        except PolicyFileError as exc:
            problems.append(exc)
    return found, problems


def place_error(
    file: str, token: Token | Statement, message: str, hint: str | None = None
) -> PolicyFileError:
    """Return the error for a token or policy of a file."""
    return PolicyFileError(message, hint=hint, file=file, line=token.line, column=token.column)


def _policy(file: str, statement: Statement) -> PolicyText:
    _small_enough(file, statement)
    try:
        parsed = parse_policy(statement.text)
    except PolicyFileError as exc:
        raise place_error(file, _culprit(statement, exc.message), exc.message, exc.hint) from exc
    annotations = {str(k): str(v or "") for k, v in parsed.get("annotations", {}).items()}
    name = annotations.get("id", "")
    if not POLICY_ID.fullmatch(name):
        raise place_error(
            file,
            statement.find("@", "id") or statement,
            f"`{name[:60]}` cannot be a policy id" if name else "the policy has no `@id`",
            'write `@id("consented-rows")` before it: up to 100 of `A-Z a-z 0-9 . _ : / -`',
        )
    return record(name, file, statement, annotations, parsed)


def _small_enough(file: str, statement: Statement) -> None:
    """Refuse what would exhaust the stack of Cedar's parser.

    SECURITY: the parser recurses in native code, where too deep ends the process.
    """
    depth = operators = 0
    for token in statement.tokens:
        if token.text in _OPENING:
            depth += 1
        elif token.text in _CLOSING:
            depth -= 1
        elif not _FLAT.match(token.text):
            operators += 1
        if depth > MAX_NESTING or operators > MAX_OPERATORS:
            too_much = "nested too deep" if depth > MAX_NESTING else "too long"
            raise place_error(
                file,
                token,
                f"the policy is {too_much}",
                'write `["a", "b"].contains(resource.column)`, or several policies',
            )


def record(
    name: str,
    file: str,
    statement: Statement,
    annotations: Mapping[str, str],
    parsed: Mapping[str, Json],
) -> PolicyText:
    """Return the record of a parsed policy."""
    bodies = [condition["body"] for condition in parsed["conditions"]]
    nodes = [node for body in bodies for node in walk_json(body)]
    return PolicyText(
        id=name,
        file=file,
        line=statement.line,
        column=statement.column,
        text=statement.text,
        effect=parsed["effect"],
        annotations=annotations,
        principal=_scope(parsed["principal"]),
        actions=_actions(parsed["action"]),
        resource=_scope(parsed["resource"]),
        mentions_now=_mentions_now(nodes),
        resource_use=_resource_use(nodes),
        cedar=json.dumps(parsed, separators=(",", ":"), ensure_ascii=False),
        is_template=any(_has_slot(parsed[variable]) for variable in ("principal", "resource")),
    )


def _culprit(statement: Statement, message: str) -> Token | Statement:
    if message == "unexpected end of input":
        return statement.tokens[-1]
    if message == "invalid token":
        strange = (t for t in statement.tokens if t.text in ('"', "'", "#", "$", "&", "|", "~"))
        return next(strange, statement)
    index = syntax_token([token.text for token in statement.tokens], message)
    return statement if index is None else statement.tokens[index]


def _has_slot(data: Mapping[str, Json]) -> bool:
    return "slot" in data or "slot" in data.get("in", {})


def _scope(data: Mapping[str, Json]) -> Scope:
    match data["op"]:
        # SECURITY: a slot that is not filled is no entity, and so matches nothing.
        case "==" | "in" if _has_slot(data):
            return Scope("", data["op"])
        case "is" if _has_slot(data):
            return Scope(data["entity_type"], "in")
        case "==" | "in":
            return Scope("", data["op"], EntityRef(**data["entity"]))
        case "is" if "in" in data:
            return Scope(data["entity_type"], "in", EntityRef(**data["in"]["entity"]))
        case "is":
            return Scope(data["entity_type"])
        case _:
            return Scope()


def _actions(data: Mapping[str, Json]) -> tuple[str, ...]:
    if data["op"] == "All":
        return ()
    entities = data["entities"] if "entities" in data else [data["entity"]]
    return tuple(entity["id"] for entity in entities)


def conditions(policy: PolicyText) -> list[tuple[bool, Json]]:
    """Return the conditions of a policy: True for ``when``, False for ``unless``."""
    parsed = json.loads(policy.cedar)
    return [(part["kind"] == "when", part["body"]) for part in parsed["conditions"]]


def walk_json(expr: Json, parent: Json = None) -> Iterator[tuple[Json, Json]]:
    """Yield every expression object of a Cedar JSON body with the object around it."""
    if isinstance(expr, dict):
        yield expr, parent
        for value in expr.values():
            yield from walk_json(value, expr)
    elif isinstance(expr, list):
        for value in expr:
            yield from walk_json(value, parent)


def _mentions_now(nodes: list[tuple[Json, Json]]) -> bool:
    # The parent of a variable is the body of its operator: {"left": {"Var": …}, "attr": …}.
    return any(
        node.get("Var") == "context" and (parent is None or parent.get("attr") != "purpose")
        for node, parent in nodes
    )


def _resource_use(nodes: list[tuple[Json, Json]]) -> ResourceUse:
    use: ResourceUse = "none"
    bodies = {id(node): parent for node, parent in nodes}
    for node, parent in nodes:
        if node.get("Var") != "resource":
            continue
        use = "card"
        operator = bodies.get(id(parent))
        if operator is None:
            return "all"
        name = next(iter(operator))
        if name in ("hasTag", "getTag") and parent.get("left") is node:
            if "Value" in parent["right"]:
                continue
            return "all"
        if name == "." and parent["attr"] in CARD_ATTRIBUTES:
            continue
        if name == "." and parent["attr"] == "asset":
            above = bodies.get(id(operator))
            outer = bodies.get(id(above))
            if above and outer and "." in outer and above["attr"] in CARD_ATTRIBUTES:
                continue
        return "all"
    return use
