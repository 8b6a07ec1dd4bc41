"""Calls whose caller has hung up end at the gateway; those that change something do not."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jupyter_govdata.client.calling import ending
from jupyter_govdata.errors import GatewayError, NotVisibleError, ProtocolError
from jupyter_govdata.gateway.actions import ACTIONS
from jupyter_govdata.gateway.heeding import heeding, still_wanted
from jupyter_govdata.model.browsing import Browse
from jupyter_govdata.server.work import Stop
from tests.gateway.world import World


def test_call_taken_back_ends_at_the_gateway_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    called, ended, stop = threading.Event(), threading.Event(), Stop()

    def endless(*_: Any) -> None:
        called.set()
        try:
            while True:
                still_wanted()
        finally:
            ended.set()

    monkeypatch.setitem(ACTIONS, "endless", endless)
    connection = world.connect("ana")

    def ask() -> Any:
        with ending(stop.then):
            return connection.act("endless")

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        assert called.wait(60)
        stop.stop()
        assert ended.wait(60)
        with pytest.raises(GatewayError, match="stopped"):
            asked.result()


def test_call_that_can_be_taken_back_is_answered_as_any_other(world: World) -> None:
    connection = world.connect("ana")
    plain = connection.act("browse", {"text": "patient"})
    with ending(Stop().then):
        assert connection.act("browse", {"text": "patient"}) == plain
        with pytest.raises(NotVisibleError):
            connection.act("view", {"asset": "trials.hidden", "purpose": "research"})
        with pytest.raises(ProtocolError, match="unknown action"):
            connection.act("no such \n thing")


def test_question_of_a_caller_who_is_gone_is_not_worked_out(world: World) -> None:
    gateway = world.gateway
    with heeding(lambda: True), pytest.raises(GatewayError, match="stopped"):
        gateway.browsing.browse("ana", Browse(text="patient"), None)
    with heeding(lambda: True), pytest.raises(GatewayError, match="stopped"):
        gateway.lineage.around("ana", "trials.patients", None, 3)
    assert gateway.browsing.browse("ana", Browse(text="patient"), None).total == 1
