"""The routes about a notebook: what it read, what is newer, and jobs that run it again.

Run in the Jupyter server. A notebook is untrusted text. It is read through the contents manager,
so nothing outside the server's root is, and a job needs the same permissions of the server that
opening, running and saving the notebook in a browser would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import authorized
from tornado.web import HTTPError, authenticated

from jupyter_govdata.errors import GatewayUnreachableError
from jupyter_govdata.server.asking import end
from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.inputs import Body
from jupyter_govdata.server.jobs import JobPlan, session_options
from jupyter_govdata.server.pinned import hold_all, look
from jupyter_govdata.server.problems import ProblemError, bad_input, problem
from jupyter_govdata.server.sessions import NotReadyError

MAX_NOTEBOOK = 64_000_000
MAX_PATH = 1_000
NB = ".ipynb"
EXPORTS = {"ro-crate": ".ro-crate", "openlineage": ".openlineage.ndjson", "prov": ".prov.json"}
MAX_WAIT = 30
"""Seconds that a question for a job may wait for its end."""
_MANY_NAMES = 100


class NotebookHandler(GovDataHandler):
    """A route that reads a notebook."""

    @property
    def contents(self) -> Any:
        """The contents manager of the server, whichever it has."""
        return self.contents_manager

    async def notebook(self, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the notebook at a path below the server's root, or what an editor has of it.

        Raises:
            HTTPError: 403: one may not read contents.
            ProblemError: 404: there is no notebook; 400: it is none.
        """
        if content is not None:
            return content
        await self.may("read", "contents")
        try:
            found = self.contents.get(path, content=True, type="notebook")
            model = await ensure_async(found)
        except HTTPError as error:
            raise no_notebook(error) from error
        nb: dict[str, Any] = model["content"]
        return nb

    async def file(self, path: str) -> Path:
        """Return the file of a notebook, for a process of its own.

        Raises:
            ProblemError: There is no notebook, or this server keeps it elsewhere than in a file.
        """
        await self.may("read", "contents")
        manager = self.contents
        try:
            is_there = await ensure_async(manager.file_exists(path))
            if not is_there or await self.is_hidden(path):
                raise no_notebook(None)
        except HTTPError as error:
            raise no_notebook(error) from error
        return self.local(path)

    async def is_hidden(self, path: str) -> bool:
        """Return whether the server's own routes would not show a file."""
        manager = self.contents
        return not manager.allow_hidden and bool(await ensure_async(manager.is_hidden(path)))

    def local(self, path: str) -> Path:
        """Return where a path below the root is on the disk."""
        locate = getattr(self.contents, "_get_os_path", None)
        if locate is None:
            raise ProblemError(
                501,
                "not_a_file",
                "this server keeps notebooks elsewhere than in files",
                "run `jupyter govdata rerun` where the notebook is",
            )
        try:
            return Path(locate(path))
        except HTTPError as error:
            raise no_notebook(error) from error

    async def may_run(self) -> None:
        """Refuse whoever may not run a kernel and save a notebook on this server."""
        for action, resource in (("write", "kernels"), ("execute", "kernels")):
            await self.may(action, resource)

    async def target(self, path: str) -> Path:
        """Return the file that a job may write.

        Raises:
            ProblemError: Its folder is not there.
        """
        await self.may("write", "contents")
        folder = path.rpartition("/")[0]
        if not await ensure_async(self.contents.dir_exists(folder)):
            raise bad_input("the folder of `output` is not there", "make it, or name another")
        if await self.is_hidden(path):
            raise bad_input("`output` is hidden on this server", "give it another name")
        return self.local(path)

    async def start(self, plan: JobPlan, purpose: str | None) -> None:
        """Start a job as whoever asks, and answer with it."""
        shared = self.shared
        options = await shared.workers.run(lambda _: session_options(self.link, purpose))
        job = await shared.jobs.start(self.key, plan, options)
        self.answer({"job": job.to_json()}, 202)


def no_notebook(error: HTTPError | None) -> ProblemError:
    """Return the error for what cannot be read as a notebook; it says nothing of the disk."""
    if error is not None and error.status_code == 400:
        return bad_input("this is not a notebook", "open it in Jupyter and save it")
    return ProblemError(404, "no_notebook", "there is no such notebook", "save it first")


def path_of(body: Body, name: str = "path") -> str:
    """Return a path below the server's root."""
    path = body.text(name, MAX_PATH).strip("/")
    if "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise bad_input(f"`{name}` is not a path below the server's root")
    return path


class Pins(NotebookHandler):
    """What a notebook read, beside what the lake has now."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Compare; a gateway that does not answer costs the comparison, not the answer."""
        raw = self.request.body
        fields = ("path", "content", "purpose")
        # Megabytes are not parsed on the event loop.
        body = await self.until_gone(
            self.shared.workers.run(lambda _: Body(raw, fields, MAX_NOTEBOOK))
        )
        path, purpose = path_of(body), body.purpose()
        nb = await self.notebook(path, body.mapping("content"))
        looked, error = None, None
        try:
            looked = await self.ask(lambda s, stop: look(nb, s, purpose, stop))
        except NotReadyError as not_ready:
            error = not_ready.problem
        except GatewayUnreachableError as unreachable:
            error = problem(unreachable)
        if looked is None:
            looked = await self.shared.workers.run(lambda stop: look(nb, None, purpose, stop))
        self.answer({**looked, "error": error})


class Hold(NotebookHandler):
    """What a notebook read is kept from expiring."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Hold every snapshot that the stamps name; say what is refused."""
        body = self.body("path", "until", "name", "purpose")
        path, name = path_of(body), body.text("name", 200)
        until, purpose = end(body), body.purpose()
        if until is None:
            raise bad_input("`until` is missing", "a time, or `90d`, `6m`, `5y`")
        nb = await self.notebook(path)
        self.answer(await self.ask(lambda s, stop: hold_all(nb, s, name, until, purpose, stop)))


class Verify(NotebookHandler):
    """A job: what the stamps of a notebook are worth."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Check signatures and, with `execute`, run the notebook again and compare."""
        body = self.body("path", "execute", "purpose")
        path, execute = path_of(body), body.flag("execute", True)
        file = await self.file(path)
        if execute:
            await self.may_run()
        words = ["--run"] if execute else []
        plan = JobPlan("verify", file, ["--json", *words], {file: path})
        await self.start(plan, body.purpose())


class Rerun(NotebookHandler):
    """A job: a notebook run again."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Run it on the data of its stamps, or on the newest, into another notebook."""
        body = self.body("path", "pins", "output", "purpose")
        path, pins = path_of(body), body.choice("pins", ("stamped", "current"), "stamped")
        out = path_of(body, "output")
        if not out.endswith(NB) or out == path:
            raise bad_input("`output` is another notebook", f"`{path.removesuffix(NB)}.rerun{NB}`")
        file = await self.file(path)
        await self.may_run()
        target = await self.target(out)
        words = ["--json", "--pins", pins, "-o", str(target)]
        plan = JobPlan("rerun", file, words, {file: path, target: out})
        await self.start(plan, body.purpose())


class Export(NotebookHandler):
    """A job: what a notebook read and ran, in the words of others."""

    @authenticated
    @authorized
    async def post(self) -> None:
        """Write it beside the notebook, under a name that is free."""
        body = self.body("path", "to")
        path, form = path_of(body), body.choice("to", tuple(EXPORTS))
        file = await self.file(path)
        base, ending = path.removesuffix(NB), EXPORTS[form]
        names = [base + ending, *(f"{base}-{i}{ending}" for i in range(1, _MANY_NAMES))]
        out = next((n for n in names if not self.local(n).exists()), None)
        if out is None:
            raise bad_input("there are too many exports of this notebook", "delete some")
        target = await self.target(out)
        plan = JobPlan("export", file, ["--to", form, "-o", str(target)], {target: out})
        job = await self.shared.jobs.start(self.key, plan, [])
        self.answer({"job": job.to_json()}, 202)


class RunningJob(GovDataHandler):
    """A job that was started here."""

    @authenticated
    @authorized
    async def get(self, job_id: str) -> None:
        """Say how far it is, now or when it has ended."""
        job = self.shared.jobs.of(self.key, job_id)
        await self.until_gone(job.ended(self.query.whole("wait", 0, 0, MAX_WAIT)))
        self.answer_to((), job.to_json())

    @authenticated
    @authorized
    async def delete(self, job_id: str) -> None:
        """Stop it."""
        job = self.shared.jobs.of(self.key, job_id)
        await self.until_gone(job.stop())
        self.answer(job.to_json())


ROUTES = (
    ("notebooks/pins", Pins),
    ("notebooks/hold", Hold),
    ("notebooks/verify", Verify),
    ("notebooks/rerun", Rerun),
    ("notebooks/export", Export),
    ("jobs/([^/]+)", RunningJob),
)
