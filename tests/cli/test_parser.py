"""The command line as it is parsed."""

from __future__ import annotations

import argparse

import pytest

from jupyter_govdata.cli import COMMANDS, parser

LINES = {
    "init": ["d"],
    "serve": ["--lake", "d"],
    "demo": ["--run"],
    "load": ["a.csv", "--into", "a.b"],
    "ls": [],
    "describe": ["a.b"],
    "versions": ["a.b"],
    "explain": ["a.b", "--as", "ana"],
    "sql": ["SELECT 1", "-p", "a=1"],
    "apply": ["--dry-run"],
    "consent": ["given", "d", "1", "--for", "research"],
    "audit": ["--limit", "3"],
    "export": ["a.ipynb", "--to", "prov"],
    "report": ["a.ipynb", "--no-code"],
    "diff": ["a.ipynb", "b.ipynb", "--json"],
}


def options_of(command: str) -> argparse.ArgumentParser:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return action.choices[command]  # type: ignore[no-any-return]
    raise AssertionError(command)


@pytest.mark.parametrize("command", LINES)
def test_command_parses_to_the_function_that_runs_it(command: str) -> None:
    """No option may take the name `run`, which holds the function."""
    options = parser().parse_args([command, *LINES[command]])
    assert callable(options.run)
    assert "run" not in {action.dest for action in options_of(command)._actions}


def test_command_without_arguments_it_needs_exits_with_two(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(["load", "a.csv"])
    assert left.value.code == 2
    assert "--into" in capsys.readouterr().err


@pytest.mark.parametrize("module", sorted(COMMANDS))
def test_table_of_commands_names_those_of_the_module(module: str) -> None:
    (choices,) = (a.choices for a in parser(module)._actions if isinstance(a.choices, dict))
    assert tuple(choices) == COMMANDS[module]
