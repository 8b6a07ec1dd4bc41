"""The oracle's rules as Cedar text."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from tests.oracle.policy import Rule

METHODS = {
    "<": "lessThan",
    "<=": "lessThanOrEqual",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
}


def written(rule: Rule) -> str:
    """Return a rule as one Cedar policy."""
    mask = f'@mask("{rule.mask}") ' if rule.mask else ""
    who = "principal" if rule.who is None else f"principal in {entity(rule.who)}"
    what = "resource" if rule.what is None else f"resource in {entity(rule.what)}"
    return (
        f'@id("{rule.id}") {mask}{rule.effect} ({who}, action == Action::"{rule.action}", {what})\n'
        f"when {{ {condition(rule.when)} }};"
    )


def entity(name: tuple[str, str]) -> str:
    """Return a reference to an entity."""
    return f'{name[0]}::"{name[1]}"'


def condition(e: tuple[Any, ...]) -> str:
    """Return an expression."""
    match e:
        case ("value", known):
            return constant(known)
        case ("column", "consents"):
            return "resource.subject.consents.contains(context.purpose)"
        case ("column", name) if name.startswith("tag:"):
            return f'resource.getTag("{name[4:]}")'
        case ("column", name):
            return name if "." in name else f"resource.{name}"
        case ("has", "consents"):
            return "(resource has subject)"
        case ("has", name) if name.startswith("tag:"):
            return f'resource.hasTag("{name[4:]}")'
        case ("has", name) if "." in name:
            return f"({name.partition('.')[0]} has {name.partition('.')[2]})"
        case ("has", name):
            return f"(resource has {name})"
        case ("not", a):
            return f"!({condition(a)})"
        case ("and", a, b):
            return f"(({condition(a)}) && ({condition(b)}))"
        case ("or", a, b):
            return f"(({condition(a)}) || ({condition(b)}))"
        case ("if", c, a, b):
            return f"(if {condition(c)} then {condition(a)} else {condition(b)})"
        case ("in", a, items):
            return f"[{', '.join(map(constant, items))}].contains({condition(a)})"
        case ("like", a, pattern):
            return f"({condition(a)} like {constant(pattern)})"
        case (op, a, ("value", Decimal() as known)) if op in METHODS:
            return f"({condition(a)}).{METHODS[op]}({constant(known)})"
        case (op, a, b):
            return f"({condition(a)} {op} {condition(b)})"
    raise AssertionError(e)


def constant(known: Any) -> str:
    """Return a constant."""
    if isinstance(known, bool):
        return str(known).lower()
    if isinstance(known, int):
        return str(known)
    if isinstance(known, Decimal):
        return f'decimal("{known:.2f}")'
    if isinstance(known, dt.datetime):
        return f'datetime("{known:%Y-%m-%dT%H:%M:%SZ}")'
    assert isinstance(known, str)
    return '"' + known.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
