"""Find out how a text is encoded, and bring it to UTF-8 without losing a byte.

Runs in the client process; trusts nothing. UTF-8 needs no proof beyond being valid. For bytes
that are not, the candidates are judged by what their characters stand beside; the choice is
always reported, because one byte alone proves nothing.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from jupyter_govdata.errors import LoadError

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CANDIDATES = ("cp1252", "mac_roman", "latin-1")
_AROUND = 12
_SAMPLES = 2_000


def known(name: str) -> str:
    """Return the canonical name of an encoding that the user gave.

    Raises:
        LoadError: Unknown to Python.
    """
    try:
        info = codecs.lookup(name)
        if not getattr(info, "_is_text_encoding", True):
            raise LookupError(name)
    except LookupError as exc:
        raise LoadError(
            f"`{name[:100]}` is not an encoding",
            hint="use utf-8, utf-16, latin-1, cp1252, mac_roman or another name that Python knows",
        ) from exc
    return info.name


def by_head(head: bytes) -> str:
    """Return the encoding that the first bytes show: by a mark, or UTF-16 by its zeros."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    sample = head[:4096]
    if len(sample) >= 4 and sample[1::2].count(0) > len(sample) // 4 and not sample[::2].count(0):
        return "utf-16-le"
    if len(sample) >= 4 and sample[::2].count(0) > len(sample) // 4 and not sample[1::2].count(0):
        return "utf-16-be"
    return "utf-8"


def to_utf8(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the text as UTF-8.

    A byte that does not fit `encoding` becomes a sequence that is *not* valid UTF-8, so that the
    row it stands in is refused later instead of being mangled here. UTF-8 passes through.

    Raises:
        LoadError: UTF-16 or UTF-32 that is cut or broken.
    """
    if encoding in ("utf-8", "ascii"):
        yield from pieces
        return
    if encoding == "utf-8-sig":
        first = next(pieces, b"")
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)(
        "strict" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
    )
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode("utf-8", "surrogatepass")
        yield decoder.decode(b"", True).encode("utf-8", "surrogatepass")
    except UnicodeError as exc:
        raise LoadError(
            f"the text is not valid `{encoding}`", hint="say which one it is with `encoding`"
        ) from exc


def is_utf8(data: bytes) -> bool:
    """Return True if all bytes are valid UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(slots=True)
class Census:
    """What the bytes beyond ASCII look like, over a whole file.

    Args:
        stray: Bytes that are not valid UTF-8.
        multibyte: Characters beyond ASCII that are.
        contexts: The first stray bytes with what stands around them.
    """

    stray: int = 0
    multibyte: int = 0
    contexts: list[tuple[bytes, int]] = field(default_factory=list)

    def observe(self, line: bytes) -> None:
        """Take in a line, or any piece that does not cut a character."""
        if line.isascii():
            return
        at = 0
        while at < len(line):
            try:
                text = line[at:].decode("utf-8")
            except UnicodeDecodeError as exc:
                self.multibyte += sum(b > 0x7F for b in line[at : at + exc.start])
                place = at + exc.start
                self.stray += 1
                if len(self.contexts) < _SAMPLES:
                    begin = max(0, place - _AROUND)
                    self.contexts.append((line[begin : place + _AROUND], place - begin))
                at = place + 1
            else:
                self.multibyte += sum(ord(c) > 0x7F for c in text)
                return

    def verdict(self) -> tuple[str, str]:
        """Return the encoding and a note on how it was found ("" for clean UTF-8)."""
        if not self.stray:
            return "utf-8", ""
        if self.multibyte > self.stray:
            return "utf-8", (
                f"the text is UTF-8 but for {self.stray} bytes; rows with such a byte are set aside"
            )
        scores = {name: self._score(name) for name in _CANDIDATES}
        best = max(_CANDIDATES, key=lambda name: scores[name])
        signs = sorted({self._sign(context, at, best) for context, at in self.contexts[:50]})
        others = ", ".join(f"`{n}`" for n in _CANDIDATES if n != best)
        return best, (
            f"the text is not UTF-8; {self.stray} byte{'s' if self.stray > 1 else ''} beyond ASCII"
            f" read best as `{best}` ({' '.join(signs[:10])}); if that is wrong say `encoding`,"
            f" e.g. {others}"
        )

    @staticmethod
    def _sign(context: bytes, at: int, encoding: str) -> str:
        return context[at : at + 1].decode(encoding, "replace")

    def _score(self, encoding: str) -> float:
        return sum(
            _plausible(
                context[:at].decode(encoding, "replace")[-1:],
                self._sign(context, at, encoding),
                context[at + 1 :].decode(encoding, "replace")[:1],
            )
            for context, at in self.contexts
        )


def _plausible(before: str, sign: str, after: str) -> float:
    """Return how well a character goes with its neighbours; more is better."""
    category = unicodedata.category(sign)
    if sign == "\ufffd" or category == "Cc":
        return -10.0
    if category.startswith("L"):
        beside = before.isalpha() + after.isalpha()
        shouting = sign.isupper() and before.islower()
        return -3.0 if shouting else (-1.0, 1.0, 2.0)[beside]
    if sign in "²³¹":
        return 2.0 if before.isalnum() or before == ")" else -2.0
    if sign in "≥≤±≠≈×÷":
        return 1.5 if after.isdigit() or after == " " else 0.5
    if sign in "°µ":
        return 2.0 if before.isdigit() or before in " (" or after.isalpha() else 0.5
    if sign in "‘’“”–—…•":
        return 1.0
    if sign == "\xa0" or category == "Zs":
        return 0.5
    return -0.5 if category.startswith("S") else 0.0
