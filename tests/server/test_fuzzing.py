"""Schemathesis asks a real server all that `openapi.yaml` allows, and much that it does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.server.description import FILE
from tests.server.jupyter import API, TOKEN, Server

SCHEMATHESIS = "GOVDATA_SCHEMATHESIS"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)


@pytest.mark.attack("T82", surface="rest")
@pytest.mark.more
@pytest.mark.skipif(SCHEMATHESIS not in os.environ, reason="`make test-all` sets it")
def test_answers_are_as_described_whatever_is_asked(own: Server, tmp_path: Path) -> None:
    command = [
        *(os.environ[SCHEMATHESIS], "run", str(FILE)),
        *("--url", f"http://127.0.0.1:{own.port}{API.rstrip('/')}"),
        *("--header", f"Authorization: token {TOKEN}"),
        *("--checks", ",".join(CHECKS)),
        *("--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "5", "--continue-on-failure"),
        *("--generation-database", "none", "--no-color", "--warnings", "off"),
    ]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "24 selected" in ran.stdout
    assert "Traceback" not in own.log.read_text()
