"""What may stand at the cursor of a SQL text that is being typed. Runs in the kernel.

Pure: everything that exists comes from `Facts`, which holds only what was shown to this
principal. A text that is not understood gets fewer proposals, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jupyter_govdata.query.text.outline import CURSOR, Group, grouped
from jupyter_govdata.query.text.proposals import LIMIT, Facts, Place, Proposal, asset_before
from jupyter_govdata.query.text.tokens import Token, tokenize_typed

_FRAGMENT = re.compile(
    r"""((?:(?:"(?:[^"]|"")*"|[^\W\d]\w*)\.)*)("(?:[^"]|"")*|\w*)\Z""", re.VERBOSE
)
_PARAMETER = re.compile(r"(?:(?<![\w:\])])[$:]|\{\{\s*)(?:[^\W\d]\w*)?\Z")
_BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_REST_OF_WORD = re.compile(r'\w*"?')
_PART = re.compile(r'"((?:[^"]|"")*)"|(\w+)')


@dataclass(frozen=True, slots=True)
class Completed:
    """Proposals, best first, in place of `fragment`, which ends at the cursor."""

    fragment: str = ""
    proposals: tuple[Proposal, ...] = ()


def complete(sql: str, offset: int, facts: Facts) -> Completed:
    """Return what may stand at a character offset of `sql`."""
    before = sql[:offset]
    tokens, open_at = tokenize_typed(before)
    if open_at is not None and before[open_at] != '"':
        return _in_string(sql, offset, tokens, open_at, facts)
    if open_at is None and _in_comment(before[tokens[-1].end if tokens else 0 :]):
        return Completed()
    parameter = _PARAMETER.search(before)
    if parameter is not None and not before.endswith("::"):
        return _parameters(parameter.group(), sql[offset:], facts)
    found = _FRAGMENT.search(before)
    assert found is not None  # it matches nothing, too
    path = tuple(_unquoted(part) for part in _PART.findall(found[1]))
    fragment = found[2]
    if fragment[:1].isdigit() or before[: found.start()].endswith("."):
        return Completed(fragment)  # a number, or a part of a value: f(x).part
    behind = sql[offset + len(_REST_OF_WORD.match(sql, offset).group()) :]  # type: ignore[union-attr]
    place = Place(_statement(before[: found.start()], behind), facts, path, fragment)
    return Completed(fragment, tuple(_limited(place.proposals(), fragment)))


def _statement(before: str, behind: str) -> Group:
    """Return the statement around the cursor as a tree of brackets."""
    place = len(before)
    tokens = tokenize_typed(before)[0]
    start = max((i + 1 for i, t in enumerate(tokens) if t.is_symbol(";")), default=0)
    after: list[Token] = []
    for token in tokenize_typed(behind)[0]:
        if token.is_symbol(";"):
            break
        after.append(token)
    return grouped([*tokens[start:], Token("symbol", CURSOR, place, place), *after])


def _in_string(sql: str, offset: int, tokens: list[Token], open_at: int, facts: Facts) -> Completed:
    """Complete the tag in ``AT (TAG => '...``; other strings and comments are the user's own."""
    fragment = sql[open_at + 1 : offset]
    values = [t.value.upper() for t in tokens[-4:]]
    if sql[open_at] != "'" or values[-4:] != ["AT", "(", "TAG", "=>"]:
        return Completed()
    asset = asset_before(tokens[:-4])
    found = [
        Proposal(tag, f"tag · {text}") for _, text, tags in facts.versions(asset) for tag in tags
    ]
    return Completed(fragment, tuple(_limited(found, fragment)))


def _in_comment(gap: str) -> bool:
    """Return whether what stands behind the last token ends inside a ``--`` comment."""
    return "--" in _BLOCK_COMMENT.sub("", gap).rpartition("\n")[2]


def _parameters(typed: str, behind: str, facts: Facts) -> Completed:
    name = typed.lstrip("${: \t\n")
    mark = typed[: len(typed) - len(name)]
    end = " }}" if mark.startswith("{{") and not behind.lstrip(" \t").startswith("}}") else ""
    found = [Proposal(f"{v}{end}", kind) for v, kind in sorted(facts.variables().items())]
    return Completed(name, tuple(_limited(found, name)))


def _limited(found: Iterable[Proposal], fragment: str) -> Iterator[Proposal]:
    """Yield what continues the fragment, each text once; without any, what has it inside."""
    wanted = fragment.strip('"').lower()
    seen: dict[str, Proposal] = {}
    inside: dict[str, Proposal] = {}
    for proposal in found:
        text = proposal.text.strip('"').lower()
        if text.startswith(wanted):
            seen.setdefault(proposal.text, proposal)
            if len(seen) >= LIMIT:
                break
        elif len(wanted) > 1 and any(f"{s}{wanted}" in text for s in "._") and not seen:
            inside.setdefault(proposal.text, proposal)
    yield from list((seen or inside).values())[:LIMIT]


def _unquoted(match: tuple[str, str]) -> str:
    return match[0].replace('""', '"') or match[1]
