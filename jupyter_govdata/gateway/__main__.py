"""Process entry of the gateway: ``python -m jupyter_govdata.gateway serve|init``.

`serve` prints one JSON line on standard output once it listens (``{"address": ...}``) or when it
cannot (``{"error": ...}``), so that a parent can wait for it without polling. With `--child` it
ends when its standard input closes, that is when its parent ends.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from jupyter_govdata.config import GatewayConfig, read_gateway_config
from jupyter_govdata.errors import GovDataError
from jupyter_govdata.gateway.composer import Gateway, initialise
from jupyter_govdata.gateway.lake import write_run_file
from jupyter_govdata.gateway.server import Server


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _serve(config: GatewayConfig, *, child: bool) -> None:
    gateway = Gateway(config)
    try:
        server = Server(gateway)
        write_run_file(config.lake, server.address)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if child:
            threading.Thread(target=_child_ends, args=(stop,), daemon=True).start()
        health = gateway.health.address if gateway.health else None
        _say({"address": server.address, "health": health, "pid": os.getpid()})
        # UPSTREAM: a Flight server serves from its construction on; `serve()` would only wait,
        # and take over the signals.
        stop.wait()
        server.shutdown()
    finally:
        (config.lake / "run" / "gateway.json").unlink(missing_ok=True)
        gateway.close()


def _child_ends(stop: threading.Event) -> None:
    while os.read(0, 4096):
        continue
    stop.set()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the gateway process; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m jupyter_govdata.gateway")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve")
    source = serve.add_mutually_exclusive_group(required=True)
    source.add_argument("--lake", type=Path)
    source.add_argument("--config", type=Path)
    serve.add_argument("--child", action="store_true")
    make = commands.add_parser("init")
    make.add_argument("folder", type=Path)
    make.add_argument("--steward", required=True)
    make.add_argument("--governance", type=Path)
    options = parser.parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        if options.command == "init":
            initialise(options.folder.absolute(), options.steward, options.governance)
            _say({"lake": str(options.folder.absolute())})
        else:
            config = (
                read_gateway_config(options.config)
                if options.config
                else GatewayConfig(lake=options.lake.absolute())
            )
            _serve(config, child=options.child)
    except GovDataError as error:
        _say({"error": error.to_wire()})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
