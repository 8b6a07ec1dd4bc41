"""A pytest plugin: how many attacks were tried and refused, for `docs/evidence.md`."""

from __future__ import annotations

import pytest

from tests.evidence import record

ATTACK = "attack"


class Counting:
    """Counts tests with the mark, by number and surface, from the reports of all workers."""

    def __init__(self) -> None:
        self._bad: set[str] = set()
        self._tried: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a test's attacks, and whether it failed in any phase."""
        attacks = {str(value) for name, value in report.user_properties if name == ATTACK}
        if not attacks:
            return
        if report.failed:
            self._bad.add(report.nodeid)
        if report.when == "call" and not report.skipped:
            self._tried[report.nodeid] = attacks

    def pytest_sessionfinish(self) -> None:
        """Record what was counted."""
        if not self._tried:
            return
        every = {attack for attacks in self._tried.values() for attack in attacks}
        lost = {attack for test in self._bad for attack in self._tried.get(test, ())}
        numbers = {attack.split()[0] for attack in every}
        command = "make test-all ARGS='-m attack'"
        record(
            "attacks",
            [
                {
                    "what": "attacks of the list refused or given governed rows only",
                    "count": len(numbers - {attack.split()[0] for attack in lost}),
                    "of": len(numbers),
                    "command": command,
                },
                {
                    "what": "ways of attack (number and surface) held",
                    "count": len(every - lost),
                    "of": len(every),
                    "conditions": f"{len(self._tried)} tests",
                    "command": command,
                },
            ],
        )


def pytest_configure(config: pytest.Config) -> None:
    """Count once, in the process that others report to."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Counting(), "attack-counting")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let reports carry the attacks of their test."""
    for item in items:
        for mark in item.iter_markers(ATTACK):
            item.user_properties += [
                (ATTACK, f"{number} {mark.kwargs['surface']}") for number in mark.args
            ]
