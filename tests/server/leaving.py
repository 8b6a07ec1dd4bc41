"""Run by tests: a browser hangs up while a route of ours waits; print when the work is stopped."""

from __future__ import annotations

import asyncio
import sys
import threading

from jupyter_server.serverapp import ServerApp
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from jupyter_govdata.server.handlers import GovDataHandler
from jupyter_govdata.server.work import Stop

QUESTION = b"GET /jupyter_govdata/endless?token=t HTTP/1.1\r\nHost: localhost\r\n\r\n"

started, stopped = threading.Event(), threading.Event()


def endless(stop: Stop) -> None:
    stop.then(stopped.set)
    started.set()
    stopped.wait()


class Endless(GovDataHandler):
    """A route whose work ends when it is stopped, and never else."""

    async def get(self) -> None:
        await self.until_gone(self.extension.workers.run(endless, seconds=3_600))


async def main() -> None:
    app = ServerApp(jpserver_extensions={"jupyter_govdata": True}, root_dir=sys.argv[1])
    app.initialize(argv=[], find_extensions=False, new_httpserver=False)
    app.web_app.add_handlers(".*$", [("/jupyter_govdata/endless", Endless)])
    (listening,) = bind_sockets(0, "127.0.0.1")
    HTTPServer(app.web_app).add_socket(listening)
    _, browser = await asyncio.open_connection(*listening.getsockname())
    browser.write(QUESTION)
    await asyncio.to_thread(started.wait)
    browser.close()
    await asyncio.to_thread(stopped.wait)
    print("stopped")


asyncio.run(main())
