"""Check the head and the annotations of a policy: can it match anything at all?

Runs in `apply` and `jupyter govdata check`; pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import NAME_PART
from jupyter_govdata.policy.cedar import Json
from jupyter_govdata.policy.checker import Checker
from jupyter_govdata.policy.compare import RowShape
from jupyter_govdata.policy.masks import parse_mask
from jupyter_govdata.policy.records import PolicyText, conditions, walk_json
from jupyter_govdata.policy.scene import ACTION_KINDS, TYPES, Finding, Scene, World
from jupyter_govdata.policy.tokens import quoted
from jupyter_govdata.policy.yaml_source import near

ANNOTATIONS = ("id", "description", "mask", "request")

RESOURCES = ("Row", "Column", "Asset", "Namespace", "Lake")
_INSIDE: Mapping[str, tuple[str, ...]] = {
    "Lake": RESOURCES,
    "Namespace": ("Row", "Column", "Asset", "Namespace"),
    "Asset": ("Row", "Column", "Asset"),
    "Column": ("Column",),
    "Row": ("Row",),
}


def kinds_in(policy: PolicyText, kinds: Iterable[str]) -> list[str]:
    """Return those entity types that the policy's resource scope can match."""
    scope = policy.resource
    if scope.op == "==" and scope.entity is not None:
        possible: tuple[str, ...] = (scope.entity.type,)
    elif scope.op == "in" and scope.entity is not None:
        possible = _INSIDE.get(scope.entity.type, ())
    else:
        possible = RESOURCES
    asked = {kind for action in policy.actions or ACTION_KINDS for kind in ACTION_KINDS[action]}
    return [
        kind for kind in kinds if kind in possible and kind in asked and scope.kind in ("", kind)
    ]


def head_findings(policy: PolicyText, world: World) -> list[Finding]:
    """Return what is wrong with the scopes of a policy: names, types, heads that never match."""
    scene = Scene("Asset", RowShape({}))
    names = Checker(scene, world)
    for scope, variable in ((policy.principal, "principal"), (policy.resource, "resource")):
        if scope.kind and scope.kind not in TYPES:
            hint = near(scope.kind, TYPES)
            names.note(f"there is no entity type `{scope.kind}`", hint, ("is", scope.kind))
        if scope.entity is not None:
            kind, name = scope.entity.type, scope.entity.id
            if kind != "Namespace" or not _may_come(policy, name, world):
                names.entity(kind, name)
            fit = ("User", "Group") if variable == "principal" else RESOURCES
            if kind in TYPES and kind not in fit:
                names.note(
                    f"`{variable}` is never a `{kind}`: the policy can never match",
                    None,
                    (kind, "::", quoted(name)),
                )
    for action in policy.actions:
        names.entity("Action", action)
    if not scene.findings:
        _unreachable(policy, names)
    return scene.findings


def _may_come(policy: PolicyText, namespace: str, world: World) -> bool:
    """Return whether a namespace may be empty yet: somebody is to publish into it."""
    if not policy.actions:
        return not get_close_matches(namespace, world.namespaces)
    return "publish" in policy.actions and NAME_PART.fullmatch(namespace) is not None


def _unreachable(policy: PolicyText, names: Checker) -> None:
    principal = policy.principal
    if principal.kind not in ("", "User") or (
        principal.op == "==" and principal.entity and principal.entity.type == "Group"
    ):
        group = quoted(principal.entity.id) if principal.entity else "…"
        names.note(
            "`principal` is always a user: the policy can never match",
            f"write `principal in Group::{group}`",
            ("principal", "=="),
            ("principal", "is"),
        )
    for action in policy.actions:
        kinds = ACTION_KINDS[action]
        if kinds_in(policy, kinds):
            continue
        on = " or ".join(f"`{kind}`" for kind in kinds)
        entity = policy.resource.entity
        hint = f"`{action}` is asked on {on}"
        if entity is not None and policy.resource.op == "==" and not policy.resource.kind:
            hint += f": write `resource in {entity.text()}`"
        names.note(
            f"`{action}` can never match this resource",
            hint,
            ("resource", "=="),
            ("resource", "is"),
            ("resource", "in"),
        )


def mentioned_in(policy: PolicyText) -> tuple[frozenset[str], bool]:
    """Return the row attributes that a policy's conditions name, and whether `subject` is one."""
    names: set[str] = set()
    for _, body in conditions(policy):
        for node, _ in walk_json(body):
            for key in (".", "has"):
                part: Json = node.get(key)
                if isinstance(part, dict) and part.get("left") == {"Var": "resource"}:
                    names.add(part["attr"])
    return frozenset(names - {"asset", "subject"}), "subject" in names


def annotation_findings(policy: PolicyText) -> Iterator[Finding]:
    """Yield what is wrong with the annotations of a policy."""
    for name in policy.annotations:
        if name not in ANNOTATIONS:
            yield Finding(f"unknown annotation `@{name}`", near(name, ANNOTATIONS), (("@", name),))
    text = policy.annotations.get("mask")
    if text is None:
        return
    place = (("@", "mask", "(", quoted(text)), ("@", "mask"))
    if policy.effect != "forbid" or policy.actions != ("reveal",):
        yield Finding(
            "`@mask` belongs to a forbid on `reveal`",
            'write `forbid (principal, action == Action::"reveal", resource)`',
            place,
        )
    try:
        parse_mask(text)
    except PolicyFileError as exc:
        yield Finding(exc.message, exc.hint, place)
