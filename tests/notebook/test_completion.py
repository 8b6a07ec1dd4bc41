"""Completion in a real IPython shell over a real gateway."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter

from jupyter_govdata.notebook import known
from jupyter_govdata.session import Session, connect
from tests.notebook.conftest import Notebook
from tests.session.conftest import build

PATIENTS = "trials.patients"


def complete(notebook: Notebook, text: str) -> list[tuple[str, str]]:
    """Complete at the ``|``, or at the end."""
    place = text.index("|") if "|" in text else len(text)
    with provisionalcompleter():
        found = notebook.shell.Completer.completions(text.replace("|", "", 1), place)
        return [(c.text, c.type.replace("\u00a0", " ")) for c in found]


def texts(notebook: Notebook, text: str) -> list[str]:
    return [name for name, _ in complete(notebook, text)]


def wait_for(notebook: Notebook, text: str, wanted: str) -> list[tuple[str, str]]:
    """Complete until `wanted` is proposed: badges come when the gateway said so."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = complete(notebook, text)
        if wanted in [kind for _, kind in found]:
            return found
    raise AssertionError(f"{wanted!r} never came: {found}")


def test_completion_of_assets_has_badges(notebook: Notebook) -> None:
    found = dict(wait_for(notebook, "%%govsql\nFROM trials.", "asset · masked"))
    assert found == {"patients": "asset · masked", "wide": "asset"}


def test_completion_of_columns_says_type_and_mask(notebook: Notebook) -> None:
    found = dict(complete(notebook, f"%%govsql\nSELECT p.| FROM {PATIENTS} p"))
    assert found["patient"] == "string · pseudonymised"
    assert found["birth"] == "date · masked: year"
    assert found["age"] == "long"


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("%%govsql\nFROM |", "hidden"),
        ("%%govsql\nFROM trials.|", "hidden"),
        ("%%govsql\nFROM trials.hid|", "hidden"),
        ("%%govsql\nFROM hid|", "hidden"),
        ("%%govsql\nFROM gov|", "governance"),
        (f"%%govsql\nSELECT | FROM {PATIENTS}", "secret"),
        (f"%%govsql\nSELECT p.sec| FROM {PATIENTS} p", "secret"),
        ("%%govsql\nSELECT h.| FROM trials.hidden h", ""),
        ("%%govsql\nFROM trials.hidden AT (VERSION => |", ""),
        ("%govdata describe trials.h|", "hidden"),
        ("%govdata ls g|", "governance"),
    ],
)
def test_completion_never_proposes_what_may_not_be_discovered(
    notebook: Notebook, text: str, never: str
) -> None:
    found = texts(notebook, text)
    assert not [name for name in found if never in name]


def test_completion_in_lines_and_on_the_head_line(notebook: Notebook) -> None:
    assert "study" in texts(notebook, f"%govsql SELECT stu| FROM {PATIENTS}")
    assert "study" in texts(notebook, f"x = %govsql SELECT stu| FROM {PATIENTS}")
    assert "study" in texts(notebook, f"%%govsql x << SELECT stu| FROM {PATIENTS}")
    assert "study" in texts(notebook, f"%%govsql x << SELECT stu|\nFROM {PATIENTS}")
    assert "study" in texts(notebook, f"%%time\n%%govsql --limit 3\nSELECT stu| FROM {PATIENTS}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%%govsql --pu|", ["--purpose"]),
        ("%%govsql x << --to p|", ["pandas", "polars"]),
        ("%%govsql --purpose |", ["marketing", "model_training", "research"]),
        ("%%govsql --purpose=mar|", ["marketing"]),
        ("%%govsql --session |", ["main"]),
        ("%govsql --purpose |", ["marketing", "model_training", "research"]),
        ("%govdata desc|", ["describe"]),
        ("%govdata describe trials.w|", ["trials.wide"]),
        ("%govdata explain trials.w|", ["trials.wide"]),
        ("%govdata purpose m|", ["marketing", "model_training"]),
        ("%govdata ls t|", ["trials"]),
        ("%govdata preview trials.wide --r|", ["--rows"]),
        ("%govdata preview trials.wide trials.|", []),
    ],
)
def test_completion_of_options_and_commands(
    notebook: Notebook, text: str, expected: list[str]
) -> None:
    assert texts(notebook, text) == expected


def test_completion_follows_the_purpose_of_the_cell(notebook: Notebook) -> None:
    query = f"\nSELECT p.| FROM {PATIENTS} p"
    assert "age" in texts(notebook, f"%%govsql{query}")
    assert texts(notebook, f"%%govsql --purpose marketing{query}") == []


def test_completion_knows_frames_results_and_variables(notebook: Notebook) -> None:
    notebook.run("import pandas as pd\nfrom decimal import Decimal")
    notebook.run("cohort = pd.DataFrame({'arm': ['A'], 'big name': [1.5]})\nlimit = Decimal(3)")
    notebook.run(f"%%govsql young <<\nSELECT age AS years FROM {PATIENTS}")
    tables = dict(complete(notebook, "%%govsql\nFROM |"))
    assert (tables["cohort"], tables["young"]) == ("DataFrame", "result")
    found = dict(complete(notebook, "%%govsql\nSELECT c.| FROM cohort c"))
    assert list(found) == ["arm", '"big name"']
    assert found['"big name"'] == "float64"
    assert texts(notebook, "%%govsql\nSELECT y.| FROM young y") == ["years"]
    assert texts(notebook, "%%govsql\nFROM cohort WHERE arm = $lim|") == ["limit"]
    assert "In" not in texts(notebook, "%%govsql\nSELECT $|")


def test_completion_of_versions(notebook: Notebook) -> None:
    ((snapshot, text),) = complete(notebook, f"%%govsql\nFROM {PATIENTS} AT (VERSION => |)")
    versions = notebook.run(f"%govdata versions {PATIENTS}").result
    assert snapshot in repr(versions)
    assert "append" in text


def test_completion_in_sql_proposes_no_python(notebook: Notebook) -> None:
    notebook.run("trials_of_mine = 1")
    assert texts(notebook, "%%govsql\n-- tri|") == []
    assert texts(notebook, "%%govsql\nSELECT 'tri|'") == []
    assert "trials_of_mine" not in texts(notebook, "%%govsql\nFROM tri|")
    assert "trials_of_mine" in texts(notebook, "trials_of|")
    assert "int" in texts(notebook, "in|")


def test_completion_without_a_session_opens_none(bare: Notebook) -> None:
    assert not any(kind.startswith("asset") for _, kind in complete(bare, "%%govsql\nFROM tri|"))
    assert texts(bare, "%%govsql\nsel|")[0] == "select"
    assert not bare.shell.magics_manager.registry["GovDataMagics"].is_connected


def test_completion_after_unload_is_gone(notebook: Notebook) -> None:
    notebook.run("%unload_ext jupyter_govdata")
    assert not any(kind.startswith("asset") for _, kind in complete(notebook, "%%govsql\nFROM tr|"))


def test_completion_that_fails_shows_nothing(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Odd:
        """A frame whose columns cannot be listed."""

        __arrow_c_stream__ = None

        @property
        def columns(self) -> list[str]:
            raise RuntimeError("boom")

    notebook.shell.user_ns["odd"] = Odd()
    assert not any(
        kind == "column" for _, kind in complete(notebook, "%%govsql\nSELECT | FROM odd")
    )
    assert "boom" not in "".join(capsys.readouterr())


def test_completion_follows_a_policy_that_changes(
    bare: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_CONFIRMED_SECONDS", 0.0)
    lake = build(tmp_path)
    bare.run(f"%govdata connect {lake} --as ana")
    assert "patients" in texts(bare, "%%govsql\nFROM trials.|")
    assert "age" in texts(bare, f"%%govsql\nSELECT p.| FROM {PATIENTS} p")
    policies = tmp_path / "source" / "policies" / "all.cedar"
    policies.write_text(policies.read_text().replace('Group::"clinical"', 'Group::"ml"'))
    with connect(lake, user="dina") as dina:
        dina.apply(tmp_path / "source")
    assert texts(bare, "%%govsql\nFROM trials.|") == ["wide"]
    assert texts(bare, f"%%govsql\nSELECT p.| FROM {PATIENTS} p") == []


def test_completion_with_a_gateway_that_hangs_waits_a_moment_and_proposes_nothing_governed(
    bare: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "_CONFIRMED_SECONDS", 0.0)
    lake = build(tmp_path)
    bare.run(f"%govdata connect {lake} --as ana")
    assert "patients" in texts(bare, "%%govsql\nFROM trials.|")
    gateway = int((lake / "run" / "gateway.lock").read_text())
    os.kill(gateway, signal.SIGSTOP)
    try:
        assert texts(bare, "%%govsql\nFROM trials.|") == []
        assert texts(bare, "%%govsql\nsel|")[0] == "select"
        magics = bare.shell.magics_manager.registry["GovDataMagics"]
        shown = known.shown_to(magics.session)
        assert not shown.begin()
        assert shown.waits < known.WAIT_SECONDS  # it is not waited for with every key
    finally:
        os.kill(gateway, signal.SIGCONT)
    bare.run(f"%govsql SELECT count(*) FROM {PATIENTS}")


def test_answers_are_asked_for_once_and_failures_are_no_answers() -> None:
    answers = known.Answers()
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        return 7

    def fail() -> int:
        asked.append(2)
        raise OSError

    until = time.monotonic() + 20
    assert [answers.get("a", ask, until) for _ in range(3)] == [7, 7, 7]
    assert [answers.get("b", fail, until) for _ in range(3)] == [None, None, None]
    assert asked == [1, 2]


def test_known_types_of_a_card_are_those_of_sql(shared_lake: Path) -> None:
    with connect(shared_lake, user="ana") as session:
        assert isinstance(session, Session)
        shown = known.shown_to(session)
        assert shown.begin()
        kinds = {c.name: c.kind for c in shown.columns(PATIENTS)}
        assert not [kind for kind in kinds.values() if "[" in kind]
