"""Every exception that jupyter_govdata raises on purpose.

Runs everywhere (kernel, gateway, Jupyter server); imports the standard library only.

    GovDataError                    code, hint; str() is one line
    ├─ RefusalError                 a correct answer, not a fault
    │  ├─ NotVisibleError           missing or hidden: one class, one code, one text
    │  ├─ AccessDeniedError         the asset may be discovered, the action is not permitted
    │  ├─ PurposeError              no purpose declared, or one that nobody declared
    │  ├─ StaleDecisionError        policy or consent changed while data was streaming
    │  ├─ GrantError                a grant that is unknown, expired or another's: ask again
    │  └─ LimitError                too large or too long: ask for less
    │     └─ BusyError              too many at once: the same again, later
    ├─ QueryError                   the user's SQL or parameters (line, column)
    │  └─ ColumnNotFoundError
    ├─ PolicyFileError              a governance file (file, line, column)
    ├─ CatalogError
    │  ├─ SnapshotNotFoundError     unknown or expired snapshot, tag or time
    │  ├─ LakeLockedError           another gateway serves this lake
    │  └─ LakeVersionError          the lake was made by a newer version
    ├─ StorageError                 a data file is missing, corrupt, or cannot be written
    │  └─ FileChangedError          a granted file is no longer the one of its inventory row
    ├─ LoadError                    a source that cannot be loaded
    ├─ GatewayError
    │  ├─ GatewayUnreachableError
    │  ├─ AuthenticationError       no token, or an expired or unknown one
    │  └─ ProtocolError             a malformed or oversized message
    ├─ StampError
    └─ ConfigError
       └─ MissingExtraError         an optional dependency is not installed

Messages follow one style: lower case, one sentence, names in backticks, the way out in
`hint`. No message holds a cell value, a credential or a storage address.
"""

from __future__ import annotations

from typing import Any, ClassVar


class GovDataError(Exception):
    """Base of all errors of this package.

    Args:
        message: One line, lower case, names in backticks.
        hint: What to do next, or None.
        detail: JSON-serialisable facts that a surface may render (never cell values).
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, hint: str | None = None, detail: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail: dict[str, Any] = dict(detail or {})

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} (hint: {self.hint})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.detail)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form that crosses the wire; `from_wire` reverses it."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "detail": self.detail,
        }


def _rebuild(
    kind: type[GovDataError], message: str, hint: str | None, detail: dict[str, Any]
) -> GovDataError:
    return kind(message, hint=hint, detail=detail)


class RefusalError(GovDataError):
    """The gateway refuses: a correct answer of the policy."""

    code = "refused"


class NotVisibleError(RefusalError):
    """The asset does not exist, or the principal may not discover it: the two are one answer."""

    code = "not_visible"

    @classmethod
    def for_asset(cls, name: str) -> NotVisibleError:
        """Return the one text used for a missing and for a hidden asset (invariant 5)."""
        return cls(
            f"asset `{name}` does not exist or is not visible to you",
            hint="list what you may see with `%govdata ls`",
        )


class AccessDeniedError(RefusalError):
    """The asset is visible, the action on it is not permitted."""

    code = "access_denied"


class PurposeError(RefusalError):
    """No purpose is declared, or the declared one is unknown."""

    code = "purpose"


class StaleDecisionError(RefusalError):
    """Policy or consent changed under a running stream; running it again gets the new answer."""

    code = "stale_decision"


class GrantError(RefusalError):
    """A grant of files is unknown, expired or another principal's: one answer for all three."""

    code = "grant"


class LimitError(RefusalError):
    """A limit on size, memory, time or number was met."""

    code = "limit"


class BusyError(LimitError):
    """Too much at once: what was asked for is fine, and may succeed later as it is."""

    code = "busy"


class QueryError(GovDataError):
    """The user's SQL or parameters; `detail` may hold 1-based `line` and `column`."""

    code = "query"


class ColumnNotFoundError(QueryError):
    """A column that the asset does not show to this principal."""

    code = "column_not_found"


class PolicyFileError(GovDataError):
    """A governance file is wrong.

    Args:
        message: What is wrong.
        file: Path as the user gave it.
        line: 1-based line.
        column: 1-based column.
    """

    code = "policy_file"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        detail: dict[str, Any] | None = None,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        place = {"file": file, "line": line, "column": column}
        merged = {**{k: v for k, v in place.items() if v is not None}, **(detail or {})}
        super().__init__(message, hint=hint, detail=merged)

    def __str__(self) -> str:
        place = ":".join(
            str(self.detail[k]) for k in ("file", "line", "column") if k in self.detail
        )
        return f"{place}: {super().__str__()}" if place else super().__str__()


class CatalogError(GovDataError):
    """The catalog of assets refuses or cannot answer."""

    code = "catalog"


class SnapshotNotFoundError(CatalogError):
    """The asset has no such snapshot, tag or state at that time (unknown or expired)."""

    code = "snapshot_not_found"


class LakeLockedError(CatalogError):
    """Another gateway serves this lake."""

    code = "lake_locked"


class LakeVersionError(CatalogError):
    """The lake was made by a newer version of this package."""

    code = "lake_version"


class StorageError(GovDataError):
    """A data file is missing, corrupt or cannot be written."""

    code = "storage"


class FileChangedError(StorageError):
    """A granted file was replaced: its content is not the one that the inventory row is about."""

    code = "file_changed"


class LoadError(GovDataError):
    """A source that cannot be loaded."""

    code = "load"


class GatewayError(GovDataError):
    """The gateway cannot answer."""

    code = "gateway"


class GatewayUnreachableError(GatewayError):
    """Nothing answers at the gateway's address."""

    code = "gateway_unreachable"


class AuthenticationError(GatewayError):
    """No token, or one that is expired, unknown or meant for somebody else."""

    code = "authentication"


class ProtocolError(GatewayError):
    """A message that does not follow the protocol, or is too large."""

    code = "protocol"


class StampError(GovDataError):
    """A stamp or receipt that does not verify."""

    code = "stamp"


class ConfigError(GovDataError):
    """A setting is missing or wrong."""

    code = "config"


class MissingExtraError(ConfigError):
    """An optional dependency is needed."""

    code = "missing_extra"

    @classmethod
    def for_extra(cls, extra: str, what: str) -> MissingExtraError:
        """Return the error for an extra, e.g. ``for_extra("sas", "reading SAS files")``."""
        return cls(
            f"{what} needs the extra `{extra}`",
            hint=f"pip install 'jupyter_govdata[{extra}]'",
        )


def _tree(kind: type[GovDataError]) -> dict[str, type[GovDataError]]:
    found = {kind.code: kind}
    for child in kind.__subclasses__():
        found.update(_tree(child))
    return found


def from_wire(data: dict[str, Any]) -> GovDataError:
    """Rebuild the error that `GovDataError.to_wire` described; unknown codes give the base."""
    kind = _tree(GovDataError).get(str(data.get("code")), GovDataError)
    detail = data.get("detail")
    hint = data.get("hint")
    return kind(
        str(data.get("message", "")),
        hint=None if hint is None else str(hint),
        detail=detail if isinstance(detail, dict) else None,
    )
