"""Calls off the event loop: few threads, few that wait, a time for each, and an end for all."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_govdata.errors import BusyError, GovDataError, LimitError
from jupyter_govdata.server.preview import preview
from jupyter_govdata.server.work import Stop, Workers, apart
from jupyter_govdata.session import Session
from tests.server.jupyter import ROOT


class Gate:
    """Work that waits until it is let through, and counts who came."""

    def __init__(self) -> None:
        self._came = threading.Semaphore(0)
        self._open = threading.Event()
        self.names: list[str] = []

    def work(self, name: str) -> Callable[[Stop], str]:
        def wait(_: Stop) -> str:
            self.names.append(name)
            self._came.release()
            self._open.wait()
            return name

        return wait

    async def came(self, count: int) -> None:
        for _ in range(count):
            await asyncio.to_thread(self._came.acquire)

    def open(self) -> None:
        self._open.set()


async def _turn() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.attack("T82", surface="rest")
def test_pool_runs_few_lets_few_wait_and_refuses_the_rest() -> None:
    async def story() -> None:
        gate, workers = Gate(), Workers(threads=2, waiting=1)
        asked = [asyncio.create_task(workers.run(gate.work(name))) for name in "abc"]
        await gate.came(2)
        assert gate.names == ["a", "b"]
        with pytest.raises(BusyError, match="too many"):
            await workers.run(gate.work("d"))
        gate.open()
        assert await asyncio.gather(*asked) == ["a", "b", "c"]
        assert await workers.run(lambda _: "e") == "e"
        assert gate.names == ["a", "b", "c"]
        workers.close()

    asyncio.run(story())


def test_pool_begins_no_more_threads_than_it_needs_and_may() -> None:
    async def story() -> None:
        names = set()
        workers = Workers(threads=20, waiting=100)

        def note(_: Stop) -> None:
            names.add(threading.get_ident())

        for _ in range(100):
            await workers.run(note)
        assert len(names) < 20  # the next call may come before a thread says that it is free
        await asyncio.gather(*(workers.run(note) for _ in range(100)))
        assert len(names) <= 20
        workers.close()

    asyncio.run(story())


def test_work_that_takes_too_long_is_refused_and_told_to_stop() -> None:
    async def story() -> None:
        told, workers = threading.Event(), Workers(threads=1)

        def endless(stop: Stop) -> None:
            stop.then(told.set)
            told.wait()

        with pytest.raises(LimitError, match="took too long"):
            await workers.run(endless, seconds=0.01)
        assert told.is_set()
        # Its thread is free again.
        assert await workers.run(lambda stop: stop.stopped) is False
        workers.close()

    asyncio.run(story())


def test_work_that_waits_and_is_given_up_is_never_begun() -> None:
    async def story() -> None:
        gate, workers = Gate(), Workers(threads=1)
        first = asyncio.create_task(workers.run(gate.work("first")))
        await gate.came(1)
        second = asyncio.create_task(workers.run(gate.work("second")))
        third = asyncio.create_task(workers.run(gate.work("third")))
        await _turn()
        second.cancel()
        await asyncio.wait([second])
        gate.open()
        assert (await first, await third) == ("first", "third")
        assert second.cancelled()
        assert gate.names == ["first", "third"]
        workers.close()

    asyncio.run(story())


def test_calls_that_run_on_keep_nobody_waiting_and_are_few() -> None:
    async def story() -> None:
        gate, workers = Gate(), Workers(threads=1, spare=2)

        async def give_up(name: str) -> None:
            given_up = asyncio.create_task(workers.run(gate.work(name)))
            await gate.came(1)
            given_up.cancel()
            await asyncio.wait([given_up])

        await give_up("first")
        assert await workers.run(lambda _: "second") == "second"
        await give_up("third")
        await give_up("fourth")  # one too many: it keeps its thread
        last = asyncio.create_task(workers.run(gate.work("last")))
        await _turn()
        assert gate.names == ["first", "third", "fourth"]
        gate.open()
        assert await last == "last"
        assert await asyncio.gather(*(workers.run(lambda _: 1) for _ in range(3))) == [1, 1, 1]
        workers.close()

    asyncio.run(story())


def test_work_that_fails_says_why_and_costs_no_thread() -> None:
    async def story() -> None:
        workers = Workers(threads=1)

        def fails(_: Stop) -> None:
            raise RuntimeError("its own reason")

        for _ in range(3):
            with pytest.raises(RuntimeError, match="its own reason"):
                await workers.run(fails)
        assert await workers.run(lambda _: 1) == 1
        workers.close()

    asyncio.run(story())


def test_end_stops_what_can_be_stopped() -> None:
    async def story() -> None:
        begun, workers = threading.Event(), Workers(threads=1)

        def endless(stop: Stop) -> str:
            told = threading.Event()
            stop.then(told.set)
            begun.set()
            told.wait()
            return "stopped"

        running = asyncio.create_task(workers.run(endless))
        await asyncio.to_thread(begun.wait)
        workers.close()
        assert await running == "stopped"

    asyncio.run(story())


def test_stop_calls_each_once_and_at_once_when_it_is_late() -> None:
    stop, calls = Stop(), []
    stop.then(lambda: calls.append("early"))
    assert (stop.stopped, calls) == (False, [])
    stop.stop()
    stop.stop()
    assert (stop.stopped, calls) == (True, ["early"])
    stop.then(lambda: calls.append("late"))
    assert calls == ["early", "late"]


def test_call_apart_is_waited_for_no_longer_than_said() -> None:
    async def story() -> None:
        let_go = threading.Event()
        with pytest.raises(TimeoutError):
            await apart(let_go.wait, 0.01)
        let_go.set()
        assert await apart(lambda: 1, 60) == 1

    asyncio.run(story())


def test_preview_that_nobody_waits_for_reads_nothing(dina: Session) -> None:
    stop = Stop()
    assert preview(dina, "trials.patients", None, None, 20, stop)["rows"]
    stop.stop()
    with pytest.raises(GovDataError, match="stopped"):
        preview(dina, "trials.patients", None, None, 20, stop)


def test_browser_that_hangs_up_stops_the_work_or_keeps_nobody_waiting(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.server.leaving", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "JUPYTER_TOKEN": "t", "JUPYTER_RUNTIME_DIR": str(tmp_path)},
    )
    assert ran.stdout.splitlines()[-3:] == ["stopped", "ended", "answered"], ran.stderr


WITHOUT = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "jupyter_server":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from jupyter_govdata.errors import MissingExtraError
from jupyter_govdata.server import _jupyter_server_extension_points
try:
    _jupyter_server_extension_points()
except MissingExtraError as error:
    print(error.code, error.message, error.hint, sep="|")
"""


def test_extension_without_jupyter_server_names_the_extra() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True)
    code, message, hint = ran.stdout.strip().split("|")
    assert code == "missing_extra"
    assert "server extension" in message
    assert "jupyter_govdata[server]" in hint
