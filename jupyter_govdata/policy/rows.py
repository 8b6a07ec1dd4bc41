"""Policies made ready for partial evaluation over the rows of one asset.

Runs in the gateway; pure. Two things differ from the policy as written: `resource has column`
asks a stand-in attribute, because an unknown attribute is always there; and the resource may
only be used where it stands by itself, because any detour around that would be too.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from jupyter_govdata.policy.cedar import Json
from jupyter_govdata.policy.compare import unsupported
from jupyter_govdata.policy.residual import HAS

_RESOURCE = {"Var": "resource"}
_PLAIN = frozenset((".", "has", "hasTag", "getTag", "in", "is", "==", "!="))


def for_rows(cedar: str, attributes: Collection[str]) -> str:
    """Return Cedar JSON in which ``resource has a`` asks for a stand-in, for a in `attributes`.

    Args:
        cedar: Cedar JSON of one policy.
        attributes: Row attributes that may be missing: the columns, and `subject`.

    Raises:
        PolicyFileError: The policy uses the resource in a way that hides which row it means.
    """
    if '"has"' not in cedar and '"Var":"resource"' not in cedar:
        return cedar
    policy = json.loads(cedar)
    for condition in policy["conditions"]:
        condition["body"] = _rewrite(condition["body"], frozenset(attributes))
    return json.dumps(policy, separators=(",", ":"), ensure_ascii=False)


def _rewrite(expr: Json, attributes: frozenset[str]) -> Json:
    if isinstance(expr, list):
        return [_rewrite(item, attributes) for item in expr]
    if not isinstance(expr, dict):
        return expr
    if expr == _RESOURCE:
        unsupported("`resource` in this position", "write `resource.<column>` directly")
    result = {}
    for name, body in expr.items():
        if name == "Value":
            result[name] = body
        elif name == "Record":  # its keys are the author's words, not operators
            result[name] = {key: _rewrite(part, attributes) for key, part in body.items()}
        elif name == "has" and body["left"] == _RESOURCE and body["attr"] in attributes:
            result["."] = {"left": _RESOURCE, "attr": HAS + body["attr"]}
        elif name in _PLAIN and isinstance(body, dict):
            result[name] = {
                key: part if part == _RESOURCE else _rewrite(part, attributes)
                for key, part in body.items()
            }
        else:
            result[name] = _rewrite(body, attributes)
    return result
