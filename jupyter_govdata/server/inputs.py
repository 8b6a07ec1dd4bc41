"""Arguments of a request, each checked and bounded before anything is done with it.

Runs in the Jupyter server; trusts nothing. Query parameters that no route knows are passed over
(a browser adds one against caches); fields of a body that no route knows are refused.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_govdata.errors import CatalogError
from jupyter_govdata.model.asset import asset_name
from jupyter_govdata.model.scan import At
from jupyter_govdata.server.problems import ProblemError, bad_input

MAX_TEXT = 1_000
MAX_CHOICE = 500
MAX_PURPOSE = 200
MAX_REASON = 10_000
MAX_VALUES = 50
MAX_PAGE = 500
MAX_OFFSET = 10**9
_MAX_ID = 2**63


class Query:
    """The query parameters of a request."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def text(self, name: str, limit: int = MAX_TEXT) -> str | None:
        """Return a text, or None where it is missing or empty."""
        values = self._values.get(name, ())
        if len(values) > 1:
            raise bad_input(f"`{name}` is given more than once")
        return checked_text(values[0], name, limit) if values and values[0] else None

    def texts(self, name: str) -> list[str]:
        """Return all values of a parameter that may be repeated."""
        values = [value for value in self._values.get(name, ()) if value]
        if len(values) > MAX_VALUES:
            raise bad_input(f"`{name}` is given more than {MAX_VALUES} times")
        return [checked_text(value, name, MAX_CHOICE) for value in values]

    def purpose(self) -> str | None:
        """Return what the data is used for, or None for one's own purpose."""
        return self.text("purpose", MAX_PURPOSE)

    def flag(self, name: str) -> bool:
        """Return a flag; missing is false."""
        text = self.text(name)
        if text not in (None, "true", "false"):
            raise bad_input(f"`{name}` is `true` or `false`")
        return text == "true"

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """Return a whole number between two bounds, both inclusive."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and len(text) <= 19):
            raise bad_input(f"`{name}` is a whole number")
        number = int(text)
        if not least <= number <= most:
            raise bad_input(f"`{name}` is between {least} and {most}")
        return number

    def page(self) -> tuple[int, int]:
        """Return offset and limit of a list."""
        return self.whole("offset", 0, 0, MAX_OFFSET), self.whole("limit", 100, 1, MAX_PAGE)

    def at(self, name: str = "at") -> At | None:
        """Return a version: a snapshot id, an ISO time with its zone, or a tag; None is now."""
        text = self.text(name, 200)
        return None if text is None else version(text, name)

    def snapshot(self, name: str) -> int:
        """Return a snapshot id, which must be there."""
        text = self.text(name)
        if text is None:
            raise bad_input(f"`{name}` is missing")
        return snapshot_id(text, name)


class Body:
    """The JSON object that a request carries, with these fields and no others.

    Raises:
        ProblemError: Too large, not JSON, not an object, or a field that is not known.
    """

    def __init__(self, data: bytes, fields: Sequence[str], limit: int) -> None:
        if len(data) > limit:
            raise ProblemError(413, "too_large", f"the body is larger than {limit} bytes")
        try:
            parsed = json.loads(data or b"{}")
        except (ValueError, RecursionError) as exc:
            raise bad_input("the body is not JSON") from exc
        if not isinstance(parsed, dict):
            raise bad_input("the body is not an object")
        if set(parsed) - set(fields):
            raise bad_input("the body has an unknown field", f"known: {', '.join(fields)}")
        self._values = parsed

    def text(self, name: str, limit: int = MAX_TEXT) -> str:
        """Return a text, which must be there and not be blank."""
        value = self.optional(name, limit)
        if value is None or not value.strip():
            raise bad_input(f"`{name}` is missing")
        return value

    def optional(self, name: str, limit: int = MAX_TEXT) -> str | None:
        """Return a text, or None where it is missing or null."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise bad_input(f"`{name}` is a text")
        return checked_text(value, name, limit)

    def purpose(self) -> str | None:
        """Return what the data is used for, or None for one's own purpose."""
        return self.optional("purpose", MAX_PURPOSE)

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of some words."""
        value = self._values.get(name, default)
        if value not in choices:
            raise bad_input(f"`{name}` is one of {', '.join(f'`{c}`' for c in choices)}")
        return str(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return a flag."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise bad_input(f"`{name}` is true or false")
        return value

    def mapping(self, name: str) -> dict[str, Any] | None:
        """Return an object, or None where it is missing or null."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, dict):
            raise bad_input(f"`{name}` is an object")
        return value


def checked_text(value: str, name: str, limit: int) -> str:
    """Return a text of at most `limit` characters that can be written as UTF-8."""
    if len(value) > limit:
        raise bad_input(f"`{name}` is longer than {limit} characters")
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise bad_input(f"`{name}` holds half a character") from exc
    return value


def checked_asset(text: str) -> str:
    """Return an asset name."""
    try:
        return asset_name(text)
    except CatalogError as exc:
        raise bad_input("this is not an asset name", exc.hint) from exc


def snapshot_id(text: str, name: str) -> int:
    """Return a snapshot id."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) < _MAX_ID):
        raise bad_input(f"`{name}` is a snapshot id: a whole number as text")
    return int(text)


def version(text: str, name: str) -> At:
    """Return the version that a text names."""
    if text.isascii() and text.isdecimal():
        return At(snapshot_id=snapshot_id(text, name))
    moment = _moment(text)
    return At(tag=text) if moment is None else At(timestamp=moment)


def _moment(text: str) -> dt.datetime | None:
    if "T" not in text:
        return None  # a tag may look like a day
    try:
        # In a query string a `+` that nobody escaped has become a blank.
        moment = dt.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
