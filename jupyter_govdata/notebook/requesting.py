"""Access requests as ``%govdata`` shows them. Runs in the kernel.

Texts of requesters come from strangers: they are cells of a listing, which shows them as text.
"""

from __future__ import annotations

import datetime as dt
from argparse import Namespace
from typing import TYPE_CHECKING

from jupyter_govdata.errors import ConfigError
from jupyter_govdata.model.request import AccessRequest, RequestPage
from jupyter_govdata.notebook.listing import Listing

if TYPE_CHECKING:
    from jupyter_govdata.session import Session

_NEXT = {
    "open": "a steward decides it; `%govdata requests` shows what became of it",
    "approved": "it works from now on, under this purpose and until then",
    "refused": "it opens nothing",
    "withdrawn": "it opens nothing any more",
    "expired": "ask again with `%govdata request`",
}


def ask(session: Session, arguments: Namespace) -> Listing:
    """Ask for access to an asset."""
    made = session.request_access(
        arguments.asset,
        purpose=arguments.purpose,
        scope=arguments.scope,
        reason=arguments.reason,
        until=end(arguments.until),
    )
    return request_listing(made)


def look(session: Session, arguments: Namespace) -> Listing:
    """Show requests, or what can be asked for, or take a request back."""
    if (arguments.box == "withdraw") != (arguments.id is not None):
        raise ConfigError(
            "only `withdraw` takes the id of a request", hint="`%govdata requests withdraw ID`"
        )
    match arguments.box:
        case "withdraw":
            return request_listing(session.withdraw_request(arguments.id))
        case "scopes":
            rows = [(scope.name, scope.description) for scope in session.request_scopes()]
            note = "ask for one with `%govdata request ASSET --scope NAME`"
            empty = "this lake has no request template: asking works, approving does not"
            return Listing(("scope", "opens"), tuple(rows), (note if rows else empty,))
        case box:
            return page_listing(session.requests(box, state=arguments.state), box)


def approve(session: Session, arguments: Namespace) -> Listing:
    """Approve a request."""
    done = session.approve(
        arguments.id,
        reason=arguments.reason,
        scope=arguments.scope,
        until=end(arguments.until),
    )
    return request_listing(done)


def refuse(session: Session, arguments: Namespace) -> Listing:
    """Refuse a request, or take an approval back."""
    return request_listing(session.refuse(arguments.id, reason=arguments.reason))


def request_listing(request: AccessRequest) -> Listing:
    """Return a request as ``name value`` rows."""
    facts = (
        ("request", request.id),
        ("asset", request.asset),
        ("principal", request.principal),
        ("purpose", request.purpose),
        ("scope", request.scope),
        ("reason", request.reason),
        ("state", request.state),
        ("until", shown_moment(request.until)),
        ("decided by", request.decided_by),
        ("answer", request.decision_reason),
    )
    rows = tuple((name, value) for name, value in facts if value)
    return Listing(("", "value"), rows, (request.note or _NEXT[request.state],))


def page_listing(page: RequestPage, box: str) -> Listing:
    """Return one row a request."""
    inbox = box == "inbox"
    header = ("request", "asset", *(("who",) if inbox else ()), "purpose", "scope", "state")
    header = (*header, "until", "reason", "answer")
    rows = [
        (
            r.id,
            r.asset,
            *((r.principal,) if inbox else ()),
            r.purpose,
            r.scope,
            r.state,
            shown_moment(r.until),
            r.reason,
            " ".join(filter(None, (r.decision_reason, r.decided_by and f"({r.decided_by})"))),
        )
        for r in page.requests
    ]
    return Listing(header, tuple(rows), tuple(_notes(page, inbox=inbox)))


def _notes(page: RequestPage, *, inbox: bool) -> list[str]:
    notes = [f"{r.id}: {r.note}" for r in page.requests if r.note]
    if not page.requests:
        notes.append("nothing is yours to decide" if inbox else "you have not asked for anything")
    if page.total > len(page.requests):
        notes.append(f"the newest {len(page.requests)} of {page.total}")
    if inbox and page.to_decide:
        notes.append(
            "`%govdata approve ID` or `%govdata refuse ID --reason TEXT`; an approval opens what"
            " the request template says, no more"
        )
    elif page.to_decide:
        notes.append(f"{page.to_decide} for you to decide: `%govdata requests inbox`")
    return notes


def shown_moment(moment: dt.datetime | None) -> str:
    """Return a moment for people, in UTC."""
    return "" if moment is None else f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M}"


def end(text: str | None) -> dt.datetime | str | None:
    """Return what ``--until`` names: a date or time (UTC unless it says otherwise), or a length."""
    if text is None:
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return text
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
