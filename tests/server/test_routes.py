"""Every route that the extension registers: who may ask, and that OpenAPI describes it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.server.description import check, document, operations
from tests.server.jupyter import API, ROOT, TOKEN, Server

EXAMPLES = {
    "assets/([^/]+)": "assets/trials.patients",
    "files/([^/]+)": "files/0123",
    "requests/([^/]+)": "requests/abc",
    "jobs/([^/]+)": "jobs/0123456789abcdef",
}
BOTH = ["tornado/web.py", "auth/decorator.py"]

Route = tuple[str, str, list[str]]


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    """Path, method and decorators of everything that a Jupyter server has registered for us."""
    found = _registered(tmp_path_factory.mktemp("root"), "/")
    assert len(found) > 20
    return [(_example(pattern), method, around) for pattern, method, around in found]


def _registered(root: Path, base: str) -> list[Route]:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.server.listing", str(root), base],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found: list[Route] = json.loads(ran.stdout.splitlines()[-1])
    return found


def _example(pattern: str) -> str:
    path = pattern.replace("\\.", ".")
    for group, example in EXAMPLES.items():
        path = path.replace(group, example)
    assert re.fullmatch(pattern, path), f"{pattern} needs an example"
    return path.removeprefix(API)


def test_routes_are_authenticated_and_authorized_each(routes: list[Route]) -> None:
    wrong = [f"{method} {path}: {around}" for path, method, around in routes if around != BOTH]
    assert not wrong, wrong


def test_routes_without_a_token_answer_nobody(shared: Server, routes: list[Route]) -> None:
    for path, method, _ in routes:
        for token in (None, "wrong"):
            body = b"{}" if method == "POST" else None
            answer = shared.fetch(method, API + path, body, token=token)
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), (method, path)


def test_routes_denied_by_the_servers_authorizer_answer_nothing(
    shared: Server, routes: list[Route]
) -> None:
    for path, method, _ in routes:
        body = b"{}" if method == "POST" else None
        answer = shared.fetch(method, API + path, body, token="denied")
        assert (answer.status, answer.json["code"]) == (403, "forbidden"), (method, path)


def test_routes_answer_those_who_may_as_openapi_says(shared: Server, routes: list[Route]) -> None:
    expected = {"GET jobs": 404, "DELETE jobs": 404, "GET compare": 400}
    expected |= {"GET files": 403, "GET thumbnail": 403}  # no inventory that she may open
    for path, method, _ in routes:
        body = b"{}" if method == "POST" else None
        answer = shared.fetch(method, API + path, body, token="ana")
        name = f"{method} {'jobs' if path.startswith('jobs') else path.split('/')[-1]}"
        usual = 200 if method == "GET" else 404 if "withdraw" in path or "approve" in path else 400
        assert answer.status == expected.get(name, usual), (method, path, answer.text)
        if path != "openapi.yaml":
            check(method, path, answer)


@pytest.mark.attack("T56", surface="rest")
def test_routes_lend_nobody_elses_session(shared: Server, routes: list[Route]) -> None:
    """A person whom the configuration gives no session is refused, and nothing is said."""
    for path, method, _ in routes:
        if method != "GET" or path == "openapi.yaml":
            continue
        question = "?from=1&to=2" if path.endswith("compare") else ""
        answer = shared.get(path + question, user="stranger")
        assert (answer.status, answer.json["code"]) == (403, "not_your_server"), path


def test_routes_are_those_that_openapi_describes(routes: list[Route]) -> None:
    def example(template: str) -> str:
        for name, value in {"name": "trials.patients", "id": "abc", "key": "0123"}.items():
            fixed = "0123456789abcdef" if template.startswith("/jobs") else value
            template = template.replace(f"{{{name}}}", fixed)
        return template.removeprefix("/")

    described = sorted((example(path), method) for path, method, _ in operations())
    assert described == sorted((path, method) for path, method, _ in routes)
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids))


def test_routes_are_below_the_servers_own_address_once(tmp_path: Path, routes: list[Route]) -> None:
    """A server of JupyterHub is at `/user/NAME/`."""
    found = _registered(tmp_path, "/user/ana/")
    assert len(found) == len(routes)
    assert not [pattern for pattern, _, _ in found if not pattern.startswith("/user/ana" + API)]


def test_openapi_file_is_served_and_valid(own: Server, routes: list[Route]) -> None:
    answer = own.get("openapi.yaml")
    assert answer.headers["Content-Type"] == "application/yaml"
    assert answer.body == (Path(ROOT) / "jupyter_govdata/server/openapi.yaml").read_bytes()
    assert document()["openapi"] == "3.1.0"


def test_methods_that_are_not_there_are_refused_as_json(own: Server) -> None:
    answer = own.fetch("PUT", API + "status", {})
    assert (answer.status, answer.json["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET"
    assert own.fetch("PATCH", API + "requests", {}).headers["Allow"] == "GET, POST"


# -- cookies -----------------------------------------------------------------------------------


def _browser(server: Server) -> tuple[urllib.request.OpenerDirector, str]:
    """Return a signed-in browser and its XSRF token."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    with browser.open(f"http://127.0.0.1:{server.port}/api/status?token={TOKEN}", timeout=60):
        pass
    with browser.open(f"http://127.0.0.1:{server.port}/login", timeout=60):
        pass
    return browser, next(cookie.value for cookie in jar if cookie.name == "_xsrf") or ""


def _send(
    server: Server, browser: urllib.request.OpenerDirector, path: str, **headers: str
) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}{API}{path}",
        b'{"path": "none.ipynb"}' if path.startswith("notebooks") else None,
        {name.replace("_", "-"): value for name, value in headers.items()},
    )
    try:
        with browser.open(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.attack("T76", surface="rest")
def test_cookie_alone_reads_and_does_nothing_else(own: Server) -> None:
    browser, xsrf = _browser(own)
    assert _send(own, browser, "status")[0] == 200
    assert _send(own, browser, "notebooks/pins")[0] == 403
    assert _send(own, browser, "notebooks/pins", X_XSRFToken="2|wrong")[0] == 403
    status, text = _send(own, browser, "notebooks/pins", X_XSRFToken=xsrf)
    assert (status, json.loads(text)["code"]) == (404, "no_notebook")


@pytest.mark.attack("T76", surface="rest")
def test_cookie_from_another_origin_reads_nothing(own: Server) -> None:
    browser, xsrf = _browser(own)
    for path in ("status", "catalog", "notebooks/pins"):
        status, text = _send(own, browser, path, Origin="https://evil.example", X_XSRFToken=xsrf)
        assert status == 404
        assert "trials" not in text
