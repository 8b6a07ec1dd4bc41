"""The documentation is held to the code: complete, linked, and its examples run."""

from __future__ import annotations

import argparse
import dataclasses
import re
import tomllib
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jupyter_govdata import config
from jupyter_govdata.cli import parser
from jupyter_govdata.formats.opening import SUFFIXES
from jupyter_govdata.formats.registry import BUILT_IN
from jupyter_govdata.formats.text import MARKERS
from jupyter_govdata.model.decision import ACTIONS as POLICY_ACTIONS
from jupyter_govdata.model.decision import MASK_KINDS
from jupyter_govdata.notebook.arguments import govdata_commands
from jupyter_govdata.query.cell import SqlArguments, parse_sql_line
from jupyter_govdata.session import Session

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FORBIDDEN = re.compile(r"\b(simply|just|obviously|easy|easily|trivial(ly)?)\b", re.IGNORECASE)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def section(page: str, heading: str) -> str:
    """Return the text below a heading of level 2, its own subsections included."""
    text = (REFERENCE / page).read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/{page} has no section `{heading}`"
    return found[1]


# -- completeness --------------------------------------------------------------------------------


def choices(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no commands")


def commands() -> dict[str, argparse.ArgumentParser]:
    return choices(parser())


SHARED = {"--lake", "--user", "--purpose"}


@pytest.mark.parametrize("command", sorted(commands()))
def test_command_is_documented_with_every_option(command: str) -> None:
    text = section("cli.md", command)
    shared = section("cli.md", "Options of every command that opens a session")
    missing = []
    for action in commands()[command]._actions:
        for option in action.option_strings:
            if option in ("-h", "--help") or (option in SHARED and f"`{option} " in shared):
                continue
            if not re.search(rf"`[^`]*{re.escape(option)}\b", text):
                missing.append(option)
        if not action.option_strings and action.metavar:
            missing += [] if str(action.metavar) in text else [str(action.metavar)]
    assert not missing, f"not in docs/reference/cli.md, `{command}`: {missing}"


def test_commands_in_the_reference_exist() -> None:
    text = (REFERENCE / "cli.md").read_text("utf-8")
    named = set(re.findall(r"^## ([a-z]+)$", text, re.MULTILINE))
    assert named == set(commands())


def test_magic_commands_are_documented_with_every_option() -> None:
    rows = re.findall(r"^\| `(\w+)([^`]*)` \|", section("magics.md", "%govdata"), re.MULTILINE)
    shown = dict(rows)
    real = {usage.split()[1]: usage for usage, _ in govdata_commands()}
    assert set(shown) == set(real)
    for name, usage in real.items():
        missing = [o for o in re.findall(r"--[a-z]+", usage) if o not in shown[name]]
        assert not missing, f"`%govdata {name}` does not show {missing}"


def test_sql_magic_options_are_documented() -> None:
    text = section("magics.md", "%%govsql")
    line = "name << --purpose research --limit 3"
    assert parse_sql_line(line) == SqlArguments("", "name", "research", 3)
    assert all(f"`{part}" in text for part in ("NAME <<", "--purpose P", "--limit N"))


def settings_of(kind: Any) -> Iterator[str]:
    for field in dataclasses.fields(kind):
        yield field.name


@pytest.mark.parametrize(
    "kind",
    [config.GatewayConfig, config.TlsConfig, config.OidcConfig, config.HubConfig, config.Limits],
)
def test_setting_is_documented(kind: Any) -> None:
    text = section("settings.md", "Gateway: the file of `jupyter govdata serve --config FILE`")
    missing = [s for s in settings_of(kind) if f"`{s}`" not in text and f"`[{s}]`" not in text]
    assert not missing, f"not in docs/reference/settings.md: {missing}"


@pytest.mark.parametrize("kind", [config.StorageConfig, config.StsConfig, config.CredentialsConfig])
def test_storage_setting_is_documented(kind: Any) -> None:
    text = section("storage.md", "Settings")
    assert not [s for s in settings_of(kind) if f"`{s}`" not in text]


def test_storage_example_is_read_as_it_stands() -> None:
    text = (REFERENCE / "storage.md").read_text("utf-8")
    [example] = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = config.read_storages(tomllib.loads(example)["storage"])
    types = {name: one.type for name, one in found.items()}
    assert types == {"slides": "local", "trials": "s3", "tables": "s3"}


def test_environment_variables_are_documented() -> None:
    source = (ROOT / "jupyter_govdata").rglob("*.py")
    used = {v for p in source for v in re.findall(r"\bGOVDATA_[A-Z_]+\b", p.read_text("utf-8"))}
    text = (REFERENCE / "settings.md").read_text("utf-8")
    assert not {v for v in used if f"`{v}`" not in text}


def test_protocol_actions_are_documented() -> None:
    from jupyter_govdata.gateway.actions import ACTIONS

    text = section("wire.md", "Actions")
    named = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert named == set(ACTIONS)


def test_formats_are_documented_with_their_suffixes() -> None:
    text = (REFERENCE / "formats.md").read_text("utf-8")
    shown = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]*) \|", text, re.MULTILINE))
    assert {name: set(re.findall(r"`([^`]+)`", found)) for name, found in shown.items()} == {
        form.name: set(form.suffixes) for form in BUILT_IN
    }
    assert all(f"`{text_}`" in " ".join(text.split()) for text_ in (*MARKERS, *SUFFIXES))


def test_policy_words_are_documented() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", section("policy.md", "Actions"), re.MULTILINE)) == set(
        POLICY_ACTIONS
    )
    masks = re.findall(r'^\| `@mask\("(\w+)', section("policy.md", "Masks"), re.MULTILINE)
    # The order is the rule: of two masks the one higher in the table counts.
    assert masks == list(MASK_KINDS)


def test_decision_records_are_listed() -> None:
    text = (ROOT / "docs" / "adr" / "README.md").read_text("utf-8")
    for record in (ROOT / "docs" / "adr").glob("0*.md"):
        assert f"]({record.name})" in text
        title = record.read_text("utf-8").splitlines()[0]
        assert title.startswith(f"# {record.name[:4]} ")


# -- form ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_says_how_without_calling_it_easy(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    found = [
        f"{name_of(page)}:{n}: {line}" for n, line in enumerate(lines, 1) if FORBIDDEN.search(line)
    ]
    assert not found, "\n".join(found)


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings)
    return set(plain)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_links_resolve(page: Path) -> None:
    text = page.read_text("utf-8")
    broken = []
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file.read_text("utf-8"))):
            broken.append(target)
    assert not broken, f"{name_of(page)}: {broken}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_names_modules_that_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    paths = re.findall(
        r"`((?:jupyter_govdata|tests|docs|benchmarks|example_notebooks)/[\w./-]+)`", text
    )
    missing = [p for p in paths if not (ROOT / p).exists()]
    assert not missing, f"{name_of(page)}: {missing}"


# -- examples ------------------------------------------------------------------------------------


def blocks(language: str) -> list[Any]:
    return [
        pytest.param(body, id=f"{name_of(page)}-{n}")
        for page in PAGES
        for n, (found, body) in enumerate(BLOCK.findall(page.read_text("utf-8")))
        if found == language
    ]


@pytest.fixture
def in_demo_folder(demo_lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which the examples' `demo-lake` is the demo lake."""
    (tmp_path / "demo-lake").symlink_to(demo_lake)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("body", blocks("python"))
def test_python_example_runs(body: str, in_demo_folder: Path) -> None:
    exec(compile(body, "example", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("body", blocks("sql"))
def test_sql_example_prints_what_it_says(body: str, in_demo_folder: Path) -> None:
    """An SQL block may end in comment lines `-- `: the answer, as text."""
    import jupyter_govdata as gd

    answer = [line.removeprefix("-- ") for line in body.splitlines() if line.startswith("-- ")]
    query = "\n".join(line for line in body.splitlines() if not line.startswith("-- "))
    with gd.connect("demo-lake", user="ana", purpose="research") as session:
        shown = str(session.sql(query))
    for line in answer:
        assert line.strip() in shown


@pytest.mark.parametrize("body", blocks("toml"))
def test_toml_example_is_a_valid_gateway_file(
    body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVDATA_DB_PASSWORD", "x")
    file = tmp_path / "gateway.toml"
    file.write_text(body, "utf-8")
    assert config.read_gateway_config(file).lake


def test_session_signatures_in_the_reference_are_the_real_ones() -> None:
    text = section("python.md", "Session")
    for name in ("sql", "scan", "explain", "consent", "audit", "apply"):
        shown = re.search(rf"`{name}\(([^`]*)\)`", text)
        assert shown, name
        names = [p.split("=")[0].strip() for p in shown[1].split(",") if p.strip() != "*"]
        hints = [p for p in typing.get_type_hints(getattr(Session, name)) if p != "return"]
        assert names == hints


def test_readme_says_what_others_see(in_demo_folder: Path) -> None:
    import jupyter_govdata as gd

    text = (ROOT / "README.md").read_text("utf-8")
    query = next(body for language, body in BLOCK.findall(text) if language == "sql")
    said = " ".join(text.split()).replace("`` ", "``")
    with gd.connect("demo-lake", user="dina") as session:
        counts = [row["patients"] for row in session.sql(query)]
        assert "`dina`, the data steward: {}, {} and {} patients".format(*counts) in said
    for user, purpose in (("miko", None), ("ana", "commercial")):
        with gd.connect("demo-lake", user=user) as session, pytest.raises(gd.RefusalError) as no:
            session.sql(query, purpose=purpose)
        assert f"``{no.value.message}" in said


def test_attack_numbers_in_tests_are_explained_in_the_threat_model() -> None:
    used = {
        number
        for file in (ROOT / "tests").rglob("test_*.py")
        for docstring in re.findall(r'"""(.*?)"""', file.read_text(encoding="utf-8"), re.DOTALL)
        for number in re.findall(r"\bT\d\d\b(?!:)", docstring)
    }
    text = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")
    assert used
    assert sorted(n for n in used if f"| {n} |" not in text) == []
