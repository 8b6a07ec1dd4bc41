"""The shipped OpenAPI file as a judge of answers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from tests.server.jupyter import ROOT, Answer

FILE: Path = ROOT / "jupyter_govdata" / "server" / "openapi.yaml"


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return found


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Return path, method and operation of everything that the file describes."""
    return [
        (path, method.upper(), operation)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def schema_of(method: str, path: str, status: int) -> dict[str, Any] | None:
    """Return the schema of an answer; None where it has no body."""
    for template, verb, operation in operations():
        pattern = re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(template))
        # A fixed path is meant before one with a parameter.
        if verb == method and re.fullmatch(pattern, path) and _is_best(template, path):
            responses = operation["responses"]
            answer = resolved(responses.get(str(status)) or responses["default"])
            content = answer.get("content", {}).get("application/json")
            return content and content["schema"]
    raise AssertionError(f"openapi.yaml does not describe {method} {path}")


def _is_best(template: str, path: str) -> bool:
    return template == path or path not in document()["paths"]


def check(method: str, path: str, answer: Answer) -> Any:
    """Return the JSON of an answer, which is as the file says."""
    schema = schema_of(method, "/" + path.split("?", maxsplit=1)[0], answer.status)
    if schema is None:
        assert not answer.body
        return None
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-cache"
    value = answer.json
    validator = jsonschema.Draft202012Validator({**schema, "components": document()["components"]})
    problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
    assert not problems, f"{method} {path} {answer.status}: {problems[:5]}"
    return value
