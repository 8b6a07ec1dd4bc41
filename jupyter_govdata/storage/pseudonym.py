"""Pseudonyms: keyed, per purpose and identifier domain.

Runs in the gateway, the only place that has the key. The same person gets the same pseudonym in
every asset of one domain and purpose, so joins work; another one under another purpose, so two
purposes cannot be put together; and without the key nobody can try out identifiers.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LABEL = b"govdata pseudonym 1"
_LETTERS = 20
_LENGTH = len("p_") + _LETTERS
_ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype=np.uint8)
_WEIGHTS = np.array([16, 8, 4, 2, 1], dtype=np.uint8)
_REMEMBERED = 500_000


@dataclass(slots=True)
class _Known:
    """Identifiers of one domain that were met in this scan, and their pseudonyms."""

    values: pa.Array
    names: pa.Array


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
        self._known: dict[str, _Known] = {}
        self._remembered = 0

    def of(self, domain: str, value: str) -> str:
        """Return the pseudonym of one identifier, e.g. ``p_k3v...`` (22 characters)."""
        name: str = self._made(pa.array([value], pa.string()), domain)[0].as_py()
        return name

    def column(self, values: pa.Array, domain: str) -> pa.Array:
        """Return the pseudonyms of a column of canonical texts; NULL stays NULL."""
        encoded = values.dictionary_encode()
        distinct = encoded.dictionary
        known = self._known.get(domain)
        places = None if known is None else pc.index_in(distinct, value_set=known.values)
        if places is None or places.null_count:
            new = distinct if places is None else distinct.filter(places.is_null())
            known = self._remember(domain, new, distinct)
            places = pc.index_in(distinct, value_set=known.values)
        assert known is not None
        return known.names.take(places).take(encoded.indices)

    def rows(self, values: pa.Array, domains: pa.Array) -> pa.Array:
        """Return the pseudonyms for a domain that differs by row; NULL where either is NULL."""
        encoded = domains.dictionary_encode()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order], prepend=-2))
        pieces: list[pa.Array] = []
        for start, stop in zip(starts, [*starts[1:], len(order)], strict=True):
            code = int(codes[order[start]])
            if code < 0:
                pieces.append(pa.nulls(stop - start, pa.string()))
                continue
            group = values.take(pa.array(order[start:stop]))
            pieces.append(self.column(group, encoded.dictionary[code].as_py()))
        if not pieces:
            return pa.array([], pa.string())
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        return pa.concat_arrays(pieces).take(pa.array(back))

    def _remember(self, domain: str, new: pa.Array, all_now: pa.Array) -> _Known:
        """Make the pseudonyms of new identifiers and keep them for the scan's next batches."""
        names = self._made(new, domain)
        before = self._known.get(domain)
        if before is not None and self._remembered + len(new) <= _REMEMBERED:
            merged = _Known(
                pa.concat_arrays([before.values, new]), pa.concat_arrays([before.names, names])
            )
        else:
            if self._remembered + len(new) > _REMEMBERED:
                self._known.clear()
                self._remembered = 0
                names = self._made(all_now, domain) if len(all_now) != len(new) else names
                new = all_now
            merged = _Known(new, names)
        self._remembered += len(new)
        self._known[domain] = merged
        return merged

    def _subkey(self, domain: str) -> bytes:
        # SECURITY: lengths are part of the message, so no purpose and domain can be shifted
        # into another pair with the same subkey.
        parts = (self._purpose.encode(), domain.encode())
        message = b"".join(len(p).to_bytes(8, "big") + p for p in parts)
        return hmac.digest(self._key, _LABEL + message, "sha256")

    def _made(self, values: pa.Array, domain: str) -> pa.Array:
        """Return the pseudonyms of distinct identifiers: `p_` and 100 bits in base 32."""
        subkey = self._subkey(domain)
        digests = b"".join(_digests(subkey, values.cast(pa.binary()).to_pylist()))
        octets = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)[:, :13]
        bits = np.unpackbits(octets, axis=1)[:, : _LETTERS * 5].reshape(-1, _LETTERS, 5)
        letters = _ALPHABET[bits @ _WEIGHTS]
        text: np.ndarray[Any, np.dtype[np.uint8]] = np.empty((len(values), _LENGTH), np.uint8)
        text[:, 0], text[:, 1], text[:, 2:] = ord("p"), ord("_"), letters
        offsets = np.arange(0, len(text) * _LENGTH + 1, _LENGTH, dtype=np.int32)
        return pa.StringArray.from_buffers(
            len(text), pa.py_buffer(offsets.tobytes()), pa.py_buffer(text.tobytes())
        )


def _digests(key: bytes, messages: Iterable[bytes]) -> Iterator[bytes]:
    """Yield HMAC-SHA256 of each message; the key, of 32 bytes, is hashed once."""
    block = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
    for message in messages:
        first, second = inner.copy(), outer.copy()
        first.update(message)
        second.update(first.digest())
        yield second.digest()
