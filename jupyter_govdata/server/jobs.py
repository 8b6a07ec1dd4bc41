"""Work that takes long: the command line as a process of its own. Runs in the Jupyter server.

A job runs as the server's own user with the server's own environment, which is what a kernel that
the user starts runs with. There are few at a time; what they print is bounded; they end when they
are stopped, and when the server ends, however it ends (`jupyter_govdata.server.child`).
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from jupyter_govdata.server.problems import ProblemError, without_paths
from jupyter_govdata.server.sessions import Link

MAX_RUNNING = 2
"""Jobs of one person at a time."""
MAX_JOBS = 50
"""Jobs of the server that are remembered."""
MAX_RESULT = 4_000_000
MAX_LOG = 20_000
GRACE = 15.0
"""Seconds that a stopped job has to put its things in order."""

RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"


@dataclass(frozen=True, slots=True)
class JobPlan:
    """What a job does.

    Args:
        kind: The command: ``verify``, ``rerun`` or ``export``.
        notebook: The file.
        words: The rest of the command line.
        shown: What to say instead of a file.
    """

    kind: str
    notebook: Path
    words: Sequence[str]
    shown: Mapping[Path, str]


class Job:
    """A process, and what it said.

    Args:
        owner: Whose it is.
        plan: What it does.
    """

    def __init__(self, owner: str, plan: JobPlan) -> None:
        self.id = secrets.token_hex(8)
        self.owner = owner
        self._plan = plan
        self._process: asyncio.subprocess.Process | None = None
        self._log = bytearray()
        self._result: Any = None
        self._is_stopped = False
        self._end: asyncio.Task[None] | None = None

    @property
    def state(self) -> str:
        """``running``; ``done``: it has a result; ``failed``: it has none; ``stopped``."""
        if self._end is None or not self._end.done():
            return RUNNING
        if self._is_stopped:
            return STOPPED
        return DONE if self._result is not None else FAILED

    def to_json(self) -> dict[str, Any]:
        """Return how far it is."""
        is_running = self.state == RUNNING
        process = self._process
        return {
            "id": self.id,
            "kind": self._plan.kind,
            "state": self.state,
            "exit_status": None if is_running or process is None else process.returncode,
            "result": None if is_running else self._result,
            "log_tail": self._told(self._log.decode(errors="replace")),
        }

    async def start(self, options: Sequence[str]) -> None:
        """Start the process."""
        words = [self._plan.kind, str(self._plan.notebook), *self._plan.words, *options]
        self._process = await asyncio.create_subprocess_exec(
            # -P: a file of the notebook's folder is never taken for a module of ours.
            *(sys.executable, "-P", "-m", "jupyter_govdata.server.child", *words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self._plan.notebook.parent,
            start_new_session=True,
        )
        self._end = asyncio.ensure_future(self._follow(self._process))

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        said, _ = await asyncio.gather(_first(process.stdout), self._keep_tail(process.stderr))
        status = await process.wait()
        self._result = None if said is None else self._read(said, status)

    async def _keep_tail(self, stream: asyncio.StreamReader) -> None:
        while block := await stream.read(1 << 16):
            self._log += block
            del self._log[:-MAX_LOG]

    def _read(self, said: bytes, status: int) -> Any:
        """Return the result that was printed: a report, or for an export where it is."""
        if self._plan.kind == "export":
            (out,) = self._plan.shown.values()
            return {"out": out} if status == 0 else None
        try:
            return self._shown(json.loads(said))
        except (ValueError, RecursionError):
            return None

    def _shown(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): self._shown(v) for k, v in value.items()}
        if isinstance(value, list):
            return [self._shown(v) for v in value]
        return self._told(value) if isinstance(value, str) else value

    def _told(self, text: str) -> str:
        for file, shown in self._plan.shown.items():
            text = text.replace(str(file), shown)
        return without_paths(text)

    async def ended(self, seconds: float) -> None:
        """Wait for its end, but not for longer than that."""
        if self._end is not None and seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._end), seconds)

    async def stop(self, grace: float = GRACE) -> None:
        """Stop it: first as Ctrl-C would, then, after `grace` seconds, by force."""
        process, end = self._process, self._end
        if process is None or end is None or end.done():
            return
        self._is_stopped = True
        assert process.stdin is not None
        process.stdin.close()
        await self.ended(grace)
        self.kill()
        await end

    def kill(self) -> None:
        """End it and what it started, at once."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)


async def _first(stream: asyncio.StreamReader) -> bytes | None:
    """Return what a stream holds, or None if that is too much; read it to its end."""
    said: bytearray | None = bytearray()
    while block := await stream.read(1 << 16):
        if said is not None and len(said) + len(block) <= MAX_RESULT:
            said += block
        else:
            said = None
    return None if said is None else bytes(said)


class Jobs:
    """The jobs of one Jupyter server."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def of(self, owner: str, job_id: str) -> Job:
        """Return a job.

        Raises:
            ProblemError: There is none, or it is somebody else's.
        """
        job = self._jobs.get(job_id)
        if job is None or job.owner != owner:
            raise ProblemError(404, "no_job", "there is no such job", "it ended long ago")
        return job

    async def start(self, owner: str, plan: JobPlan, options: Sequence[str]) -> Job:
        """Start a job.

        Raises:
            ProblemError: Too many are running.
        """
        running = [job for job in self._jobs.values() if job.state == RUNNING]
        if sum(job.owner == owner for job in running) >= MAX_RUNNING or len(running) >= MAX_JOBS:
            raise ProblemError(429, "busy", "too many jobs are running", "wait for one, or stop it")
        job = Job(owner, plan)
        self._jobs[job.id] = job
        try:
            await job.start(options)
        except BaseException:
            del self._jobs[job.id]
            raise
        self._forget()
        return job

    def _forget(self) -> None:
        ended = [job.id for job in self._jobs.values() if job.state != RUNNING]
        for job_id in ended[: max(len(self._jobs) - MAX_JOBS, 0)]:
            del self._jobs[job_id]

    async def close(self, grace: float = GRACE) -> None:
        """Stop all jobs; by force after `grace` seconds."""
        await asyncio.gather(*(job.stop(grace) for job in self._jobs.values()))


def session_options(link: Link, purpose: str | None) -> list[str]:
    """Return the options that give a job the session of whoever starts it.

    Raises:
        ProblemError: That person signs in by a token of their own, which a job does not get.
    """
    arguments = link.arguments
    if "token" in arguments:
        raise ProblemError(
            403,
            "not_your_server",
            "jobs run with this server's own sign-in, which is another one than yours",
            "run `jupyter govdata rerun` yourself",
        )
    # Named, for the command line would take the notebook's folder if that is a lake.
    room = import_module("jupyter_govdata.session")
    options = ["--lake", str(link.target or room.default_lake())]
    if "user" in arguments:
        options += ["--user", str(arguments["user"])]
    purpose = purpose or arguments.get("purpose")
    return [*options, "--purpose", purpose] if purpose else options
