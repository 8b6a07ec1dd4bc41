"""Request templates: what an approved access request opens. Runs in the gateway; pure.

A template is a Cedar policy whose principal and resource are slots. It stands in the governance
files with the conditions that hold for everybody, and applies to nobody until a request links it:

    @id("rows-on-request")
    @request("read")
    @description("rows of persons who consent, on request")
    permit (principal == ?principal, action == Action::"select", resource in ?resource)
    when { resource.subject.consents.contains(context.purpose) };

An approval fills the slots with the requester and the asset, and adds two conditions: the purpose
that was asked for, and the end. Nothing is ever taken away from what the steward wrote. All
templates of one `@request` are a *scope* and are linked together.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from jupyter_govdata.model.request import AccessRequest, RequestScope
from jupyter_govdata.policy.cedar import EntityRef, Json, fill_slots
from jupyter_govdata.policy.governance import Governance
from jupyter_govdata.policy.index import asset_ref
from jupyter_govdata.policy.records import PolicyText, Scope
from jupyter_govdata.policy.scene import Finding
from jupyter_govdata.policy.tokens import quoted

GRANTABLE = ("discover", "select", "reveal", "open")
"""What a request can open: looking and reading, never changing or deciding."""
RESERVED = re.compile(r"request-[2-9a-z]+(?:/.*)?")
"""Ids of linked policies; no policy of the files may look like one."""
EXAMPLE = (
    '@id("rows-on-request") @request("read") permit (principal == ?principal,'
    ' action in [Action::"select", Action::"reveal"], resource in ?resource);'
)

_SCOPE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


# -- linking ---------------------------------------------------------------------------------


def scopes(governance: Governance) -> tuple[RequestScope, ...]:
    """Return what can be asked for, sorted by name."""
    said: dict[str, list[str]] = {}
    for template in governance.templates:
        texts = said.setdefault(template.annotations.get("request", ""), [])
        description = template.annotations.get("description", "")
        if description and description not in texts:
            texts.append(description)
    return tuple(RequestScope(name, "; ".join(said[name])) for name in sorted(said) if name)


def linked(governance: Governance, approved: Iterable[AccessRequest]) -> Governance:
    """Return the governance in which approved requests have opened what their templates say.

    A request whose scope has no template any more opens nothing.
    """
    links = [policy for request in approved for policy in links_of(governance, request)]
    if not links:
        return governance
    # SECURITY: a policy of the files keeps its id, whoever else would like to have it.
    known = {policy.id for policy in governance.policies}
    added = [policy for policy in links if policy.id not in known]
    policies = sorted((*governance.policies, *added), key=lambda policy: policy.id)
    return replace(governance, policies=tuple(policies))


def links_of(governance: Governance, request: AccessRequest) -> list[PolicyText]:
    """Return the policies that an approved request links: one for each template of its scope."""
    # SECURITY: access without an end, or without a scope that somebody chose, is none.
    if request.state != "approved" or request.until is None or not request.scope:
        return []
    return [
        _link(template, request, request.until)
        for template in governance.templates
        if template.annotations.get("request") == request.scope
    ]


def _link(template: PolicyText, request: AccessRequest, until: dt.datetime) -> PolicyText:
    who, what = EntityRef("User", request.principal), asset_ref(request.asset)
    parsed = fill_slots(json.loads(template.cedar), who, what)
    # INVARIANT: these come before the template's own conditions and are joined to them by `and`.
    ours = [_when(_for_purpose(request.purpose)), _when(_before(until))]
    parsed["conditions"] = [*ours, *parsed["conditions"]]
    return replace(
        template,
        id=f"request-{request.id}/{template.id}",
        annotations=_annotations(template, request, until),
        principal=Scope("", "==", who),
        resource=Scope("", "in", what),
        mentions_now=True,
        cedar=json.dumps(parsed, separators=(",", ":"), ensure_ascii=False),
        is_template=False,
    )


def _annotations(
    template: PolicyText, request: AccessRequest, until: dt.datetime
) -> Mapping[str, str]:
    said = template.annotations.get("description", "access on request")
    approved = f"approved by {request.decided_by}, " if request.decided_by else ""
    end = until.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {
        "id": f"request-{request.id}/{template.id}",
        "request": request.scope,
        "description": f"{said} ({approved}for {request.purpose} until {end})",
    }


def _when(body: Json) -> dict[str, Any]:
    return {"kind": "when", "body": body}


def _of_context(name: str) -> Json:
    return {".": {"left": {"Var": "context"}, "attr": name}}


def _for_purpose(purpose: str) -> Json:
    return {"==": {"left": _of_context("purpose"), "right": {"Value": purpose}}}


def _before(until: dt.datetime) -> Json:
    # Decisions count whole seconds; the end is rounded down, so that nothing lasts longer.
    moment = until.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"<": {"left": _of_context("now"), "right": {"datetime": [{"Value": moment}]}}}


# -- checking --------------------------------------------------------------------------------


def template_findings(policy: PolicyText) -> Iterator[Finding]:
    """Yield what is wrong with a policy as a request template, or as none."""
    if RESERVED.fullmatch(policy.id):
        yield Finding(
            f"the policy id `{policy.id}` is reserved for approved requests",
            "choose an id that does not start with `request-`",
            (("id", "(", quoted(policy.id)),),
        )
    if not policy.is_template:
        if "request" in policy.annotations:
            yield Finding(
                "`@request` belongs to a template: a policy with slots",
                "write `permit (principal == ?principal, ..., resource in ?resource)`",
                (("@", "request"),),
            )
        return
    yield from _annotation(policy)
    yield from _head(policy)


def _annotation(policy: PolicyText) -> Iterator[Finding]:
    name = policy.annotations.get("request")
    if name is None:
        yield Finding(
            "a policy with slots needs `@request`: it counts only where a request is approved",
            'write `@request("read")` before it, or name the principal and the resource',
            (("?", "principal"), ("?", "resource")),
        )
    elif not _SCOPE.fullmatch(name):
        yield Finding(
            f"`{name[:60]}` cannot name a scope" if name else "`@request` needs a name",
            'write a short word, e.g. `@request("read")`, and the rest into `@description`',
            (("@", "request"),),
        )


def _head(policy: PolicyText) -> Iterator[Finding]:
    parsed = json.loads(policy.cedar)
    if policy.effect != "permit":
        yield Finding("a request template is a permit", None, (("forbid",),))
    if parsed["principal"] != {"op": "==", "slot": "?principal"}:
        yield Finding(
            "the principal of a request template is whoever asks",
            "write `principal == ?principal`",
            (("principal", "in"), ("principal", "is"), ("principal", "=="), ("principal",)),
        )
    if parsed["resource"] != {"op": "in", "slot": "?resource"}:
        yield Finding(
            "the resource of a request template is whatever is asked for",
            "write `resource in ?resource`: rows and columns are in the asset",
            (("resource", "=="), ("resource", "is"), ("resource", "in"), ("resource",)),
        )
    listed = ", ".join(f"`{action}`" for action in GRANTABLE)
    if not policy.actions:
        yield Finding("a request template names its actions", f"of {listed}", (("action",),))
    for action in policy.actions:
        if action not in GRANTABLE:
            yield Finding(
                f"`{action}` cannot be had on request",
                f"a template opens {listed}",
                (("Action", "::", quoted(action)),),
            )
