"""Pseudonyms: keyed, per purpose and identifier domain.

Runs in the gateway, the only place that has the key. The same person gets the same pseudonym in
every asset of one domain and purpose, so joins work; another one under another purpose, so two
purposes cannot be put together; and without the key nobody can try out identifiers.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence

import pyarrow as pa

_LABEL = b"govdata pseudonym 1"
_LETTERS = 20
_REMEMBERED = 500_000


class Pseudonyms:
    """Pseudonyms for one purpose.

    Args:
        key: The lake's pseudonym key, at least 16 bytes.
        purpose: Declared purpose.

    Raises:
        ValueError: The key is too short.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        if len(key) < 16:
            raise ValueError("a pseudonym key has at least 16 bytes")
        self._key, self._purpose = key, purpose
        self._subkeys: dict[str, bytes] = {}
        self._known: dict[tuple[str, str], str] = {}

    def of(self, domain: str, value: str) -> str:
        """Return the pseudonym of an identifier, e.g. ``p_k3v...`` (22 characters)."""
        pair = domain, value
        found = self._known.get(pair)
        if found is None:
            digest = hmac.digest(
                self._subkey(domain), value.encode("utf-8", "surrogatepass"), "sha256"
            )
            found = f"p_{base64.b32encode(digest)[:_LETTERS].decode().lower()}"
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[pair] = found
        return found

    def _subkey(self, domain: str) -> bytes:
        found = self._subkeys.get(domain)
        if found is None:
            # SECURITY: lengths are part of the message, so no purpose and domain can be shifted
            # into another pair with the same subkey.
            parts = (self._purpose.encode(), domain.encode())
            message = b"".join(len(p).to_bytes(8, "big") + p for p in parts)
            if len(self._subkeys) >= 10_000:
                self._subkeys.clear()
            found = self._subkeys[domain] = hmac.digest(self._key, _LABEL + message, "sha256")
        return found

    def column(self, values: pa.Array, domain: str) -> pa.Array:
        """Return the pseudonyms of a column of canonical texts; NULL stays NULL."""
        encoded = values.dictionary_encode()
        shown = pa.array([self.of(domain, v) for v in encoded.dictionary.to_pylist()], pa.string())
        return shown.take(encoded.indices)

    def rows(self, values: pa.Array, domains: pa.Array) -> pa.Array:
        """Return the pseudonyms for a domain that differs by row; NULL where either is NULL."""
        pairs: Sequence[tuple[str | None, str | None]] = list(
            zip(domains.to_pylist(), values.to_pylist(), strict=True)
        )
        return pa.array(
            [None if d is None or v is None else self.of(d, v) for d, v in pairs], pa.string()
        )
