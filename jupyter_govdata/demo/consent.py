"""The made-up consent register of the demo: a rule, not data.

Runs in the client; pure. Nobody was asked: the persons of the crosswalk are real (and their data
public), their answers are not. The rule is a hash, so every build gives the same register and a
test can recompute it without this module:

    n = the first 8 hexadecimal digits of SHA-256("demo-consent|" + person_key + "|" + purpose),
        as a number, modulo 100

    ================  ==========  ===========  ==================
    purpose           given       withdrawn    never asked
    ================  ==========  ===========  ==================
    research          n < 80      80 <= n < 90  90 <= n
    model_training    n < 60      60 <= n < 75  75 <= n
    commercial        n < 20      20 <= n < 40  40 <= n
    ================  ==========  ===========  ==================

Whoever withdrew has two rows: given, and withdrawn some time later. Never asked means no row.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import Any

RULE = {"research": (80, 90), "model_training": (60, 75), "commercial": (20, 40)}
"""Purpose -> (below: given, below: withdrawn)."""

FIRST_DAY = dt.datetime(2023, 1, 2, 9, tzinfo=dt.UTC)
SOURCE = "made up: rule of jupyter_govdata.demo.consent"


def draw(person_key: str, purpose: str) -> int:
    """Return the number from 0 to 99 that decides for a person and a purpose."""
    digest = hashlib.sha256(f"demo-consent|{person_key}|{purpose}".encode()).hexdigest()
    return int(digest[:8], 16) % 100


def status(person_key: str, purpose: str) -> str | None:
    """Return ``given``, ``withdrawn``, or None for a person who was never asked."""
    given, withdrawn = RULE[purpose]
    number = draw(person_key, purpose)
    if number < given:
        return "given"
    return "withdrawn" if number < withdrawn else None


def register(persons: Iterable[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of everybody who was asked, and the later rows of those who withdrew.

    Both are sorted by person and purpose.
    """
    asked: list[dict[str, Any]] = []
    withdrawn: list[dict[str, Any]] = []
    for person in sorted(set(persons)):
        for purpose in sorted(RULE):
            answer = status(person, purpose)
            if answer is None:
                continue
            day = int(hashlib.sha256(f"demo-day|{person}".encode()).hexdigest()[:8], 16) % 600
            when = FIRST_DAY + dt.timedelta(days=day)
            asked.append(_row(person, purpose, "given", when))
            if answer == "withdrawn":
                later = when + dt.timedelta(days=30 + draw(person, purpose))
                withdrawn.append(_row(person, purpose, "withdrawn", later))
    return asked, withdrawn


def _row(person: str, purpose: str, answer: str, when: dt.datetime) -> dict[str, Any]:
    return {
        "person_key": person,
        "purpose": purpose,
        "status": answer,
        "recorded_at": when,
        "source": SOURCE,
    }
