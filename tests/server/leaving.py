"""Run by tests: browsers hang up while a route of ours waits, and others ask.

Prints `stopped` when work that listens has ended, `ended` when a call to the gateway has ended
there, and `answered` when somebody else was answered while work that does not listen runs on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import Any

from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from jupyter_govdata.errors import GatewayError
from jupyter_govdata.gateway.actions import ACTIONS
from jupyter_govdata.gateway.heeding import still_wanted
from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.work import THREADS, Stop
from tests.gateway.world import make_world

QUESTION = (
    "GET /jupyter_govdata/{}?token=t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
)

started, stopped, deaf = threading.Event(), threading.Event(), threading.Semaphore(0)
called, ended = threading.Event(), threading.Event()


def endless(stop: Stop) -> None:
    stop.then(stopped.set)
    started.set()
    stopped.wait()


def endless_at_the_gateway(*_: Any) -> None:
    called.set()
    try:
        while True:
            still_wanted()
    except GatewayError:
        ended.set()
        raise


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
    root = Path(sys.argv[1])
    world = make_world(root / "world")
    os.environ |= {"GOVDATA_LAKE": str(world.lake), "GOVDATA_USER": "ana"}
    ACTIONS["browse"] = endless_at_the_gateway
    app = ServerApp(jpserver_extensions={"jupyter_govdata": True}, root_dir=str(root))
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
    _, browser = await ask("catalog")
    await asyncio.to_thread(called.wait)
    browser.close()
    await asyncio.to_thread(ended.wait)
    print("ended")
    for _ in range(THREADS + 1):
        _, browser = await ask("deaf")
        await asyncio.to_thread(deaf.acquire)
        browser.close()
    answer, _ = await ask("quick")
    assert b"quick" in await answer.read()
    print("answered", flush=True)
    os._exit(0)  # calls that run on are what this is about


asyncio.run(main())
