"""A lake, and Jupyter servers over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_govdata.session import Session
from tests import steward
from tests.server.jupyter import Server
from tests.server.world import build

dina = steward.dina

PEOPLE = """
from jupyter_server.auth import Authorizer, IdentityProvider, User

class People(IdentityProvider):
    '''The token is the name.'''
    async def get_user(self, handler):
        name = handler.request.headers.get("Authorization", "").removeprefix("token ")
        if name not in ("t", "ana", "dina", "miko", "denied", "looker", "stranger"):
            return None
        handler._token_authenticated = True
        return User(name)

class Rules(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        if resource == "jupyter_govdata" and user.username == "denied":
            return False
        is_ours = resource == "jupyter_govdata"
        return user.username != "looker" or is_ours or action == "read"

def sign_in(user):
    if user.username in ("stranger", "t"):
        return None
    return {{"target": {lake!r}, "user": "ana" if user.username == "looker" else user.username}}

c.ServerApp.identity_provider_class = People
c.ServerApp.authorizer_class = Rules
c.GovDataExtension.sign_in = sign_in
"""
"""Several people share this server, each with a session of their own."""


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One lake for all tests of the room; only `trials.growing` and requests change in it."""
    return build(tmp_path_factory.mktemp("lake"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, lake: Path, dina: Session) -> Iterator[Server]:
    """A server of several people."""
    made = Server(tmp_path_factory.mktemp("shared"), PEOPLE.format(lake=str(lake)))
    for user in ("ana", "dina", "miko", "looker"):
        # Waits for the session; a question for the state does not.
        assert made.get("catalog", user=user).status == 200
    yield made
    made.close()


@pytest.fixture(scope="session")
def own(tmp_path_factory: pytest.TempPathFactory, lake: Path, dina: Session) -> Iterator[Server]:
    """A server of one person, with the token that Jupyter makes, as everybody has it."""
    environment = {"GOVDATA_LAKE": str(lake), "GOVDATA_USER": "ana", "GOVDATA_GATEWAY": None}
    made = Server(tmp_path_factory.mktemp("own"), environment=environment)
    yield made
    made.close()
