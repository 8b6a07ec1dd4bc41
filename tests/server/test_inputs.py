"""What is wrong in a request is said, as JSON and without a path; nothing of it gets further."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jupyter_govdata.errors import (
    GovDataError,
    LimitError,
    NotVisibleError,
    RefusalError,
)
from jupyter_govdata.server.inputs import Body
from jupyter_govdata.server.problems import ProblemError, problem, status_of, without_paths
from tests.server.description import check
from tests.server.jupyter import API, Server

LONG = "x" * 1_001

BAD_QUESTIONS = [
    "catalog?limit=0",
    "catalog?limit=501",
    "catalog?limit=1.5",
    "catalog?limit=-1",
    "catalog?limit=%D9%A1",  # a digit, but not one of ours
    "catalog?limit=1&limit=2",
    "catalog?offset=99999999999999999999",
    "catalog?offset=x",
    "catalog?readable=yes",
    f"catalog?text={LONG}",
    f"catalog?purpose={LONG}",
    "catalog?" + "&".join(f"tag=t{i}" for i in range(51)),
    f"catalog?tag={LONG}",
    f"catalog?modality={'x' * 501}",
    f"catalog?purpose={'x' * 201}",
    "catalog?text=%FF",
    "catalog?text=%ED%A0%80",
    "assets/UPPER.case",
    "assets/one",
    "assets/a.b.c",
    "assets/..%2F..%2Fetc%2Fpasswd",
    "assets/%00.x",
    "assets/trials.patients%0A",
    "assets/трials.patients",
    f"assets/{'a' * 64}.b",
    "assets/*.*",
    "assets/trials.patients?at=99999999999999999999",
    f"assets/trials.patients?at={'x' * 201}",
    "assets/trials.patients/preview?limit=101",
    "assets/trials.patients/preview?limit=0",
    "assets/trials.patients/lineage?depth=11",
    "assets/trials.patients/compare?from=1",
    "assets/trials.patients/compare?from=a&to=b",
    "assets/trials.patients/compare?from=-1&to=1",
    "requests?box=everybodys",
    "requests?state=none",
]

BAD_BODIES: list[tuple[str, Any]] = [
    ("requests", b""),
    ("requests", b"{"),
    ("requests", b"[]"),
    ("requests", b"null"),
    ("requests", b'"text"'),
    ("requests", b"[" * 100_000),
    ("requests", b"\xff\xfe"),
    ("requests", {"asset": 5}),
    ("requests", {"asset": None}),
    ("requests", {"asset": "UPPER"}),
    ("requests", {"asset": "trials.asked", "unknown": 1}),
    ("requests", {"asset": "trials.asked", "reason": ["x"]}),
    ("requests", {"asset": "trials.asked", "reason": "x" * 2_001}),
    ("requests", b'{"asset": "trials.asked", "reason": "\\ud800"}'),
    ("requests", {"asset": "trials.asked", "until": "tomorrow"}),
    ("requests", {"asset": "trials.asked", "until": 5}),
    ("requests/abc/refuse", {}),
    ("requests/%C2%84/withdraw", {}),
    ("requests/abc/refuse", {"reason": "  "}),
    ("requests/abc/approve", {"until": "9999999y"}),
    ("notebooks/pins", {}),
    ("notebooks/pins", {"path": ""}),
    ("notebooks/pins", {"path": "/"}),
    ("notebooks/pins", {"path": "../secret.ipynb"}),
    ("notebooks/pins", {"path": "a/../../secret.ipynb"}),
    ("notebooks/pins", {"path": "a\\..\\secret.ipynb"}),
    ("notebooks/pins", {"path": "a\u0000.ipynb"}),
    ("notebooks/pins", {"path": "x" * 1_001}),
    ("notebooks/pins", {"path": "a.ipynb", "content": "text"}),
    ("notebooks/pins", {"path": "a.ipynb", "content": []}),
    ("notebooks/hold", {"path": "a.ipynb", "name": "x"}),
    ("notebooks/hold", {"path": "a.ipynb", "name": "", "until": "90d"}),
    ("notebooks/verify", {"path": "a.ipynb", "execute": "yes"}),
    ("notebooks/rerun", {"path": "a.ipynb"}),
    ("notebooks/rerun", {"path": "a.ipynb", "output": "a.ipynb"}),
    ("notebooks/rerun", {"path": "a.ipynb", "output": "b.py"}),
    ("notebooks/rerun", {"path": "a.ipynb", "output": "../b.ipynb"}),
    ("notebooks/rerun", {"path": "a.ipynb", "output": "b.ipynb", "pins": "newest"}),
    ("notebooks/rerun", {"path": "a.ipynb", "output": "b.ipynb", "pins": {"a.b": "1"}}),
    ("notebooks/export", {"path": "a.ipynb", "to": "zip"}),
]


@pytest.mark.parametrize("path", BAD_QUESTIONS, ids=lambda path: path[:50])
def test_bad_questions_are_bad_input(own: Server, path: str) -> None:
    answer = own.fetch("GET", API + path.replace("трials", "%D1%82%D1%80ials"))
    assert answer.status == 400, answer.text
    assert answer.json["code"] == "bad_request"


@pytest.mark.parametrize(("path", "body"), BAD_BODIES, ids=lambda value: str(value)[:40])
def test_bad_bodies_are_bad_input(own: Server, path: str, body: Any) -> None:
    answer = own.post(path, body)
    assert answer.status == 400, answer.text
    check("POST", path, answer)
    assert answer.json["code"] in ("bad_request", "config")


@pytest.mark.attack("T82", surface="rest")
def test_bodies_that_are_too_large_are_refused(own: Server) -> None:
    answer = own.post("requests", {"asset": "trials.asked", "reason": "x" * 1_000_000})
    assert (answer.status, answer.json["code"]) == (413, "too_large")


def test_reasons_with_what_hides_words_are_refused(own: Server) -> None:
    answer = own.post("requests", {"asset": "trials.asked", "reason": "a\u202eb"})
    assert (answer.status, check("POST", "requests", answer)["code"]) == (400, "catalog")


def test_unknown_paths_and_jobs_are_not_found(own: Server) -> None:
    for path in ("jobs/0123456789abcdef", "jobs/%C2%84", "requests/none/withdraw"):
        method = "GET" if path.startswith("jobs") else "POST"
        answer = own.fetch(method, API + path, None if method == "GET" else {})
        assert answer.status == 404
        check(method, path, answer)
    assert own.get("no/such/route").status == 404


@pytest.mark.attack("T25", "T57", surface="rest")
def test_errors_name_no_folder_of_the_server(own: Server, lake: Path) -> None:
    answers = [own.fetch("GET", API + path) for path in BAD_QUESTIONS if path.isascii()]
    answers += [own.post(path, body) for path, body in BAD_BODIES]
    for answer in answers:
        for folder in (lake.parent, own.root.parent, Path(__file__).parent.parent.parent):
            assert str(folder) not in answer.text
        assert "Traceback" not in answer.text


# -- pieces ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`/home/ana/lake` is not a lake", "`…/lake` is not a lake"),
        ("see /a/b/run/gateway.log", "see …/gateway.log"),
        ("~/lake, and (/x/y)", "…/lake, and (…/y)"),
        ("path=/etc/passwd", "path=…/passwd"),
        (r"C:\Users\ana\x.txt is gone", "…/x.txt is gone"),
        ("`grpc+tls://host:8815` does not answer", "`grpc+tls://host:8815` does not answer"),
        ("`select` on `trials.outcomes`: a/b, 1 / 2", "`select` on `trials.outcomes`: a/b, 1 / 2"),
    ],
)
def test_paths_are_left_out_of_texts(text: str, shown: str) -> None:
    assert without_paths(text) == shown


def test_every_error_has_a_status_of_its_own_kind() -> None:
    def tree(kind: type[GovDataError]) -> list[type[GovDataError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in tree(child))]

    statuses = {kind: status_of(kind("x")) for kind in tree(GovDataError)}
    assert statuses[NotVisibleError] == 404
    assert statuses[LimitError] == 429
    assert statuses[RefusalError] == 403
    assert all(400 <= status < 504 for status in statuses.values())
    assert problem(RefusalError("`/a/b` x", hint="/c/d")) == {
        "code": "refused",
        "message": "`…/b` x",
        "hint": "…/d",
    }


def test_body_is_an_object_of_known_fields() -> None:
    body = Body(json.dumps({"a": "x", "b": None}).encode(), ("a", "b"), 100)
    assert (body.text("a"), body.optional("b")) == ("x", None)
    with pytest.raises(ProblemError) as caught:
        body.text("b")
    assert caught.value.status_code == 400
