"""Access requests and what was decided on them. Runs in the gateway.

Who may ask or decide is the caller's question. What is kept here is that a request is asked once,
decided once from the state that the decider saw, and that each step leaves an audit record in
the same transaction. A step that changes what somebody may read raises the epoch.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, bindparam, func, insert, select, update

from jupyter_govdata.errors import CatalogError, LimitError, StaleDecisionError
from jupyter_govdata.ledger.audit import append_in
from jupyter_govdata.ledger.governance import Governance
from jupyter_govdata.ledger.records import AuditRecord, storable, timestamp
from jupyter_govdata.ledger.request_rows import in_state, request_of, row_of, stamp
from jupyter_govdata.ledger.schema import epochs, requests
from jupyter_govdata.ledger.store import Store, store_error
from jupyter_govdata.model.request import AccessRequest, RequestState

MOST_OPEN = 100
"""Open requests that one principal may have."""
Outcome = Literal["approved", "refused", "withdrawn"]

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
_VERBS: Mapping[Outcome, str] = {
    "approved": "approve_request",
    "refused": "refuse_request",
    "withdrawn": "withdraw_request",
}
# Asked at every keystroke of a search: written once, for to write it takes longer than to run it.
_PENDING = select(requests.c.asset).where(
    requests.c.principal == bindparam("principal"),
    requests.c.purpose == bindparam("purpose"),
    in_state("open", bindparam("now")),
)


class Requests:
    """The access requests of one store."""

    def __init__(self, store: Store, governance: Governance) -> None:
        self._store = store
        self._governance = governance

    def ask(self, asked: AccessRequest) -> AccessRequest:
        """Keep an open request under a new id, or return the one that asks the same already.

        Raises:
            LimitError: The principal has too many open requests.
        """
        t = requests.c
        still = and_(t.principal == asked.principal, in_state("open", asked.requested_at))
        with self._store.write() as conn:
            epoch = _locked_epoch(conn)
            row = conn.execute(
                select(requests)
                .where(still, t.asset == asked.asset, t.purpose == asked.purpose)
                .limit(1)
            ).one_or_none()
            if row is not None:
                return request_of(row._mapping, asked.requested_at)
            count = conn.execute(select(func.count()).select_from(requests).where(still)).scalar()
            if (count or 0) >= MOST_OPEN:
                raise LimitError(
                    f"you have {MOST_OPEN} open requests",
                    hint="withdraw one, or wait until a steward decides",
                )
            made = replace(asked, id=_new_id(conn), state="open")
            conn.execute(insert(requests).values(**row_of(made)))
            _record(conn, made, made.principal, "request_access", epoch, made.requested_at)
        return made

    def get(self, request_id: str, now: dt.datetime) -> AccessRequest | None:
        """Return a request as it is at a moment."""
        with self._store.read() as conn:
            row = conn.execute(select(requests).where(requests.c.id == request_id)).one_or_none()
        return None if row is None else request_of(row._mapping, now)

    def find(
        self,
        now: dt.datetime,
        *,
        state: RequestState | None = None,
        principal: str | None = None,
        assets: Collection[str] | None = None,
        without: Collection[str] = (),
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[int, tuple[AccessRequest, ...]]:
        """Return how many requests there are, and some of them, the newest first.

        Args:
            now: The moment that `state` is of.
            state: In this state only.
            principal: Of this principal only.
            assets: On these assets only.
            without: Not of these principals.
            offset: How many to leave out.
            limit: How many to return.
        """
        t = requests.c
        wanted: list[ColumnElement[bool]] = []
        if state is not None:
            wanted.append(in_state(state, now))
        if principal is not None:
            wanted.append(t.principal == principal)
        if assets is not None:
            wanted.append(t.asset.in_(sorted(assets)))
        if without:
            wanted.append(t.principal.not_in(sorted(without)))
        order = (t.requested_at.desc(), t.id)
        with self._store.read() as conn:
            total = conn.execute(select(func.count()).select_from(requests).where(*wanted)).scalar()
            rows = conn.execute(
                select(requests).where(*wanted).order_by(*order).offset(offset).limit(limit)
            )
            return int(total or 0), tuple(request_of(row._mapping, now) for row in rows)

    def pending(self, principal: str, purpose: str, now: dt.datetime) -> frozenset[str]:
        """Return the names of the assets for which a principal has an open request."""
        asked = {"principal": principal, "purpose": purpose, "now": timestamp(now)}
        with self._store.read() as conn:
            return frozenset(conn.execute(_PENDING, asked).scalars())

    def assets(self) -> tuple[str, ...]:
        """Return the names of the assets that anybody ever asked for."""
        with self._store.read() as conn:
            return tuple(conn.execute(select(requests.c.asset).distinct()).scalars())

    def settle(
        self,
        was: AccessRequest,
        outcome: Outcome,
        *,
        by: str,
        reason: str,
        now: dt.datetime,
        epoch: int,
        scope: str | None = None,
        until: dt.datetime | None = None,
    ) -> AccessRequest:
        """Write down what became of a request, and return it.

        Args:
            was: The request as it was decided on.
            outcome: What it becomes.
            by: Principal id.
            reason: Why.
            now: When.
            epoch: Version of the policy state that permitted this.
            scope: As approved; kept as it was by default.
            until: As approved; kept as it was by default.

        Raises:
            CatalogError: Somebody decided it meanwhile.
            StaleDecisionError: The policy state changed meanwhile.
        """
        done = replace(
            was,
            state=outcome,
            decided_by=by,
            decided_at=now,
            decision_reason=reason,
            scope=was.scope if scope is None else scope,
            until=was.until if until is None else until,
        )

        def write(conn: Connection) -> str:
            if _locked_epoch(conn) != epoch:
                raise StaleDecisionError(
                    "the policy changed while the request was decided", hint="decide it again"
                )
            t = requests.c
            same = (t.id == was.id, in_state(was.state, now))
            values = {k: v for k, v in row_of(done).items() if k not in ("id", "requested_at")}
            if conn.execute(update(requests).where(*same).values(**values)).rowcount != 1:
                raise CatalogError(
                    f"request `{was.id}` was decided meanwhile", hint="look at it again"
                )
            return _told(done)

        verb = _VERBS[outcome]
        if outcome == "approved" or was.state == "approved":
            self._governance.change(verb, by, write, asset=was.asset, content=_facts(done))
        else:
            with self._store.write() as conn:
                write(conn)
                _record(conn, done, by, verb, epoch, now)
        return done


def _locked_epoch(conn: Connection) -> int:
    """Return the epoch; until the transaction ends nobody else writes to the store."""
    epoch = conn.execute(
        select(epochs.c.epoch).where(epochs.c.id == 1).with_for_update()
    ).scalar_one_or_none()
    if epoch is None:
        raise store_error("written")
    return int(epoch)


def _new_id(conn: Connection) -> str:
    # SECURITY: not a running number, which would tell everybody how many others ask.
    while True:
        found = "".join(secrets.choice(_ALPHABET) for _ in range(6))
        taken = conn.execute(select(requests.c.id).where(requests.c.id == found)).one_or_none()
        if taken is None:
            return found


def _facts(request: AccessRequest) -> dict[str, Any]:
    # The reasons stay in the store: what people write may name a patient, and no audit record
    # can be taken back.
    return {
        "request": request.id,
        "principal": request.principal,
        "purpose": request.purpose,
        "scope": request.scope,
        "until": stamp(request.until),
    }


def _told(request: AccessRequest) -> str:
    end = f" until {timestamp(request.until)}" if request.until else ""
    return (
        f"request {request.id} of `{request.principal}` for `{request.asset}` under"
        f" `{request.purpose}` {request.state}{end}"
    )


def _record(
    conn: Connection, request: AccessRequest, by: str, verb: str, epoch: int, now: dt.datetime
) -> None:
    record = AuditRecord(
        when=now,
        principal=by,
        action=verb,
        asset=request.asset,
        purpose=request.purpose,
        decision_id="",
        permitted=True,
        reason="changed",
        epoch=epoch,
        detail=_facts(request),
    )
    append_in(conn, [storable(record)])
