"""Asking for access over REST: one asks, another decides, and it works at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.description import check
from tests.server.jupyter import Server

ASSET = "trials.asked"
PREVIEW = f"assets/{ASSET}/preview"


def posted(server: Server, path: str, body: Any, user: str, status: int = 200) -> Any:
    answer = server.post(path, body, user=user)
    assert answer.status == status, answer.text
    return check("POST", path, answer)


def box(server: Server, path: str, user: str) -> Any:
    answer = server.get(path, user=user)
    assert answer.status == 200, answer.text
    return check("GET", path, answer)


def pending(server: Server, user: str, question: str = "") -> list[str]:
    """What the catalog says that one has asked for."""
    assets = box(server, f"catalog?{question}", user)["assets"]
    return [asset["name"] for asset in assets if asset["pending_request"]]


def test_request_is_approved_by_another_and_access_works_at_once(shared: Server) -> None:
    assert shared.get(PREVIEW, user="ana").status == 403
    asked = {"asset": ASSET, "scope": "read", "reason": "a paper", "until": "90d"}
    made = posted(shared, "requests", asked, "ana", 201)
    assert (made["state"], made["principal"], made["purpose"]) == ("open", "ana", "research")
    assert posted(shared, "requests", asked, "ana", 201)["id"] == made["id"]
    assert pending(shared, "ana") == [ASSET]
    assert pending(shared, "ana", "purpose=marketing") == []
    assert pending(shared, "miko", "purpose=research") == []

    assert made["id"] in [r["id"] for r in box(shared, "requests", "ana")["requests"]]
    inbox = box(shared, "requests?box=inbox&state=open", "dina")
    assert (made["id"], True) in [(r["id"], r["can_decide"]) for r in inbox["requests"]]
    status = box(shared, "status", "dina")
    assert (status["stewards"], status["to_decide"]) == (True, inbox["total"])
    assert box(shared, "requests?box=inbox", "miko")["requests"] == []

    path = f"requests/{made['id']}"
    for person in ("ana", "miko"):
        # Who may not decide is not told that there is one.
        refused = shared.post(f"{path}/approve", {"scope": "read"}, user=person)
        assert (refused.status, refused.json["code"]) == (404, "not_visible")
    decided = posted(shared, f"{path}/approve", {"reason": "fine", "scope": "read"}, "dina")
    assert (decided["state"], decided["decided_by"]) == ("approved", "dina")
    assert pending(shared, "ana") == []

    seen = box(shared, PREVIEW, "ana")
    assert seen["rows"] == [["1"], ["2"], ["3"]]
    assert shared.get(PREVIEW, user="miko").status == 403
    mine = box(shared, "requests?state=approved", "ana")["requests"]
    assert (made["id"], "fine") in [(r["id"], r["decision_reason"]) for r in mine]

    withdrawn = posted(shared, f"{path}/withdraw", None, "ana")
    assert withdrawn["state"] == "withdrawn"
    assert shared.get(PREVIEW, user="ana").status == 403


@pytest.mark.attack("T81", surface="rest")
def test_steward_does_not_decide_her_own_request(shared: Server) -> None:
    asked = {"asset": ASSET, "scope": "read", "reason": "for me"}
    made = posted(shared, "requests", asked, "dina", 201)
    refused = shared.post(f"requests/{made['id']}/approve", {"scope": "read"}, user="dina")
    told = check("POST", f"requests/{made['id']}/approve", refused)
    assert (refused.status, told["code"]) == (403, "access_denied")


def test_request_is_refused_with_a_reason(shared: Server) -> None:
    asked = {"asset": ASSET, "scope": "read", "purpose": "model_training"}
    made = posted(shared, "requests", asked, "miko", 201)
    path = f"requests/{made['id']}"
    refused = posted(shared, f"{path}/refuse", {"reason": "not for models"}, "dina")
    assert (refused["state"], refused["decision_reason"]) == ("refused", "not for models")
    again = shared.post(f"{path}/refuse", {"reason": "still not"}, user="dina")
    assert again.status == 400
    assert shared.get(f"{PREVIEW}?purpose=model_training", user="miko").status == 403


def test_scopes_are_listed_with_their_words(shared: Server) -> None:
    assert box(shared, "requests/scopes", "ana") == {
        "scopes": [{"name": "read", "description": "all rows, on request"}]
    }
