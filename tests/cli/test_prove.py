"""What a notebook read, proved from the command line: a real lake, a real kernel, real edits."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from jupyter_govdata.cli import main
from jupyter_govdata.config import GatewayConfig
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.server import Server
from jupyter_govdata.model.pins import Pins
from jupyter_govdata.model.stamp import STAMP_MIME
from jupyter_govdata.session import connect
from jupyter_govdata.stamps.folding import stamped_cells
from tests.gateway.test_holding import HOLD
from tests.gateway.world import PATIENTS, POLICIES, World, make_world
from tests.stamps.notebooks import notebook, query_cell

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client.*")

ARMS = "SELECT arm, count(*) AS n FROM trials.patients GROUP BY arm ORDER BY arm"
CELLS = {
    "load": "%load_ext jupyter_govdata",
    "arms": f"%%govsql\n{ARMS}",
    "line": "%govsql older << SELECT patient, age FROM trials.patients WHERE age > 40",
    "noisy": "%%govsql\nSELECT 40 + count(*) + random() * 1e-9 AS v FROM trials.patients",
    "python": "older.table.num_rows",
}


def execute(lake: Path, user: str, cells: Mapping[str, str], path: Path) -> Path:
    """Run a notebook as Jupyter does, in a kernel of its own, and save it."""
    nb = new_notebook(cells=[new_code_cell(text, id=name) for name, text in cells.items()])
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "P", "language": "python"}
    here = {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": user}
    NotebookClient(nb, timeout=120, kernel_name="python3").execute(env={**os.environ, **here})
    nbformat.write(nb, path)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = make_world(tmp_path_factory.mktemp("prove"))
    made.apply(policies=POLICIES + HOLD)
    yield made
    made.close()


@pytest.fixture(scope="module")
def original(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = execute(world.lake, "ana", CELLS, tmp_path_factory.mktemp("nb") / "study.ipynb")
    # The lake has moved on since: a rerun without pins would give other results.
    world.load("trials.patients", PATIENTS, "append")
    return path


@pytest.fixture
def study(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original, tmp_path / "study.ipynb"))


class Cli:
    """Calls the command line and keeps what it printed."""

    def __init__(self, capsys: pytest.CaptureFixture[str], lake: Path) -> None:
        self._capsys = capsys
        self._lake = lake
        self.out = self.err = ""

    def __call__(self, *arguments: object, user: str = "ana", session: bool = True) -> int:
        where = ["--lake", str(self._lake), "--user", user] if session else []
        status = main([str(a) for a in (*arguments, *where)])
        said = self._capsys.readouterr()
        self.out, self.err = said.out, said.err
        return status

    def verdicts(self) -> dict[str, str]:
        return {cell["cell"]: cell["verdict"] for cell in json.loads(self.out)["cells"]}

    def why(self, cell: str) -> str:
        return next(c["why"] for c in json.loads(self.out)["cells"] if c["cell"] == cell)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], world: World) -> Cli:
    return Cli(capsys, world.lake)


def edit(path: Path, change: Any) -> None:
    nb = json.loads(path.read_text())
    change(nb)
    path.write_text(json.dumps(nb))


def cell_of(nb: Any, name: str) -> Any:
    return next(cell for cell in nb["cells"] if cell["id"] == name)


def body_of(nb: Any, name: str) -> Any:
    return next(o["data"][STAMP_MIME] for o in cell_of(nb, name)["outputs"] if "data" in o)


# -- stamp -------------------------------------------------------------------------------------


def test_stamp_folds_once_and_leaves_the_rest_of_the_file(study: Path, cli: Cli) -> None:
    before = study.read_text()
    assert cli("stamp", study, "--check", session=False) == 1
    assert study.read_text() == before
    assert cli("stamp", study, session=False) == 0
    assert "3 stamped cells, folded" in cli.out
    folded = study.read_text()
    assert cli("stamp", study, session=False) == 0
    assert study.read_text() == folded
    assert cli("stamp", study, "--check", session=False) == 0
    # Nothing but the metadata differs from what Jupyter wrote.
    nb = json.loads(folded)
    for holder in (nb, *nb["cells"]):
        holder["metadata"].pop("jupyter_govdata", None)
    assert json.dumps(nb, indent=1, ensure_ascii=False) + "\n" == before


def test_stamp_keeps_mode_and_link_and_names_malformed_ones(
    study: Path, cli: Cli, tmp_path: Path
) -> None:
    edit(study, lambda nb: body_of(nb, "arms").update(wall="strong"))
    study.chmod(0o640)
    link = tmp_path / "link.ipynb"
    link.symlink_to(study)
    assert cli("stamp", link, session=False) == 0
    assert "cell `arms`" in cli.err
    assert link.is_symlink()
    assert study.stat().st_mode & 0o777 == 0o640
    assert stamped_cells(json.loads(study.read_text()))[2].stamps


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_stamp_in_a_read_only_folder_fails_whole(study: Path, cli: Cli) -> None:
    before = study.read_bytes()
    study.parent.chmod(0o500)
    try:
        assert cli("stamp", study, session=False) == 1
    finally:
        study.parent.chmod(0o700)
    assert study.read_bytes() == before
    assert list(study.parent.iterdir()) == [study]


def test_stamp_that_cannot_be_written_leaves_the_notebook(
    study: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = study.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert cli("stamp", study, session=False) == 1
    assert "No space left" in cli.err
    assert study.read_bytes() == before
    assert list(study.parent.iterdir()) == [study]


# -- pins, hold, release -----------------------------------------------------------------------


def test_pins_are_a_pin_file_with_what_is_newer(study: Path, cli: Cli, world: World) -> None:
    first = world.gateway.catalog.versions("trials.patients")[0].snapshot_id
    assert cli("pins", study, "--json") == 0
    told = json.loads(cli.out)
    assert Pins.from_wire(told) == Pins({"trials.patients": first})
    (pin,) = told["snapshots"]
    assert (pin["newer"], pin["kept"], pin["rows_added"]) == (1, "open", None)
    assert cli("pins", study, "--json", user="dina") == 0
    (pin,) = json.loads(cli.out)["snapshots"]
    assert (pin["newer"], pin["rows_added"]) == (1, PATIENTS.num_rows)
    assert cli("pins", study, user="dina") == 0
    assert "+40 rows" in " ".join(cli.out.split())
    assert str(first) in cli.out


def test_pins_offline_ask_nobody(study: Path, cli: Cli) -> None:
    assert cli("pins", study, "--json", "--offline", session=False) == 0
    assert Pins.from_wire(json.loads(cli.out)).assets


def test_pins_of_an_asset_hidden_from_me_say_no_more_than_missing(study: Path, cli: Cli) -> None:
    assert cli("pins", study, "--json", user="nobody") == 0
    (pin,) = json.loads(cli.out)["snapshots"]
    assert pin["kept"] == "refused"
    assert "does not exist or is not visible" in pin["said"]
    assert pin["made"] is None


def test_hold_by_the_notebook_and_release_by_name(study: Path, cli: Cli) -> None:
    assert cli("pins", study, "--hold", "5y", "--name", "paper-2026") == 0
    assert "held until" in " ".join(cli.out.split())
    assert cli("release", "paper-2026") == 0
    assert "not held any more" in cli.out
    assert cli("release", "paper-2026", "--json") == 1
    assert json.loads(cli.out) == {"released": []}
    assert cli("pins", study, "--hold", "5y") == 1
    assert cli("pins", study, "--hold", "soon", "--name", "x") == 1


def test_hold_that_is_refused_is_named(study: Path, cli: Cli) -> None:
    assert cli("pins", study, "--hold", "5y", "--name", "x", user="nobody") == 1
    assert "not held" in cli.err


def test_hold_one_snapshot_until_a_day(cli: Cli, world: World) -> None:
    first = world.gateway.catalog.versions("trials.patients")[0].snapshot_id
    assert cli("hold", "trials.patients", first, "--until", "2031-01-31", "--name", "d") == 0
    assert "2031-01-31 00:00 UTC" in cli.out
    assert cli("release", "d", "--asset", "trials.patients") == 0


def test_notebook_without_stamps_says_so(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "empty.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), path)
    assert cli("pins", path) == 3
    assert cli("verify", path, "--json") == 0
    assert "no stamps" in cli.err
    assert cli("stamp", path, "--check", session=False) == 0


# -- verify, without a run ---------------------------------------------------------------------


def test_reviewer_with_the_key_alone_verifies(study: Path, cli: Cli, world: World) -> None:
    (key,) = (world.lake / "keys" / "public").glob("*.pem")
    assert cli("verify", study, "--key", key, "--json", session=False) == 0
    assert cli.verdicts() == {
        "load": "not governed",
        "arms": "intact",
        "line": "intact",
        "noisy": "intact",
        "python": "not governed",
    }


def test_reader_with_access_verifies_with_the_lakes_keys(study: Path, cli: Cli) -> None:
    assert cli("verify", study, "--json") == 0
    assert cli.verdicts()["arms"] == "intact"
    assert cli("verify", study, "--json", user="dina") == 0
    notes = next(c["notes"] for c in json.loads(cli.out)["cells"] if c["cell"] == "arms")
    assert "you (`dina`) may see other rows" in notes[0]
    assert cli("verify", study, "--json", user="nobody") == 3
    assert cli.why("arms").startswith("permission: asset `trials.patients` does not exist")


def test_key_of_another_lake_verifies_nothing(study: Path, cli: Cli, tmp_path: Path) -> None:
    other = make_world(tmp_path)
    try:
        (key,) = (other.lake / "keys" / "public").glob("*.pem")
        assert cli("verify", study, "--key", key, "--json", session=False) == 3
        assert "another lake" in cli.why("arms")
        assert Cli(cli._capsys, other.lake)("verify", study, "--json") == 3
    finally:
        other.close()


def test_key_that_was_rotated_verifies_until_it_is_removed(tmp_path: Path, cli: Cli) -> None:
    world = make_world(tmp_path / "w")
    with connect(world.lake, user="ana") as session:
        cell = query_cell(ARMS, session.sql(ARMS).stamp, id="arms")
    nbformat.write(notebook(cell), path := tmp_path / "old.ipynb")
    old = world.gateway.signer.key_id
    world.close()
    keys = world.lake / "keys"
    (keys / "signing.key").unlink()
    again = Gateway(GatewayConfig(lake=world.lake))
    rotated = World(again, Server(again), world.lake)
    try:
        write_run_file(rotated.lake, rotated.server.address)
        assert again.signer.key_id != old
        mine = Cli(cli._capsys, rotated.lake)
        assert mine("verify", path, "--json") == 0
        assert mine.verdicts() == {"arms": "intact"}
    finally:
        rotated.close()
    (keys / "public" / f"{old}.pem").unlink()
    key = next((keys / "public").glob("*.pem"))
    assert mine("verify", path, "--key", key, "--json", session=False) == 3
    assert old in mine.why("arms")


@pytest.mark.parametrize(
    ("change", "status", "verdict"),
    [
        (lambda nb: body_of(nb, "arms")["receipts"][0].update(principal="dina"), 4, "forged"),
        (lambda nb: body_of(nb, "arms").update(wall="strong"), 4, "forged"),
        (lambda nb: cell_of(nb, "arms").update(source="%%govsql\nSELECT 2"), 1, "different"),
        (lambda nb: cell_of(nb, "arms").update(outputs=[]), 3, "not replayable"),
        (lambda nb: cell_of(nb, "arms").update(id="line"), 0, None),
    ],
)
def test_edited_notebook_is_found_out(
    study: Path, cli: Cli, world: World, change: Any, status: int, verdict: str | None
) -> None:
    edit(study, change)
    (key,) = (world.lake / "keys" / "public").glob("*.pem")
    assert cli("verify", study, "--key", key, "--json", session=False) == status
    if verdict is not None:
        assert cli.verdicts()["arms"] == verdict


def test_notebook_of_format_4_4_verifies_by_place(study: Path, cli: Cli) -> None:
    def older(nb: Any) -> None:
        nb["nbformat_minor"] = 4
        for cell in nb["cells"]:
            del cell["id"]

    edit(study, older)
    assert cli("verify", study, "--json") == 0
    assert cli.verdicts()["#1"] == "intact"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nbformat": 3}'])
def test_file_that_is_no_notebook_is_wrong_usage(tmp_path: Path, cli: Cli, content: str) -> None:
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    assert cli("verify", path) == 2
    assert "not a notebook" in cli.err
    assert cli("verify", tmp_path / "missing.ipynb") == 2
    assert cli("verify", path, "--tolerance", "1e-9") == 2
    assert cli("verify", path, "--key", path, session=False) == 2


def test_table_and_junit_name_every_cell(study: Path, cli: Cli, tmp_path: Path) -> None:
    edit(study, lambda nb: body_of(nb, "noisy")["receipts"][0].update(epoch=0))
    report = tmp_path / "report.xml"
    assert cli("verify", study, "--junit", report) == 4
    assert "forged" in cli.out
    assert "2 intact" in cli.out
    suite = ElementTree.parse(report).getroot()
    outcomes = {case.get("name"): [e.tag for e in case] for case in suite}
    assert outcomes == {
        "cell load": ["skipped"],
        "cell arms": [],
        "cell line": [],
        "cell noisy": ["failure"],
        "cell python": ["skipped"],
    }
    assert (suite.get("tests"), suite.get("failures")) == ("5", "1")
    assert cli("verify", study, "--junit", tmp_path / "no" / "such.xml") == 2


# -- verify, with a run ------------------------------------------------------------------------


def test_run_on_pinned_data_is_exact_and_noise_is_within_its_tolerance(
    study: Path, cli: Cli
) -> None:
    before = study.read_bytes()
    assert cli("verify", study, "--run", "--json") == 1
    found = cli.verdicts()
    assert (found["arms"], found["line"], found["noisy"]) == ("exact", "exact", "different")
    assert cli("verify", study, "--run", "--tolerance", "1e-6", "--json") == 0
    assert cli.verdicts()["noisy"] == "within tolerance"
    assert study.read_bytes() == before
    assert list(study.parent.iterdir()) == [study]


def test_run_finds_forged_digests_and_left_out_receipts(study: Path, cli: Cli) -> None:
    def forge(nb: Any) -> None:
        body_of(nb, "arms")["result_digest"] = "v1:" + "0" * 64
        body_of(nb, "line").update(receipts=[], pins={})
        body_of(nb, "noisy").update(parameters_digest="0" * 64)

    edit(study, forge)
    assert cli("verify", study, "--run", "--json") == 1
    found = cli.verdicts()
    assert {found[name] for name in ("arms", "line", "noisy")} == {"different"}
    assert "no receipt" in cli.why("line")


def test_consent_withdrawn_since_is_named_as_permission(tmp_path: Path, cli: Cli) -> None:
    """The one thing that must not happen is that rows are missing and nobody says why."""
    world = make_world(tmp_path / "w")
    try:
        cells = {"load": CELLS["load"], "count": "%govsql SELECT count(*) FROM trials.patients"}
        path = execute(world.lake, "miko", cells, tmp_path / "consent.ipynb")
        mine = Cli(cli._capsys, world.lake)
        dina = world.connect("dina")
        data = {"domain": "T:patient", "subject": "P002", "purpose": "model_training"}
        dina.act("consent", {**data, "status": "withdrawn", "source": "letter"})
        assert mine("verify", path, "--run", "--json", user="miko") == 1
        assert mine.verdicts()["count"] == "different"
        assert "permission" in mine.why("count")
    finally:
        world.close()


def test_access_withdrawn_expired_or_dropped_since_is_not_replayable(
    tmp_path: Path, cli: Cli
) -> None:
    world = make_world(tmp_path / "w")
    try:
        world.load("trials.wide", pa.table({"x": [1]}))
        cells = {
            "load": CELLS["load"],
            "wide": "%govsql SELECT * FROM trials.wide",
            "mine": "%govsql SELECT count(*) FROM trials.patients",
        }
        path = execute(world.lake, "ana", cells, tmp_path / "gone.ipynb")
        mine = Cli(cli._capsys, world.lake)
        world.load("trials.wide", pa.table({"x": [2]}), "overwrite")
        later = world.gateway.catalog.versions("trials.wide")[-1].committed_at
        assert world.gateway.catalog.expire("trials.wide", later) == 1
        assert mine("verify", path, "--json") == 3
        assert "not kept any more" in mine.why("wide")
        assert mine.verdicts()["mine"] == "intact"
        assert mine("pins", path, "--json") == 0
        kept = {p["asset"]: p["kept"] for p in json.loads(mine.out)["snapshots"]}
        assert kept["trials.wide"] == "expired"
        assert mine("verify", path, "--run", "--json") == 3
        assert "snapshot" in mine.why("wide")
        world.apply(policies=POLICIES.replace('Group::"clinical"', 'Group::"ml"'))
        assert mine("verify", path, "--run", "--json") == 3
        assert set(mine.verdicts().values()) == {"not governed", "not replayable"}
        assert mine("verify", path, "--json") == 3
        assert mine.why("mine").startswith("permission: ")
        world.gateway.catalog.drop("trials.wide")
        assert mine("verify", path, "--json") == 3
        assert mine.verdicts()["wide"] == "not replayable"
    finally:
        world.close()
