"""The policy state of one epoch and the decisions made under it. Runs in the gateway.

A state never changes; a new epoch makes a new one. Decisions are cached per state, so a cached
decision cannot outlive its epoch.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_govdata import __version__
from jupyter_govdata.ledger import Ledger
from jupyter_govdata.model.asset import Asset
from jupyter_govdata.model.decision import Action, Decision
from jupyter_govdata.model.wire import canonical_json
from jupyter_govdata.policy.engine import PolicyEngine
from jupyter_govdata.policy.governance import Governance, read_governance
from jupyter_govdata.policy.templates import linked

CACHED_DECISIONS = 20_000
COMPILED = ".compiled.json"
"""Stored beside the governance files: what they parse to, so that a start need not parse them."""


def _digest(files: Mapping[str, str]) -> str:
    texts = {name: text for name, text in files.items() if name != COMPILED}
    return hashlib.sha256(canonical_json(texts)).hexdigest()


def with_compiled(files: Mapping[str, str], governance: Governance) -> dict[str, str]:
    """Return the files with their parsed form beside them; a given one is replaced."""
    made = {"by": __version__, "of": _digest(files), "is": governance.to_json()}
    return {**files, COMPILED: canonical_json(made).decode()}


def governance_of(files: Mapping[str, str]) -> Governance:
    """Return what stored governance files say.

    The parsed form counts only if this version of the package made it of exactly these files.

    Raises:
        PolicyFileError: The files do not parse.
    """
    made = json.loads(files.get(COMPILED, "{}"))
    if made.get("by") == __version__ and made.get("of") == _digest(files):
        return Governance.from_json(made["is"])
    return read_governance({k: v for k, v in files.items() if k != COMPILED})


@dataclass(slots=True)
class PolicyState:
    """Policies, principals and cards of one epoch, with the decisions made so far."""

    epoch: int
    governance: Governance
    assets: Mapping[str, Asset]
    engine: PolicyEngine
    _cache: OrderedDict[tuple[str, str, str, str, int], Decision] = field(
        default_factory=OrderedDict
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def decide(
        self, principal: str, action: Action, resource: str, purpose: str, now: dt.datetime
    ) -> Decision:
        """Return the decision, from the cache where it still holds.

        Raises:
            RefusalError: Unknown principal or purpose.
        """
        second = int(now.timestamp())
        for stamp in (0, second):
            found = self._cache.get((principal, action, resource, purpose, stamp))
            if found is not None:
                return found
        if action in ("select", "open"):
            decision = self.engine.decide(principal, purpose, resource, now, action)
        else:
            decision = self.engine.allows(principal, action, resource, purpose, now)
        stamp = second if decision.now_dependent else 0
        with self._lock:
            self._cache[principal, action, resource, purpose, stamp] = decision
            while len(self._cache) > CACHED_DECISIONS:
                self._cache.popitem(last=False)
        return decision


class PolicyStates:
    """Gives the state of the current epoch, rebuilding it when the epoch moved."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._state: PolicyState | None = None

    def current(self) -> PolicyState:
        """Return the state of the ledger's epoch at this moment.

        Raises:
            PolicyFileError: The stored governance files do not parse: nothing is permitted then.
        """
        epoch = self._ledger.epoch()
        state = self._state
        if state is not None and state.epoch == epoch:
            return state
        with self._lock:
            if self._state is None or self._state.epoch != epoch:
                stored = self._ledger.state()
                governance = linked(governance_of(stored.files), stored.approved)
                before = self._state.engine if self._state is not None else None
                engine = PolicyEngine.build(stored.epoch, governance, stored.cards, before)
                self._state = PolicyState(stored.epoch, governance, stored.cards, engine)
            return self._state
