"""The command line as a steward and an analyst use it, on a lake made by it."""

from __future__ import annotations

import getpass
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.cli import main
from jupyter_govdata.session import connect

ME = getpass.getuser()

OPENING = """
@id("trials-for-clinical")
@description("clinical analysts read trials for research")
permit (principal in Group::"clinical",
        action in [Action::"discover", Action::"select", Action::"reveal"],
        resource in Namespace::"trials")
when { context.purpose == "research" };

@id("ids-as-pseudonyms")
@mask("pseudonym")
forbid (principal in Group::"clinical", action == Action::"reveal", resource)
when { resource.hasTag("identifier") && resource.getTag("identifier") == "direct" };
"""

CARD = """
assets:
  trials.outcomes:
    owner: {me}
    steward: stewards
    description: Outcomes of a small study.
    columns:
      patient: {{description: Patient number., tags: {{identifier: direct}}, domain: "S1:patient"}}
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake made by ``init``, with its gateway kept running."""
    folder = tmp_path_factory.mktemp("cli") / "my lake"
    assert main(["init", str(folder)]) == 0
    csv = folder.parent / "out [1].csv"
    csv.write_text("# made for a test\npatient;days\nP1;12\nP2;x\n" + "P3;30\n" * 1500)
    arguments = ["--into", "trials.outcomes", "--type", "days=long", "--lake", str(folder)]
    rejects = folder.parent / "bad rows.csv"
    assert main(["load", str(csv), *arguments, "--rejects", str(rejects)]) == 0
    assert "P2" in rejects.read_text()
    with connect(folder):
        yield folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(a) for a in arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_load_shows_types_counts_and_rejects(lake, capsys, tmp_path):
    csv = tmp_path / "runs.tsv"
    csv.write_text("run\tvalue\n" + "a\t1.5\n" * 20)
    status, out, _ = run(capsys, "load", csv, "--into", "lab.runs", "--lake", lake)
    assert status == 0
    assert "double" in out
    assert "20 rows into lab.runs" in out


def test_load_from_a_database_table_by_url(lake, capsys, tmp_path):
    file = tmp_path / "lims.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE samples (id INTEGER, name TEXT)")
        db.executemany("INSERT INTO samples VALUES (?, ?)", [(i, f"s{i}") for i in range(500)])
    db.close()
    url = f"sqlite:///{file}"
    status, out, err = run(
        capsys, "load", url, "--table", "samples", "--into", "lab.samples", "--lake", lake
    )
    assert status == 0, err
    assert "500 rows into lab.samples" in out


def test_apply_checks_then_opens_the_asset_and_explain_says_so(lake, capsys):
    governance = lake / "governance"
    people = (governance / "principals.yaml").read_text()
    people = people.replace("groups:\n", "groups:\n  clinical: {description: analysts}\n", 1)
    people = people.replace(
        "principals:\n", "principals:\n  ana: {name: Ana, groups: [clinical], purpose: research}\n"
    )
    (governance / "principals.yaml").write_text(people)
    (governance / "assets" / "trials.yaml").write_text(CARD.format(me=ME))
    opening = governance / "policies" / "trials.cedar"
    opening.write_text(OPENING.replace("identifier", "identifer"))
    status, _, err = run(capsys, "apply", governance, "--dry-run")
    assert status == 1
    assert f"{opening}:12:" in err
    opening.write_text(OPENING)
    status, out, _ = run(capsys, "apply", lake, "--dry-run")
    assert status == 0
    assert out.splitlines() == [
        "added assets/trials.yaml",
        "added policies/trials.cedar",
        "changed principals.yaml",
        "no problem found",
    ]
    assert run(capsys, "ls", "--lake", lake, "--user", "ana")[0] == 1
    status, out, _ = run(capsys, "apply", lake)
    assert status == 0
    assert "epoch" in out
    status, out, _ = run(capsys, "explain", "trials.outcomes", "--as", "ana", "--lake", lake)
    assert status == 0
    assert "pseudonym" in out
    assert "trials-for-clinical" in out
    query = "SELECT count(*) AS n FROM trials.outcomes WHERE days > $days"
    status, out, err = run(capsys, "sql", query, "-p", "days=20", "--lake", lake, "--user", "ana")
    assert status == 0, err
    assert "1500" in out.replace(",", "")


def test_looking_commands_answer(lake, capsys):
    assert "trials.outcomes" in run(capsys, "ls", "--lake", lake)[1]
    assert "patient" in run(capsys, "describe", "trials.outcomes", "--lake", lake)[1]
    assert "append" in run(capsys, "versions", "trials.outcomes", "--lake", lake)[1]
    out = run(capsys, "sql", "SELECT count(*) AS n FROM trials.outcomes", "--lake", lake)[1]
    assert "1501" in out or "1,501" in out


def test_consent_and_audit_are_recorded(lake, capsys):
    subject = ("S1:patient", "P1", "--for", "research", "--source", "form 12", "--lake", lake)
    status, out, _ = run(capsys, "consent", "given", *subject)
    assert (status, out.split(";")[0]) == (0, "given")
    status, out, _ = run(capsys, "audit", "--limit", "5", "--lake", lake)
    assert status == 0
    assert "manage *" in out
    assert "records is whole" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("describe", "trials.nothing"), "does not exist or is not visible"),
        (("sql", "SELEC 1"), "syntax error"),
        (("sql", "SELECT 1", "-p", "novalue"), "KEY=VALUE"),
        (("load", "no such file.csv", "--into", "lab.x"), "no such file"),
        (("load", "x.csv", "--into", "Lab X"), "not an asset name"),
        (("explain", "trials.outcomes", "--purpose", "fun"), "`fun`"),
    ],
)
def test_wrong_input_gives_one_message_and_status_1(lake, capsys, arguments, says):
    status, _, err = run(capsys, *arguments, "--lake", lake)
    assert status == 1
    assert says in err
    assert "Traceback" not in err


def test_folder_that_is_no_lake_is_refused(tmp_path, capsys):
    status, _, err = run(capsys, "ls", "--lake", tmp_path)
    assert status == 1
    assert "jupyter govdata init" in err
