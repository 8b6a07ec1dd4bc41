"""What one may not discover is in no answer: not its name, not a word of it, not in a number."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.description import operations
from tests.server.jupyter import API, Answer, Server
from tests.server.world import HIDDEN, HIDDEN_WORDS
from tests.stamps.notebooks import notebook, query_cell, stamp

VISIBLE = "trials.patients"
MISSING = "unseen.nosuch"

QUESTIONS = {
    "/status": ["", "?purpose=model_training"],
    "/catalog": [
        "",
        *(f"?text={word}" for word in HIDDEN_WORDS),
        "?namespace=unseen",
        "?modality=cryptic",
        "?tag=modality%3Dcryptic",
        "?readable=true",
        "?owner=dina",
        "?purpose=model_training&limit=500",
        "?offset=100",
    ],
    "/assets/{name}": ["", "?purpose=model_training", "?at=1"],
    "/assets/{name}/versions": [""],
    "/assets/{name}/compare": ["?from=1&to=2"],
    "/assets/{name}/preview": ["", "?purpose=model_training"],
    "/assets/{name}/lineage": ["?depth=10"],
    "/assets/{name}/citation": [""],
    "/assets/{name}/files": ["", "?at=1"],
    "/assets/{name}/files/{key}/thumbnail": [""],
    "/requests": ["", "?box=inbox", "?state=open"],
    "/requests/scopes": [""],
    "/openapi.yaml": [""],
    "/jobs/{id}": [""],
}


def naming(asset: str) -> Any:
    """Return a notebook, perhaps of somebody else, that names an asset."""
    return notebook(query_cell("SELECT 1", stamp("SELECT 1", {asset: 11}), id="q1"))


def bodies(name: str) -> dict[str, list[Any]]:
    """Return what is posted, about one asset."""
    nb = json.loads(json.dumps(naming(name)))
    return {
        "/requests": [{"asset": name, "reason": "please"}],
        "/requests/{id}/approve": [{}],
        "/requests/{id}/refuse": [{"reason": "no"}],
        "/requests/{id}/withdraw": [{}],
        "/notebooks/pins": [{"path": "a.ipynb", "content": nb}],
        "/notebooks/hold": [{"path": "a.ipynb", "name": "x", "until": "90d"}],
        "/notebooks/verify": [{"path": "none.ipynb"}],
        "/notebooks/rerun": [{"path": "none.ipynb", "output": "b.ipynb"}],
        "/notebooks/export": [{"path": "none.ipynb", "to": "prov"}],
    }


def everything(server: Server, name: str, user: str) -> dict[str, Answer]:
    """Ask every operation of the API, about an asset where it takes one."""
    found = {}
    for path, method, _ in operations():
        concrete = path.replace("{name}", name).replace("{key}", "0123")
        concrete = concrete.replace("{id}", "0123456789abcdef" if "jobs" in path else "abc")
        if method == "POST":
            for i, body in enumerate(bodies(name)[path]):
                answer = server.fetch("POST", API + concrete[1:], body, token=user)
                found[f"POST {path} {i}"] = answer
        for question in QUESTIONS[path] if method != "POST" else ():
            answer = server.fetch(method, API + concrete[1:] + question, token=user)
            found[f"{method} {path}{question}"] = answer
    return found


def words_of(text: str) -> list[str]:
    lower = text.casefold()
    return [word for word in HIDDEN_WORDS if word in lower]


@pytest.mark.attack("T72", "T73", surface="rest")
def test_no_answer_of_any_route_mentions_what_is_hidden(shared: Server) -> None:
    shared.save("a.ipynb", naming(VISIBLE))
    for user in ("ana", "miko"):
        answers = everything(shared, VISIBLE, user)
        assert len(answers) > 30
        for asked, answer in answers.items():
            assert not words_of(answer.text), (user, asked, answer.text[:500])
            assert not words_of(str(answer.headers)), (user, asked)


@pytest.mark.attack("T72", surface="stored")
@pytest.mark.attack("T72", "T83", "T85", surface="rest")
def test_every_route_answers_for_a_hidden_asset_as_for_a_missing_one(shared: Server) -> None:
    def told(answer: Answer, name: str) -> tuple[int, str]:
        return answer.status, answer.text.replace(name, "NAME")

    shared.save("a.ipynb", naming(HIDDEN))
    hidden = everything(shared, HIDDEN, "ana")
    shared.save("a.ipynb", naming(MISSING))
    missing = everything(shared, MISSING, "ana")
    assert hidden.keys() == missing.keys()
    for asked, answer in hidden.items():
        if "?text=" in asked or "modality" in asked:
            continue
        assert told(answer, HIDDEN) == told(missing[asked], MISSING), asked
    pins = hidden["POST /notebooks/pins 0"].json
    assert [(a["newer"], a["why"]) for a in pins["assets"]] == [(None, "refused")]
    held = hidden["POST /notebooks/hold 0"].json
    assert [(len(held["held"]), r["code"]) for r in held["refused"]] == [(0, "not_visible")]


def test_what_is_hidden_from_one_is_there_for_another(shared: Server) -> None:
    """The walk above would find it."""
    answers = everything(shared, HIDDEN, "dina")
    found = {word for answer in answers.values() for word in words_of(answer.text)}
    assert found == set(HIDDEN_WORDS)
    assert answers["GET /assets/{name}"].json["name"] == HIDDEN
