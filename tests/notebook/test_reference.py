"""The examples of the magics' reference run; its tables are complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jupyter_govdata.notebook.settings import GovSql
from jupyter_govdata.query.cell import SqlArguments
from tests.notebook.conftest import Notebook

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "magics.md"
TEXT = PAGE.read_text("utf-8")


def test_examples_run_one_after_the_other(
    bare: Notebook, demo_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "demo-lake").symlink_to(demo_lake)
    monkeypatch.chdir(tmp_path)
    cells = re.findall(r"^```ipython\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert len(cells) > 5
    for cell in cells:
        ran = bare.run(cell)
        assert ran.success, f"{cell}\n{ran.text}"


def test_options_are_documented() -> None:
    fields = set(SqlArguments.__dataclass_fields__) - {"rest", "name"}
    options = {f"--{field.replace('_', '-')}" for field in fields} | {"-o", "NAME <<"}
    assert not {o for o in options if not re.search(rf"^\| `{o}[ `]|^\| `{o}`", TEXT, re.MULTILINE)}


def test_settings_are_documented() -> None:
    shown = re.findall(r"^\| `(\w+)` \|.*\|.*\|$", TEXT.partition("## Settings")[2], re.MULTILINE)
    assert set(shown) == set(GovSql.class_trait_names(config=True))
