"""What a session sends that is neither a query nor a scan: governance files, provenance.

Runs in the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_govdata.errors import ConfigError, GovDataError, PolicyFileError, from_wire
from jupyter_govdata.formats import Source


def governance_files(folder: Path) -> dict[str, str]:
    """Return relative path -> text of a governance folder.

    Raises:
        ConfigError: It holds no governance files.
    """
    found: Iterator[Path] = (
        p
        for pattern in ("*.yaml", "assets/*.yaml", "policies/*.cedar")
        for p in folder.glob(pattern)
    )
    files = {p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8") for p in found}
    if not files:
        raise ConfigError(
            f"`{folder}` holds no governance files",
            hint="it needs `principals.yaml`, `purposes.yaml` and `policies/*.cedar`",
        )
    return files


def problems_found(problems: Sequence[Mapping[str, Any]], folder: Path) -> GovDataError:
    """Return the first problem as the error; all of them, as lines, in its detail."""
    found = [from_wire(dict(p)) for p in problems]
    for problem in found:
        if "file" in problem.detail:
            problem.detail["file"] = str(folder / problem.detail["file"])
    first = found[0]
    assert isinstance(first, PolicyFileError)
    first.detail["problems"] = [str(p) for p in found]
    return first


def provenance(source: Source) -> dict[str, str]:
    """Return what is known of a source before it is read."""
    facts = {
        "source": source.location,
        "format": source.kind,
        "sha256": source.sha256 or "",
        "bytes": "" if source.bytes is None else str(source.bytes),
    }
    return {k: v for k, v in facts.items() if v}


def counts(source: Source) -> dict[str, str]:
    """Return what is known of a source once it was read."""
    return {
        "rows_read": str(source.rows_read),
        "rows_rejected": str(source.reject.count),
    }
