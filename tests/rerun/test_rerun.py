"""A notebook run again: what is read, what is found, what the exit status says."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import nbformat
import pyarrow as pa
import pytest

from jupyter_govdata.cli import main
from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.rerun import RerunReport, rerun
from jupyter_govdata.session import connect
from jupyter_govdata.stamps.folding import fold_stamps
from tests.gateway.world import FILES
from tests.rerun.conftest import LOAD, SQL, WIDE, Desk

STEWARDS_ONLY = '@id("stewards") permit (principal in Group::"stewards", action, resource);'


def verdicts(report: RerunReport) -> dict[str, str]:
    return {cell.cell_id: cell.verdict for cell in report.cells}


def again(desk: Desk, path: Path, **options: object) -> RerunReport:
    return rerun(path, environment=desk.environment(), **options)  # type: ignore[arg-type]


def run_notebook(desk: Desk, *sources: str, user: str = "ana") -> Path:
    path = desk.notebook("study", LOAD, *sources)
    desk.run(path, user)
    return path


# -- data is pinned ------------------------------------------------------------------------------


def test_rerun_after_an_append_is_identical_and_unpinned_is_different(desk: Desk) -> None:
    first = desk.wide(1, 2, 3)
    path = desk.notebook("study", LOAD, WIDE, "x = 1")
    desk.run_in_kernel(path)
    desk.wide(100)
    pinned = again(desk, path)
    assert verdicts(pinned) == {"c1": "identical"}
    assert pinned.exit_status == 0
    assert pinned.cells[0].after[0].pins == {"trials.wide": first}
    newest = again(desk, path, pins=Pins())
    assert verdicts(newest) == {"c1": "different"}
    assert newest.cells[0].causes == ("data",)
    assert newest.exit_status == 1


def test_rerun_of_cells_that_read_different_snapshots_pins_each_its_own(desk: Desk) -> None:
    first = desk.wide(1)
    path = desk.notebook("two", LOAD, WIDE, "import os", WIDE)
    nb = nbformat.read(path, as_version=4)
    nb.cells[2].source = (
        "import jupyter_govdata as gd, pyarrow as pa\n"
        "with gd.connect(user='dina') as s:\n"
        "    s.load(pa.table({'x': [50]}), 'trials.wide', mode='append')"
    )
    nbformat.write(nb, path)
    desk.run_in_kernel(path)
    second = desk.dina.catalog.versions("trials.wide")[0].snapshot_id
    nb = nbformat.read(path, as_version=4)
    nb.cells[2].source = "'nothing is loaded this time'"
    nbformat.write(nb, path)
    desk.wide(1000)
    report = again(desk, path)
    assert verdicts(report) == {"c1": "identical", "c3": "identical"}
    assert [dict(c.after[0].pins) for c in report.cells] == [
        {"trials.wide": first},
        {"trials.wide": second},
    ]


def test_rerun_with_use_latest_reads_one_asset_anew(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.wide(1)
    path = run_notebook(desk, WIDE, SQL)
    last = desk.wide(2)
    arguments = ["--lake", str(desk.lake), "--user", "ana", "--json"]
    status = main(["rerun", str(path), "--use", "trials.wide=latest", *arguments])
    told = json.loads(capsys.readouterr().out)
    assert status == 1
    assert [c["verdict"] for c in told["cells"]] == ["different", "identical"]
    assert told["pins"]["assets"]["trials.wide"] == str(last)


def test_rerun_as_of_a_moment_reads_what_was_there(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.wide(1)
    path = run_notebook(desk, WIDE)
    moment = dt.datetime.now(dt.UTC)
    desk.wide(2)
    arguments = ["--lake", str(desk.lake), "--user", "ana"]
    assert main(["rerun", str(path), "--pins", f"as-of={moment.isoformat()}", *arguments]) == 0
    assert main(["rerun", str(path), "--pins", "current", *arguments]) == 1
    assert "different (data)" in capsys.readouterr().out


def test_rerun_with_a_pin_file_reads_what_it_says(desk: Desk) -> None:
    first = desk.wide(1)
    desk.wide(2)
    path = run_notebook(desk, WIDE)
    file = desk.folder / "pins.json"
    file.write_text(json.dumps(Pins({"trials.wide": first}).to_wire()))
    arguments = ["--lake", str(desk.lake), "--user", "ana"]
    assert main(["rerun", str(path), "--pins", str(file), *arguments]) == 1
    assert main(["rerun", str(path), *arguments]) == 0


def test_rerun_with_more_pins_than_an_environment_holds_hands_over_a_file(desk: Desk) -> None:
    path = run_notebook(desk, WIDE, "import os\nprint(os.environ['GOVDATA_PINS'])")
    pin = desk.dina.catalog.versions("trials.wide")[0].snapshot_id
    many = {f"trials.asset_{n}": n + 1 for n in range(5000)}
    desk.wide(77)
    report = again(desk, path, pins=Pins({**many, "trials.wide": pin}))
    assert verdicts(report) == {"c1": "identical"}
    told = nbformat.read(report.out, as_version=4).cells[2].outputs[0].text.strip()
    assert told.endswith("pins.json")
    assert not Path(told).exists()


# -- permission is of today ----------------------------------------------------------------------


def test_rerun_after_rows_were_withdrawn_says_permission_and_never_shrinks_silently(
    desk: Desk,
) -> None:
    path = run_notebook(desk, SQL)
    desk.apply(
        FILES["policies/all.cedar"].replace(
            'resource.study == principal.study && context.purpose == "research"',
            'resource.study == principal.study && context.purpose == "research" && '
            "resource has age && resource.age < 50",
        ),
    )
    report = again(desk, path)
    cell = report.cells[0]
    assert (cell.verdict, cell.causes) == ("different", ("permission",))
    assert cell.before[0].receipts[0].snapshot_id == cell.after[0].receipts[0].snapshot_id
    assert "policy or consent changed" in cell.why
    assert report.exit_status == 1


def test_rerun_after_a_consent_was_withdrawn_says_permission(desk: Desk) -> None:
    """The decision stays what it was; only the epoch tells."""
    path = run_notebook(desk, "%%govsql\nSELECT count(*) AS n FROM trials.patients", user="miko")
    desk.dina.consent("T:patient", "P005", "model_training", "withdrawn")
    report = rerun(path, environment=desk.environment("miko"))
    cell = report.cells[0]
    assert (cell.verdict, cell.causes) == ("different", ("permission",))
    assert report.exit_status == 1


def test_rerun_after_the_access_was_withdrawn_is_not_replayable(desk: Desk) -> None:
    path = run_notebook(
        desk, SQL, WIDE.replace("trials.wide", "trials.patients AS p").replace("x", "age")
    )
    policies = FILES["policies/all.cedar"]
    desk.apply(
        policies.replace(
            'action == Action::"select",\n        resource in Asset',
            'action == Action::"open",\n        resource in Asset',
        ),
    )
    report = again(desk, path)
    assert verdicts(report) == {"c1": "not replayable", "c2": "not run"}
    assert report.cells[0].causes == ("permission",)
    assert report.exit_status == 3


def test_rerun_under_an_equal_policy_of_another_epoch_is_identical(desk: Desk) -> None:
    path = run_notebook(desk, SQL)
    desk.apply(FILES["policies/all.cedar"] + "\n// nothing changed\n")
    report = again(desk, path)
    assert verdicts(report) == {"c1": "identical"}


# -- what is gone --------------------------------------------------------------------------------


def test_rerun_of_an_expired_snapshot_is_not_replayable(desk: Desk) -> None:
    desk.wide(1)
    path = run_notebook(desk, WIDE)
    nb = nbformat.read(path, as_version=4)
    text = nbformat.writes(nb)
    pinned = str(desk.dina.catalog.versions("trials.wide")[0].snapshot_id)
    path.write_text(text.replace(pinned, "12345"))
    report = again(desk, path)
    assert verdicts(report) == {"c1": "not replayable"}
    assert report.cells[0].causes == ("data",)
    arguments = ["--lake", str(desk.lake), "--user", "ana"]
    assert main(["rerun", str(path), "--dry-run", *arguments]) == 3


def test_rerun_of_a_hidden_asset_is_not_replayable(desk: Desk) -> None:
    path = run_notebook(desk, SQL)
    desk.apply(STEWARDS_ONLY)
    report = again(desk, path)
    assert verdicts(report) == {"c1": "not replayable"}
    assert "not visible" in report.cells[0].why


def test_rerun_of_a_renamed_column_is_not_replayable_on_the_newest_data_only(own: Desk) -> None:
    own.wide(1)
    path = run_notebook(own, WIDE)
    own.dina.catalog.rename_column("trials.wide", "x", "y")
    own.dina.load(pa.table({"y": [2]}), "trials.wide", mode="append")
    assert verdicts(again(own, path)) == {"c1": "identical"}
    newest = again(own, path, pins=Pins())
    assert verdicts(newest) == {"c1": "not replayable"}
    assert "`x`" in newest.cells[0].why


# -- code, parameters, failures ------------------------------------------------------------------


def test_rerun_of_an_edited_query_says_code(desk: Desk) -> None:
    path = run_notebook(desk, SQL)
    nb = nbformat.read(path, as_version=4)
    nb.cells[1].source = SQL.replace("count(*)", "1 + count(*)")
    nbformat.write(nb, path)
    report = again(desk, path)
    assert report.cells[0].causes == ("code",)
    assert report.exit_status == 1


def test_rerun_of_a_query_that_became_python_finds_no_stamp_of_old(desk: Desk) -> None:
    path = run_notebook(desk, SQL)
    nb = nbformat.read(path, as_version=4)
    fold_stamps(nb)
    nb.cells[1].source = "1 + 1"
    nbformat.write(nb, path)
    report = again(desk, path)
    assert (report.cells[0].verdict, report.cells[0].causes) == ("different", ("code",))
    assert report.cells[0].after == ()


def test_rerun_of_a_query_that_is_not_reached_finds_no_stamp_of_old(desk: Desk) -> None:
    query = "if ask:\n    %govsql SELECT count(*) AS n FROM trials.wide"
    path = desk.notebook("branch", LOAD, "ask = 1", query, tags={1: "parameters"})
    desk.run(path)
    nb = nbformat.read(path, as_version=4)
    assert fold_stamps(nb)
    nbformat.write(nb, path)
    report = again(desk, path, parameters={"ask": 0})
    assert (report.cells[0].verdict, report.cells[0].after) == ("different", ())


def test_rerun_of_cleared_outputs_compares_with_the_folded_stamps(desk: Desk) -> None:
    path = run_notebook(desk, WIDE)
    nb = nbformat.read(path, as_version=4)
    fold_stamps(nb)
    for cell in nb.cells:
        cell.outputs = []
    nbformat.write(nb, path)
    desk.wide(9)
    assert verdicts(again(desk, path)) == {"c1": "identical"}


def test_rerun_with_another_parameter_says_parameters(desk: Desk) -> None:
    query = "%%govsql\nSELECT count(*) AS n FROM trials.patients WHERE age > $age"
    path = desk.notebook("params", LOAD, "age = 30", query, tags={1: "parameters"})
    desk.run(path, age=30)
    same = again(desk, path)
    assert verdicts(same) == {"c2": "identical"}
    other = again(desk, path, parameters={"age": 50})
    assert other.cells[0].causes == ("parameters",)
    out = nbformat.read(other.out, as_version=4)
    assert out.metadata.papermill.parameters == {"age": 50}


def test_rerun_that_depends_on_chance_says_that_no_stamp_tells(desk: Desk) -> None:
    path = run_notebook(desk, "%%govsql\nSELECT uuid() AS u, count(*) AS n FROM trials.wide")
    report = again(desk, path)
    assert report.cells[0].causes == ("unknown",)
    assert "random()" in report.cells[0].why


def test_rerun_of_a_failing_cell_is_failed_and_keeps_what_ran(desk: Desk) -> None:
    path = run_notebook(desk, SQL, "x = 1", SQL)
    nb = nbformat.read(path, as_version=4)
    nb.cells[2].source = "raise ValueError('no')"
    nbformat.write(nb, path)
    report = again(desk, path)
    assert verdicts(report) == {"c1": "identical", "c2": "failed", "c3": "not run"}
    assert report.error == "ValueError: no"
    assert report.exit_status == 4


def test_rerun_of_a_cell_that_is_to_show_a_refusal_is_identical(desk: Desk) -> None:
    refused = "%%govsql\nSELECT nope FROM trials.patients"
    path = desk.notebook("refused", LOAD, refused, SQL, tags={1: "raises-exception"})
    desk.run_in_kernel(path)
    report = again(desk, path)
    assert verdicts(report) == {"c1": "identical", "c2": "identical"}
    assert (report.error, report.exit_status) == ("", 0)
    out = nbformat.read(report.out, as_version=4)
    assert [cell.cell_type for cell in out.cells] == ["code"] * 3  # nothing of papermill's


# -- what it refuses -----------------------------------------------------------------------------


def test_rerun_never_overwrites_the_notebook_itself(desk: Desk) -> None:
    path = run_notebook(desk, SQL)
    link = desk.folder / "link.ipynb"
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    before = path.read_bytes()
    for out in (path, link):
        with pytest.raises(ConfigError, match="would be overwritten"):
            again(desk, path, out=out)
    assert path.read_bytes() == before


def test_rerun_of_a_notebook_without_stamps_says_so(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = desk.notebook("never", LOAD, SQL)
    arguments = ["--lake", str(desk.lake), "--user", "ana"]
    assert main(["rerun", str(path), *arguments]) == 3
    assert "--pins current" in capsys.readouterr().err
    assert not path.with_name("never.rerun.ipynb").exists()
    assert main(["rerun", str(path), "--pins", "current", *arguments]) == 0
    assert "first run" in capsys.readouterr().out


def test_rerun_of_what_is_no_notebook_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.ipynb"
    file.write_text("{]")
    assert main(["rerun", str(file)]) == 2
    assert main(["rerun", str(tmp_path / "missing.ipynb")]) == 2
    assert "is not a notebook" in capsys.readouterr().err


def test_rerun_in_a_missing_kernel_is_refused_before_anything_is_written(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_notebook(desk, SQL)
    out = desk.folder / "k.ipynb"
    assert main(["rerun", str(path), "--kernel", "cobol", "-o", str(out)]) == 2
    assert "kernel `cobol` is not installed" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("db_password", "hunter2"),
        ("apiKey", "abc"),
        ("note", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"),
        ("url", "postgresql://me:secret@db/x"),
        ("key", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_rerun_with_a_secret_as_parameter_is_refused(
    desk: Desk, name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_notebook(desk, SQL)
    out = desk.folder / "secret.ipynb"
    assert main(["rerun", str(path), "-o", str(out), "-p", name, value]) == 2
    shown = capsys.readouterr().err
    assert name in shown
    assert value not in shown
    assert not out.exists()


# -- notebooks of other kinds --------------------------------------------------------------------


def test_rerun_of_format_4_4_without_cell_ids_finds_its_stamps(desk: Desk) -> None:
    desk.wide(1)
    path = run_notebook(desk, WIDE)
    old = json.loads(path.read_text())
    old["nbformat_minor"] = 4
    for cell in old["cells"]:
        del cell["id"]
    path.write_text(json.dumps(old))
    desk.wide(2)
    report = again(desk, path)
    assert [cell.verdict for cell in report.cells] == ["identical"]


@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
def test_rerun_of_duplicate_cell_ids_tells_the_cells_apart(desk: Desk) -> None:
    desk.wide(1)
    path = run_notebook(desk, WIDE, SQL)
    nb = json.loads(path.read_text())
    for cell in nb["cells"]:
        cell["id"] = "same"
    path.write_text(json.dumps(nb))
    desk.wide(2)
    report = again(desk, path)
    assert [cell.verdict for cell in report.cells] == ["identical", "identical"]
    assert len({cell.cell_id for cell in report.cells}) == 2


# -- the plan ------------------------------------------------------------------------------------


def test_dry_run_says_what_is_newer_and_runs_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    first = desk.wide(1)
    path = run_notebook(desk, WIDE)
    desk.wide(2)
    desk.wide(3)
    arguments = ["--lake", str(desk.lake), "--user", "ana", "--dry-run", "--json"]
    assert main(["rerun", str(path), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)["plan"]
    assert [(r["asset"], r["snapshot_id"], r["state"], r["newer"]) for r in told] == [
        ("trials.wide", str(first), "pinned", 2)
    ]
    assert not path.with_name("study.rerun.ipynb").exists()


def test_dry_run_says_what_is_no_longer_permitted(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run_notebook(desk, SQL)
    desk.apply(STEWARDS_ONLY)
    assert main(["rerun", str(path), "--dry-run", "--lake", str(desk.lake), "--user", "ana"]) == 3
    shown = capsys.readouterr().out
    assert "not permitted" in shown
    assert "nothing was run" in shown


def test_rerun_by_a_parameter_takes_purpose_and_moment(desk: Desk) -> None:
    first = desk.wide(1)
    moment = dt.datetime.now(dt.UTC).isoformat()
    desk.wide(2)
    path = desk.notebook(
        "governed", "purpose = 'research'\nas_of = None", LOAD, WIDE, tags={0: "parameters"}
    )
    report = again(desk, path, parameters={"purpose": "model_training", "as_of": moment})
    receipt = report.cells[0].after[0].receipts[0]
    assert (receipt.purpose, receipt.snapshot_id) == ("model_training", first)
    with connect(desk.lake, user="ana") as ana:
        assert ana.purpose == "research"
