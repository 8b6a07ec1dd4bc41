"""Run by tests: print the routes that a Jupyter server has registered for our extension."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp

METHODS = ("get", "head", "post", "put", "patch", "delete")
OURS = ("jupyter_govdata.", "tests.")


def rules(router: Any) -> Iterator[Any]:
    for rule in router.rules:
        if hasattr(rule.target, "rules"):
            yield from rules(rule.target)
        else:
            yield rule


def decorators(method: Any) -> list[str]:
    """Return the files of the functions around a method, the outermost first."""
    found = []
    while hasattr(method, "__wrapped__"):
        found.append("/".join(method.__code__.co_filename.split("/")[-2:]))
        method = method.__wrapped__
    return found


def main() -> None:
    root, base = sys.argv[1:]
    app = ServerApp(jpserver_extensions={"jupyter_govdata": True}, root_dir=root, base_url=base)
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    found = []
    for rule in rules(app.web_app.default_router):
        pattern = getattr(getattr(rule.matcher, "regex", None), "pattern", "")
        module = getattr(rule.target, "__module__", "")
        if "/jupyter_govdata" not in pattern and not module.startswith(OURS):
            continue
        found += [
            [pattern.removesuffix("$"), verb.upper(), decorators(getattr(rule.target, verb))]
            for verb in METHODS
            if getattr(rule.target, verb) is not getattr(APIHandler, verb)
        ]
    print(json.dumps(found))


main()
