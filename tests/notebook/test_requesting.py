"""Asking for access and deciding, from two notebooks and from the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jupyter_govdata.cli import main
from jupyter_govdata.session import connect
from tests.gateway.world import FILES, POLICIES
from tests.notebook.conftest import Notebook

TEMPLATES = """
@id("all-rows") @request("read")
permit (principal == ?principal, action in [Action::"select", Action::"reveal"],
        resource in ?resource);
"""
NASTY = "<img src=x onerror=alert(1)> [bold]x[/]"


@pytest.fixture
def opened(shared_lake: Path, tmp_path: Path) -> Path:
    """The lake with a request template."""
    for name, text in {**FILES, "policies/all.cedar": POLICIES + TEMPLATES}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with connect(shared_lake, user="dina") as dina:
        dina.apply(tmp_path)
    return shared_lake


def test_refused_cell_names_the_request_that_leads_to_access(
    notebook: Notebook, opened: Path
) -> None:
    query = "%%govsql --purpose marketing\nSELECT count(*) AS n FROM trials.patients"
    refused = notebook.run(query)
    assert refused.error is not None
    step = str(refused.error.hint).split("`")[1]  # type: ignore[attr-defined]
    assert step == "%govdata request trials.patients --purpose marketing"
    asked = notebook.run(f"{step} --until 30d --reason '{NASTY}'")
    assert asked.success, asked.text
    facts = dict(asked.result.rows)
    assert (facts["state"], facts["purpose"]) == ("open", "marketing")
    assert NASTY.split(maxsplit=1)[0] not in asked.result._repr_html_()
    assert not notebook.run(f"%govdata approve {facts['request']}").success

    assert notebook.run(f"%govdata connect {opened} --as dina --name steward").success
    assert "for you to decide" in str(notebook.run("%govdata requests").result)
    inbox = notebook.run("%govdata requests inbox --state open").result
    assert [row[0] for row in inbox.rows] == [facts["request"]]
    assert "<img" not in inbox._repr_html_()
    assert notebook.run(f"%govdata approve {facts['request']} --reason fine").success

    assert notebook.run("%govdata use main").success
    assert notebook.run(query).success
    assert "approved" in str(notebook.run("%govdata requests").result)
    assert "read" in str(notebook.run("%govdata requests scopes").result)
    assert notebook.run(f"%govdata requests withdraw {facts['request']}").success
    assert not notebook.run(query).success
    assert not notebook.run(f"%govdata requests inbox {facts['request']}").success


def test_terminal_asks_lists_approves_refuses_and_withdraws(
    opened: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(user: str, *words: str) -> tuple[int, str, str]:
        status = main(["requests", *words, "--lake", str(opened), "--user", user])
        said = capsys.readouterr()
        return status, said.out, said.err

    marketing = ("--purpose", "marketing", "--reason", NASTY)
    status, out, _ = run("ana", "ask", "trials.patients", *marketing, "--json")
    made = json.loads(out)["id"]
    assert status == 0
    _, out, _ = run("dina", "list")
    assert "1 for you to decide" in out
    _, out, _ = run("dina", "list", "--inbox", "--state", "open")
    assert made in out
    assert "[bold]" in out.replace("\n", "").replace(" ", "")
    status, _, err = run("ana", "approve", made)
    assert (status, "not yours to decide" in err) == (1, True)
    status, out, _ = run("dina", "approve", made, "--until", "2w")
    assert (status, "approved until" in out) == (0, True)
    status, out, _ = run("dina", "refuse", made, "--reason", "over")
    assert (status, out.strip().rpartition(": ")[2][:7]) == (0, "refused")
    _, out, _ = run("ana", "ask", "trials.patients", *marketing, "--json")
    status, out, _ = run("ana", "withdraw", json.loads(out)["id"])
    assert (status, "withdrawn" in out) == (0, True)
