"""What an error is over HTTP: a status, and JSON without a path or a secret. Runs in the server."""

from __future__ import annotations

import re
from typing import Any

from tornado.web import HTTPError

from jupyter_govdata.errors import (
    AuthenticationError,
    CatalogError,
    ColumnNotFoundError,
    ConfigError,
    GatewayError,
    GatewayUnreachableError,
    GovDataError,
    LakeLockedError,
    LakeVersionError,
    LimitError,
    MissingExtraError,
    NotVisibleError,
    ProtocolError,
    QueryError,
    RefusalError,
    SnapshotNotFoundError,
    StaleDecisionError,
    StampError,
    StorageError,
)

_STATUS: tuple[tuple[type[GovDataError], int], ...] = (
    # The first that fits.
    (NotVisibleError, 404),
    (SnapshotNotFoundError, 404),
    (ColumnNotFoundError, 404),
    (StaleDecisionError, 409),
    (LimitError, 429),
    (RefusalError, 403),
    (AuthenticationError, 403),
    (GatewayUnreachableError, 503),
    (LakeLockedError, 503),
    (LakeVersionError, 503),
    (MissingExtraError, 501),
    (ProtocolError, 502),
    (GatewayError, 502),
    (StorageError, 502),
    (ConfigError, 400),
    (CatalogError, 400),
    (QueryError, 400),
    (StampError, 400),
)
_PATH = re.compile(
    r"(?<![^\s`'\"(=,:\[])(?:~|[A-Za-z]:)?[/\\](?![/\s])"
    r"(?:[^\s`'\",)\]]*[/\\])?([^/\\\s`'\",)\]]*)"
)
_OF_STATUS = {
    400: ("bad_request", "the request cannot be read", "see `openapi.yaml`"),
    403: ("forbidden", "you may not do this on this server", "sign in, or ask its administrator"),
    404: ("not_found", "there is no such thing here", "see `openapi.yaml`"),
    405: ("method_not_allowed", "there is no such method here", "see `openapi.yaml`"),
    413: ("too_large", "the request is too large", "send less"),
}


class ProblemError(HTTPError):
    """A problem that the extension itself finds.

    Args:
        status: HTTP status.
        code: For programs.
        message: One sentence, for people.
        hint: The way out.
    """

    def __init__(self, status: int, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(status, "%s", message)
        self.problem = {"code": code, "message": message, "hint": hint}


def bad_input(message: str, hint: str | None = None) -> ProblemError:
    """Return the error for an argument that is missing, too large or of the wrong type."""
    return ProblemError(400, "bad_request", message, hint)


def status_of(error: GovDataError) -> int:
    """Return the HTTP status that an error has."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(error: GovDataError) -> dict[str, Any]:
    """Return the JSON of an error."""
    hint = None if error.hint is None else without_paths(error.hint)
    return {"code": error.code, "message": without_paths(error.message), "hint": hint}


def problem_of_status(status: int) -> dict[str, Any]:
    """Return the JSON of a status that has no error of ours."""
    unknown = ("error", "the server extension failed", "its reason is in the server's log")
    code, message, hint = _OF_STATUS.get(status, unknown)
    return {"code": code, "message": message, "hint": hint}


def without_paths(text: str) -> str:
    """Return a text with the last part only of every absolute path.

    >>> without_paths("`/home/ana/lake` is not a lake")
    '`…/lake` is not a lake'
    """
    return _PATH.sub(lambda path: f"…/{path[1]}", text)
