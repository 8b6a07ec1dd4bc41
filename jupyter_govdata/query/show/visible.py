"""Text of strangers made safe to look at, and how wide a terminal shows it. Runs in the kernel.

SECURITY: cell values and names are data. What a reader cannot see, or what moves other text
about (control characters, direction overrides, zero-width and blank look-alikes), is shown as an
escape. Joiners stay where scripts and emoji need them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_EMOJI_STYLE = "\ufe0f"
_LEFT_TO_RIGHT = "\u200e"
# Printable by Unicode's tables, yet nothing or a blank on the screen.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_MARKS_IN_A_ROW = 4
_SKIN = range(0x1F3FB, 0x1F400)


def visible(text: str) -> str:
    r"""Return the text with everything escaped that does not show as what it is.

    >>> visible("a\n\x1b[31m")
    'a\\n\\x1b[31m'
    """
    return "".join(piece for piece, _ in pieces(text))


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    r"""Yield runs of the text that can be shown, and escapes (True) of what cannot.

    >>> list(pieces("a\tb"))
    [('a', False), ('\\t', True), ('b', False)]
    """
    if text.isascii() and text.isprintable():
        if text:
            yield text, False
        return
    start = marks = 0
    for i, c in enumerate(text):
        marks = marks + 1 if unicodedata.category(c) in ("Mn", "Me") else 0
        if marks <= _MARKS_IN_A_ROW and _is_shown(text, i, c):
            continue
        if start < i:
            yield text[start:i], False
        yield c.encode("unicode_escape").decode(), True
        start = i + 1
    if start < len(text):
        yield text[start:], False


def _is_shown(text: str, i: int, c: str) -> bool:
    if c in (_ZWJ, _ZWNJ):
        return 0 < i < len(text) - 1 and _may_join(text[i - 1], text[i + 1], c)
    if "\ufe00" <= c <= "\ufe0f" or "\U000e0100" <= c <= "\U000e01ef":
        return i > 0 and unicodedata.category(text[i - 1])[0] in "SLNP"
    return c.isprintable() and c not in _BLANK


def _may_join(before: str, after: str, joiner: str) -> bool:
    """Return whether a joiner has a meaning there: in emoji, in Arabic and Indic scripts."""
    if joiner == _ZWJ and (before == _EMOJI_STYLE or _is_emoji(before)) and _is_emoji(after):
        return True
    return all("\u0600" <= c <= "\u0fff" and c.isprintable() for c in (before, after))


def _is_emoji(c: str) -> bool:
    return unicodedata.category(c) in ("So", "Sk") and c > "\u2100"


def is_right_to_left(text: str) -> bool:
    """Return whether the text holds a character that is written from right to left.

    >>> is_right_to_left("שלום"), is_right_to_left("12")
    (True, False)
    """
    return not text.isascii() and any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)


def kept_apart(text: str) -> str:
    """Return text for a terminal, closed off so that it does not pull the next cell around."""
    return text + _LEFT_TO_RIGHT if is_right_to_left(text) else text


def width(text: str) -> int:
    """Return how many columns a terminal needs for text that `visible` has passed.

    >>> width("患者"), width("é"), width("👩‍🔬")
    (4, 1, 2)
    """
    return len(text) if text.isascii() else sum(w for _, w in _clusters(text))


def cut(text: str, limit: int) -> str:
    """Return the text, or its head and ``…``, in at most `limit` columns (1 or more).

    >>> cut("patients", 5)
    'pati…'
    """
    if width(text) <= limit:
        return text
    if text.isascii():
        return text[: limit - 1] + "…"
    kept, used = [], 0
    for cluster, wide in _clusters(text):
        used += wide
        if used > limit - 1:
            break
        kept.append(cluster)
    return "".join(kept) + "…"


def _clusters(text: str) -> Iterator[tuple[str, int]]:
    """Yield what is shown as one character, with its columns."""
    cluster, wide, joined = "", 0, False
    for c in text:
        if cluster and (joined or _goes_on(cluster, c)):
            cluster += c
            if c == _EMOJI_STYLE and unicodedata.category(cluster[0]) != "Nd":
                wide = 2
            joined = c == _ZWJ
            continue
        if cluster:
            yield cluster, wide
        cluster, wide, joined = c, _columns(c), False
    if cluster:
        yield cluster, wide


def _goes_on(cluster: str, c: str) -> bool:
    return _columns(c) == 0 or (ord(c) in _SKIN and _is_emoji(cluster[0]))


def _columns(c: str) -> int:
    if unicodedata.category(c) in ("Mn", "Me", "Cf") or "\u1160" <= c <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(c) in "WF" else 1
