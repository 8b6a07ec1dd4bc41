"""What governs a run: parameters that are no secrets, purpose, and which data it reads.

Runs in the process that runs the notebook; the notebook is untrusted text.
"""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.pins import Pins

PURPOSE, AS_OF = "purpose", "as_of"

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passphrase|secret|secrets|token|bearer|credentials?|"
    r"(?:api|access|private|secret|signing|account|shared)_?key|authorization|cookie|dsn)$"
)
_SECRET_VALUES = (
    ("a bearer token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("an access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("an access token", re.compile(r"\b(?:gh[pousr]_\w{30}|github_pat_\w{30}|xox[abprs]-\S{10})")),
    ("an address with a password", re.compile(r"://[^/\s:@]+:[^/\s@]+@")),
    (
        "a signed address",
        re.compile(r"[?&](?:X-Amz-Signature|X-Goog-Signature|sig)=", re.IGNORECASE),
    ),
)


def refuse_secrets(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that would write a credential into the notebook (invariant 6).

    Raises:
        ConfigError: A parameter is named like a secret and holds text, or looks like one.
    """
    for name, value in _flat("", parameters):
        if not isinstance(value, str) or not value:
            continue
        plain = _CAMEL.sub("_", name.rpartition(".")[2]).lower().replace("-", "_")
        found = "a secret" if _SECRET_NAME.search(plain) else ""
        found = found or next((what for what, sign in _SECRET_VALUES if sign.search(value)), "")
        if found:
            raise ConfigError(
                f"the parameter `{name}` looks like {found}, and parameters are written into "
                "the notebook",
                hint="leave credentials to the environment: `GOVDATA_TOKEN_FILE` names a file",
            )


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _flat(name, part)
    else:
        yield name, value


def declared(nb: Mapping[str, Any]) -> dict[str, Any]:
    """Return `purpose` and `as_of` as the cells tagged ``parameters`` assign them, if they do.

    The injected cell comes after the notebook's own, as it does when the cells run.
    """
    found: dict[str, Any] = {}
    for tag in ("parameters", "injected-parameters"):
        for cell in nb.get("cells", []):
            if cell.get("cell_type") == "code" and tag in cell.get("metadata", {}).get("tags", []):
                found |= _literals(str(cell.get("source", "")))
    return found


def _literals(source: str) -> dict[str, Any]:
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    found = {}
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            is_ours = isinstance(target, ast.Name) and target.id in (PURPOSE, AS_OF)
            if is_ours and isinstance(target, ast.Name) and isinstance(value, ast.Constant):
                found[target.id] = value.value
    return found


def purpose_of(values: Mapping[str, Any]) -> str:
    """Return the purpose that parameters name, or empty.

    Raises:
        ConfigError: It is not a name.
    """
    value = values.get(PURPOSE)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise ConfigError("the parameter `purpose` is the name of a purpose, as text")
    return value


def as_of(value: Any) -> dt.datetime | None:
    """Return the moment that a parameter or an option names, UTC unless it says otherwise.

    Raises:
        ConfigError: It is not an ISO time.
    """
    if value is None or value == "":
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
    except (TypeError, ValueError) as exc:
        raise ConfigError(
            "`as_of` is a time at which the data is read", hint='for example "2026-01-31T12:00:00Z"'
        ) from exc
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def pins_in_force(
    chosen: Pins | None, stamped: Pins, given: Mapping[str, Any], values: Mapping[str, Any]
) -> Pins:
    """Return what a run reads.

    Args:
        chosen: What the user chose; None leaves it to the notebook.
        stamped: What the notebook's stamps pin.
        given: Parameters of this run alone.
        values: `declared` parameters, those of the notebook included.

    Returns:
        The chosen pins, else the stamped ones; a parameter `as_of` holds for what they leave
        open. A run that is given an `as_of` of its own is not bound to the stamps.
    """
    pins = chosen if chosen is not None else (Pins() if given.get(AS_OF) else stamped)
    moment = as_of(values.get(AS_OF))
    if pins.as_of is None and moment is not None:
        return replace(pins, as_of=moment)
    return pins
