"""The inline policy that makes credentials fit a grant exactly, or none. Runs in the gateway.

Pure. SECURITY: a policy is written only where it means the granted files and nothing else to every
store. A key with a character that some store reads as a pattern or a variable gets none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_POLICY = 2_048
MAX_KEYS = 20
_UNSAFE = frozenset("*?$:\\%{}\"'")


@dataclass(frozen=True, slots=True)
class Scope:
    """Exactly the files of a grant.

    Args:
        prefix: Ends in ``/``; what lies below it is granted. Empty: the `keys` are.
        keys: Exact keys.
    """

    prefix: str = field(default="", repr=False)
    keys: tuple[str, ...] = field(default=(), repr=False)


def is_expressible(key: str) -> bool:
    """Return True if a policy can name the key and mean only it.

    ``* ?`` are patterns, ``$`` begins a variable, colon and backslash are misread by some stores,
    ``%`` may be decoded, and what is beyond Latin-1 is no character of a policy.
    """
    return bool(key) and all(c.isprintable() and c < "Ā" and c not in _UNSAFE for c in key)


def policy(bucket: str, scope: Scope) -> str | None:
    """Return the policy as JSON, None if the scope cannot be expressed exactly.

    A prefix allows to list what is below it; exact keys allow no listing.
    """
    names = (scope.prefix,) if scope.prefix else scope.keys
    if not names or not all(map(is_expressible, (bucket, *names))):
        return None
    arn = f"arn:aws:s3:::{bucket}"
    resources = [f"{arn}/{scope.prefix}*"] if scope.prefix else [f"{arn}/{k}" for k in scope.keys]
    statements: list[dict[str, object]] = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resources}
    ]
    if scope.prefix:
        if not scope.prefix.endswith("/"):
            # SECURITY: `trial-4*` is `trial-42` too.
            return None
        statements.append(
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": arn,
                "Condition": {"StringLike": {"s3:prefix": [f"{scope.prefix}*"]}},
            }
        )
    document = {"Version": "2012-10-17", "Statement": statements}
    # UPSTREAM: Ceph 16 does not turn `+` of a form body into a blank; as an escape it arrives.
    text = json.dumps(document, separators=(",", ":")).replace(" ", "\\u0020")
    return text if len(text) <= MAX_POLICY else None


def exact(bucket: str, keys: Sequence[str]) -> Scope | None:
    """Return the scope of a few exact keys, None if there are too many or one cannot be named."""
    unique = tuple(dict.fromkeys(keys))
    if len(unique) > MAX_KEYS:
        return None
    scope = Scope(keys=unique)
    return scope if policy(bucket, scope) else None


def folder(keys: Sequence[str]) -> str:
    """Return the longest prefix ending in ``/`` that all keys have, or empty."""
    if not keys:
        return ""
    low, high = min(keys), max(keys)
    same = 0
    while same < min(len(low), len(high)) and low[same] == high[same]:
        same += 1
    return low[: low.rfind("/", 0, same) + 1]
