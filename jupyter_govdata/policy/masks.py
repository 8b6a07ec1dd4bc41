"""Column masks as policies write them: ``@mask("pseudonym")`` on a forbid of `reveal`.

Runs in the gateway; pure. An annotation is ``kind`` or ``kind:argument``; ``last4`` is short for
``last:4``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import cast

from jupyter_govdata.errors import PolicyFileError
from jupyter_govdata.model.asset import Column
from jupyter_govdata.model.decision import MASK_KINDS, Mask, MaskKind
from jupyter_govdata.policy.yaml_source import near

_LAST = re.compile(r"last:?([1-9][0-9]?)", re.ASCII)
_STEP = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,9})?", re.ASCII)
_NUMBERS = ("int", "long", "float", "double")
_DATES = ("date", "timestamp", "timestamptz", "string")


def parse_mask(text: str, policy: str = "") -> Mask:
    """Return the mask of an annotation.

    Raises:
        PolicyFileError: Unknown kind, or an argument that the kind does not take.
    """
    last = _LAST.fullmatch(text)
    if last is not None:
        return Mask("last", last.group(1), policy)
    kind, colon, argument = text.partition(":")
    if kind not in MASK_KINDS:
        raise PolicyFileError(f"unknown mask `{kind[:40]}`", hint=near(kind, MASK_KINDS))
    if kind == "last":
        raise PolicyFileError("mask `last` needs how many characters stay", hint='`"last4"`')
    if kind == "constant" and not argument:
        raise PolicyFileError(
            "mask `constant` needs the text to show", hint='`"constant:withheld"`'
        )
    if kind == "round" and (not _STEP.fullmatch(argument) or Decimal(argument) == 0):
        raise PolicyFileError("mask `round` needs the step to round to", hint='`"round:10"`')
    if kind in ("null", "pseudonym", "year") and colon:
        raise PolicyFileError(f"mask `{kind}` takes no argument")
    return Mask(cast("MaskKind", kind), argument, policy)


def strictest(masks: Iterable[Mask]) -> Mask:
    """Return the mask that shows least; at least one is needed."""
    return min(masks, key=_rank)


def _rank(mask: Mask) -> tuple[int, Decimal, str, str]:
    size = Decimal(0)
    if mask.kind == "last":
        size = Decimal(mask.argument)
    elif mask.kind == "round":
        size = -Decimal(mask.argument)
    return MASK_KINDS.index(mask.kind), size, mask.argument, mask.policy


def fits(mask: Mask, column: Column) -> bool:
    """Return whether a mask can be applied to a column; one that cannot hides the column."""
    if mask.kind == "pseudonym":
        return bool(column.domain)
    if mask.kind == "last":
        return column.type in ("string", "int", "long", "uuid")
    if mask.kind == "year":
        return column.type in _DATES
    if mask.kind == "round":
        return column.type in _NUMBERS or column.type.startswith("decimal")
    return True
