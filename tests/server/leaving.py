"""Run by tests: browsers hang up while a route of ours waits, and others ask.

Prints `stopped` when work that listens has ended, and `answered` when somebody else was answered
while work that does not listen, as a call to the gateway, runs on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading

from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.work import THREADS, Stop

QUESTION = (
    "GET /jupyter_govdata/{}?token=t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)

started, stopped, deaf = threading.Event(), threading.Event(), threading.Semaphore(0)


def endless(stop: Stop) -> None:
    stop.then(stopped.set)
    started.set()
    stopped.wait()


def unhearing(_: Stop) -> None:
    deaf.release()
    threading.Event().wait()


class Endless(GovDataHandler):
    """A route whose work ends when it is stopped, and never else."""

    async def get(self) -> None:
        await self.until_gone(self.shared.workers.run(endless, seconds=3_600))


class Deaf(GovDataHandler):
    """A route whose work never ends."""

    async def get(self) -> None:
        await self.until_gone(self.shared.workers.run(unhearing, seconds=3_600))


class Quick(GovDataHandler):
    """A route whose work is done at once."""

    async def get(self) -> None:
        self.answer(await self.until_gone(self.shared.workers.run(lambda _: "quick")))


async def main() -> None:
    app = ServerApp(jpserver_extensions={"jupyter_govdata": True}, root_dir=sys.argv[1])
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    routes = {"endless": Endless, "deaf": Deaf, "quick": Quick}
    app.web_app.add_handlers(".*$", [(f"/jupyter_govdata/{k}", v) for k, v in routes.items()])
    (listening,) = bind_sockets(0, "127.0.0.1")
    HTTPServer(app.web_app).add_socket(listening)

    async def ask(route: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        answer, question = await asyncio.open_connection(*listening.getsockname())
        question.write(QUESTION.format(route).encode())
        return answer, question

    _, browser = await ask("endless")
    await asyncio.to_thread(started.wait)
    browser.close()
    await asyncio.to_thread(stopped.wait)
    print("stopped")
    for _ in range(THREADS + 1):
        _, browser = await ask("deaf")
        await asyncio.to_thread(deaf.acquire)
        browser.close()
    answer, _ = await ask("quick")
    assert b"quick" in await answer.read()
    print("answered", flush=True)
    os._exit(0)  # calls that run on are what this is about


asyncio.run(main())
