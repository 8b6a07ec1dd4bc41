"""The only door to Cedar (cedarpy): parse policies, evaluate them, evaluate them partially.

Runs in the gateway. Trusts the policy text only after `parse_policy` took it. What comes back
is plain data; no cedarpy type leaves this module except behind the opaque handles
`PolicyHandle` and `EntityHandle`.

UPSTREAM: `is_authorized_partial` is marked experimental in cedarpy 4.12. The pin is exact and
tests/policy/test_differential.py holds its meaning against `is_authorized` on whole rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cedarpy

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.policy.tokens import quoted

Json = Any
"""A value of Cedar's JSON policy format."""

_ERRORED = re.compile(r"^error while evaluating policy `([^`]*)`")
_NAMED = re.compile(r"`([^`]+)`|'([^']+)'|: (?:@)?(\w+)$")


@dataclass(frozen=True, slots=True)
class EntityRef:
    """A Cedar entity: type and id."""

    type: str
    id: str

    def to_json(self) -> dict[str, Any]:
        """Return the form that stands in entity attributes."""
        return {"__entity": {"type": self.type, "id": self.id}}

    def uid(self) -> dict[str, str]:
        """Return the form that names an entity in requests and entity lists."""
        return {"type": self.type, "id": self.id}

    def text(self) -> str:
        """Return the form that stands in policies, e.g. ``User::"ana"``."""
        return f"{self.type}::{quoted(self.id)}"


@dataclass(frozen=True, slots=True)
class PolicyHandle:
    """Parsed policies of one effect, and their ids."""

    inner: cedarpy.PolicySet
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class EntityHandle:
    """Parsed entities."""

    inner: cedarpy.Entities

    def with_added(self, entities: Sequence[Mapping[str, Any]]) -> EntityHandle:
        """Return a handle that also holds `entities`; this one stays as it is."""
        return EntityHandle(self.inner.with_added_json_str(json.dumps(entities)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """Which policies of a handle were satisfied, and which could not be evaluated."""

    satisfied: frozenset[str]
    errored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `now` is Cedar's datetime text."""

    principal: EntityRef
    action: str
    resource: EntityRef
    purpose: str
    now: str

    def to_cedar(self) -> dict[str, Any]:
        """Return the form that cedarpy takes."""
        return {
            "principal": self.principal.uid(),
            "action": {"type": "Action", "id": self.action},
            "resource": self.resource.uid(),
            "context": {
                "purpose": self.purpose,
                "now": {"__extn": {"fn": "datetime", "arg": self.now}},
            },
        }

    def to_cedar_text(self) -> dict[str, Any]:
        """Return the form that partial evaluation takes: entities as text."""
        action = EntityRef("Action", self.action)
        texts = {"principal": self.principal, "action": action, "resource": self.resource}
        return {**self.to_cedar(), **{key: ref.text() for key, ref in texts.items()}}


def parse_policy(text: str) -> dict[str, Json]:
    """Parse one policy or policy template to Cedar's JSON format.

    Raises:
        PolicyFileError: Cedar refuses the text, or it is not one policy; the error has no place
            yet.
    """
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as exc:
        raise PolicyFileError(_one_line(str(exc))) from exc
    found = [*parsed["staticPolicies"].values(), *parsed["templates"].values()]
    if len(found) != 1:
        raise PolicyFileError("expected one policy")
    result: dict[str, Json] = found[0]
    try:
        policy_handle([("policy", json.dumps(fill_slots(result, _SOMEBODY, _SOMETHING)))])
    except PolicyFileError as exc:
        raise PolicyFileError(
            "the condition is nested too deep",
            hint='write `["a", "b"].contains(resource.column)` instead of a chain of `||`',
        ) from exc
    return result


def fill_slots(
    policy: Mapping[str, Json], principal: EntityRef, resource: EntityRef
) -> dict[str, Json]:
    """Return a policy with the slots of its head filled in, as Cedar links a template.

    Cedar has slots in the head only, so nothing else of the policy changes. `policy` itself stays
    as it is; one without slots is returned unchanged.
    """
    values = {"?principal": principal, "?resource": resource}
    filled = dict(policy)
    for variable in ("principal", "resource"):
        filled[variable] = _filled(policy[variable], values)
    return filled


def _filled(scope: Mapping[str, Json], values: Mapping[str, EntityRef]) -> dict[str, Json]:
    found = dict(scope)
    if "slot" in found:
        found["entity"] = values[found.pop("slot")].uid()
    if "in" in found:
        found["in"] = _filled(found["in"], values)
    return found


_SOMEBODY, _SOMETHING = EntityRef("User", "somebody"), EntityRef("Asset", "some.thing")


def syntax_token(pieces: Sequence[str], message: str) -> int | None:
    """Return the index of the token that Cedar's error message is about, or None.

    Cedar names the token but not its place. Of several equal tokens it is the first one after
    which the policy, cut off and closed, gives the same error.

    Args:
        pieces: The tokens of one policy.
        message: What `parse_policy` said.
    """
    named = _NAMED.search(message)
    if named is None:
        return None
    word = next(group for group in named.groups() if group)
    places = [i for i, piece in enumerate(pieces) if piece == word]
    for i in places[:-1]:
        beginning = list(pieces[: i + 1])
        try:
            cedarpy.policies_to_json_str(" ".join(beginning + _closing(beginning)))
        except ValueError as exc:
            if _one_line(str(exc)) == message:
                return i
    return places[-1] if places else None


def _closing(pieces: Sequence[str]) -> list[str]:
    pairs = {"(": ")", "[": "]", "{": "}"}
    still_open: list[str] = []
    for piece in pieces:
        if piece in pairs:
            still_open.append(pairs[piece])
        elif still_open and piece == still_open[-1]:
            still_open.pop()
    return [*reversed(still_open), ";"]


def policy_handle(policies: Iterable[tuple[str, str]]) -> PolicyHandle:
    """Parse policies given as (id, Cedar JSON text).

    Raises:
        PolicyFileError: Cedar refuses one of them.
    """
    items = list(policies)
    body = ",".join(f"{json.dumps(name)}:{text}" for name, text in items)
    document = f'{{"templates":{{}},"templateLinks":[],"staticPolicies":{{{body}}}}}'
    try:
        inner = cedarpy.PolicySet.from_json_str(document)
    except ValueError as exc:
        raise PolicyFileError(_one_line(str(exc))) from exc
    return PolicyHandle(inner, frozenset(name for name, _ in items))


def entity_handle(entities: Sequence[Mapping[str, Any]]) -> EntityHandle:
    """Parse entities given in Cedar's JSON form.

    Raises:
        PolicyFileError: Cedar refuses one of them.
    """
    try:
        return EntityHandle(cedarpy.Entities.from_json_str(json.dumps(entities)))
    except ValueError as exc:
        raise PolicyFileError(_one_line(str(exc))) from exc


def evaluate(
    policies: PolicyHandle, entities: EntityHandle, requests: Sequence[Request]
) -> list[Outcome]:
    """Return which policies each request satisfies.

    The handle must hold policies of one effect: with both, Cedar names only the policies of
    the winning effect.
    """
    if not policies.ids or not requests:
        return [Outcome(frozenset(), frozenset())] * len(requests)
    results = cedarpy.is_authorized_batch(
        [request.to_cedar() for request in requests], policies.inner, entities.inner
    )
    return [
        Outcome(
            frozenset(result.diagnostics.reasons),
            _errored(result.diagnostics.errors, policies.ids),
        )
        for result in results
    ]


def evaluate_partially(
    policies: PolicyHandle, entities: EntityHandle, request: Request
) -> tuple[dict[str, Json], frozenset[str]]:
    """Evaluate as far as the known attributes go.

    Returns:
        The remaining condition of every policy that did not err, and the ids of those that did.
        Every policy of the handle is in one of the two.
    """
    if not policies.ids:
        return {}, frozenset()
    result = cedarpy.is_authorized_partial(request.to_cedar_text(), policies.inner, entities.inner)
    errored = set(_errored(result.diagnostics.errors, policies.ids))
    residuals = {}
    for name, policy in (result.residuals or {}).items():
        conditions = policy["conditions"]
        # SECURITY: Cedar gives an erring policy the residual `false`, which for a forbid would
        # mean "does not apply"; so errors win over residuals.
        if name in errored:
            continue
        if len(conditions) == 1 and conditions[0]["kind"] == "when":
            residuals[name] = conditions[0]["body"]
    # SECURITY: a policy that is in neither list is one that we do not understand.
    errored |= policies.ids - residuals.keys()
    return residuals, frozenset(errored)


def _errored(messages: Sequence[str], ids: frozenset[str]) -> frozenset[str]:
    found = set()
    for message in messages:
        match = _ERRORED.match(message)
        if match is None or match.group(1) not in ids:
            # SECURITY: an error that names no policy of ours spoils the whole answer.
            return ids
        found.add(match.group(1))
    return frozenset(found)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line[:1].lower() + line[1:300]
