"""The Arrow Flight face of the gateway: tokens in, governed batches out.

Runs in the gateway; every byte it reads comes from somebody who may be an attacker. Protocol:
docs/reference/wire.md.
"""

from __future__ import annotations

import datetime as dt
import hmac
import itertools
import logging
import secrets
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import flight

from jupyter_govdata.errors import (
    AuthenticationError,
    GatewayError,
    GovDataError,
    LimitError,
    ProtocolError,
)
from jupyter_govdata.gateway.actions import ACTIONS
from jupyter_govdata.gateway.composer import Gateway
from jupyter_govdata.gateway.filing_actions import stream_files, streams_files
from jupyter_govdata.gateway.heeding import heeding, still_wanted
from jupyter_govdata.gateway.load_message import load_request, texts
from jupyter_govdata.gateway.scans import PreparedScan
from jupyter_govdata.gateway.whole import message as in_one_message
from jupyter_govdata.gateway.whole import told, whole
from jupyter_govdata.model.files import TableFiles
from jupyter_govdata.model.wire import (
    canonical_json,
    parse_json,
    request_from_wire,
    to_wire,
)

log = logging.getLogger("jupyter_govdata.gateway")

DIRECT = b"scan:"
ACT = b"act:"
ANSWER = pa.schema([])
AHEAD_ROWS = 2_000_000
"""Scans of at most so many planned rows are read before their record is durable."""
MAX_TICKET = 4_096


def flight_error(error: BaseException) -> flight.FlightError:
    """Return the wire form of an error.

    A `GovDataError` travels whole. Anything else is logged here under a reference and tells the
    client only that reference.
    """
    # SECURITY: foreign messages may hold paths, values or SQL; they stay in the gateway's log.
    if not isinstance(error, GovDataError):
        reference = secrets.token_hex(4)
        log.error("failure %s", reference, exc_info=error)
        error = GatewayError(
            "the gateway failed inside",
            hint=f"tell its operator the reference {reference}",
        )
    kind = (
        flight.FlightUnauthenticatedError
        if isinstance(error, AuthenticationError)
        else flight.FlightServerError
    )
    return kind(error.message, extra_info=canonical_json(error.to_wire()))


class _Caller(flight.ServerMiddleware):
    def __init__(self, principal: str) -> None:
        self.principal = principal


class _Authenticate(flight.ServerMiddlewareFactory):
    """Turns the bearer token of every call into a principal; without one there is no call."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def start_call(self, info: flight.CallInfo, headers: dict[str, list[str]]) -> _Caller:
        try:
            values = headers.get("authorization", [])
            if len(values) != 1:
                raise AuthenticationError("the call carries no token")
            claims = self._gateway.identity.authenticate(values[0])
            return _Caller(claims.principal)
        except BaseException as exc:
            self._gateway.metrics.refused("authentication")
            raise flight_error(exc) from None


class Server(flight.FlightServerBase):
    """Serves one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        config = gateway.config
        tls = []
        if config.tls is not None:
            pair = config.tls.certificate, config.tls.key
            tls = [tuple(Path(path).read_bytes() for path in pair)]
        super().__init__(
            config.listen,
            tls_certificates=tls or None,
            middleware={"caller": _Authenticate(gateway)},
        )
        self._gateway = gateway
        scheme, _, rest = config.listen.partition("://")
        self.address = f"{scheme}://{rest.rsplit(':', 1)[0]}:{self.port}"

    @staticmethod
    def _principal(context: flight.ServerCallContext) -> str:
        caller = context.get_middleware("caller")
        if caller is None:
            raise AuthenticationError("the call carries no token")
        principal: str = caller.principal
        return principal

    def _guarded(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except flight.FlightError:
            raise
        except BaseException as exc:
            if isinstance(exc, GovDataError):
                self._gateway.metrics.refused(exc.code)
            raise flight_error(exc) from None

    # -- scans -------------------------------------------------------------------------------

    def get_flight_info(
        self, context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Decide and plan the scan request in the descriptor's command."""
        return self._guarded(lambda: self._scan_info(self._principal(context), descriptor))

    def _scan_info(self, principal: str, descriptor: flight.FlightDescriptor) -> flight.FlightInfo:
        command = self._command(descriptor)
        prepared = self._gateway.scans.prepare(principal, request_from_wire(command))
        endpoints = [flight.FlightEndpoint(ticket, []) for ticket in self._tickets(prepared)]
        # The receipt comes with the plan too: a reader who needs only the first rows stops
        # before the end of the stream, and what was read must be provable all the same.
        receipt = canonical_json(to_wire(prepared.receipt))
        # SECURITY: totals would count rows that a row filter hides (T31): never sent.
        return flight.FlightInfo(
            prepared.schema, descriptor, endpoints, -1, -1, app_metadata=receipt
        )

    def _tickets(self, prepared: PreparedScan, first: int = 0) -> list[bytes]:
        return [
            self._gateway.tickets.seal(
                {"scan": prepared.scan_id, "part": part}, prepared.principal, prepared.expires
            )
            for part in range(first, prepared.parts)
        ]

    def _command(self, descriptor: flight.FlightDescriptor) -> bytes:
        if descriptor.descriptor_type != flight.DescriptorType.CMD:
            raise ProtocolError("a descriptor holds a command, never a path")
        command: bytes = descriptor.command
        if len(command) > self._gateway.config.limits.message_bytes:
            raise ProtocolError("the message is too large")
        return command

    def do_get(
        self, context: flight.ServerCallContext, ticket: flight.Ticket
    ) -> flight.FlightDataStream:
        """Stream one part of a scan; the last message carries the signed receipt.

        The ticket is one of a plan, or ``scan:`` and a scan request: then the first part comes
        at once, led by a message with the receipt, the answer's tag and the tickets of the other
        parts; if the request knows the tag already, there are no rows. Or it is ``act:``, the name
        of an action, a line end and its JSON: then the answer comes as one message without rows,
        and a caller who hangs up ends the call.
        """
        return self._guarded(lambda: self._open_part(context, ticket.ticket))

    def _open_part(
        self, context: flight.ServerCallContext, ticket: bytes
    ) -> flight.FlightDataStream:
        principal = self._principal(context)
        scans = self._gateway.scans
        if ticket.startswith(DIRECT):
            return self._open_scan(context, principal, ticket.removeprefix(DIRECT))
        if ticket.startswith(ACT):
            answer = self._answer_act(context, principal, ticket.removeprefix(ACT))
            return flight.GeneratorStream(ANSWER, self._messages(context, [], answer, None))
        if len(ticket) > MAX_TICKET:
            raise ProtocolError("the ticket is too large")
        if streams_files(ticket):
            schema, found = stream_files(self._gateway, principal, ticket)
            return flight.GeneratorStream(schema, self._messages(context, [], found, None))
        payload = self._gateway.tickets.unseal(ticket, principal, dt.datetime.now(dt.UTC))
        part = int(payload["part"])
        prepared = scans.redeem(principal, str(payload["scan"]), part)
        return self._stream(
            context, prepared, [], scans.stream(prepared, part, context.is_cancelled)
        )

    def _open_scan(
        self, context: flight.ServerCallContext, principal: str, message: bytes
    ) -> flight.FlightDataStream:
        if len(message) > self._gateway.config.limits.message_bytes:
            raise ProtocolError("the message is too large")
        scans = self._gateway.scans
        request = request_from_wire(message)
        prepared = scans.begin(principal, request)
        tag = scans.tag(prepared)
        if tag and hmac.compare_digest(tag, request.known):
            prepared.recorded.wait()
            return self._stream(context, prepared, [_opening(prepared, tag, same=True)], _nothing())
        if (files := self._gateway.tables.offered(request, prepared)) is not None:
            prepared.recorded.wait()
            scans.keep(prepared, 0)
            offer = _opening(prepared, tag, tickets=self._tickets(prepared), files=files)
            return self._stream(context, prepared, [offer], _nothing())
        prepared.recorded.start()
        batches = scans.stream(prepared, 0, context.is_cancelled)
        try:
            # A small scan is read while its audit record gets to the disk. A large one is not:
            # its reader should have the receipt, and a stream to cancel, before the first rows.
            first = list(itertools.islice(batches, int(prepared.plan.rows <= AHEAD_ROWS)))
            # INVARIANT 4: nothing has left up to here.
            prepared.recorded.wait()
            scans.keep(prepared, 1)
        except BaseException:
            batches.close()
            raise
        opening = _opening(prepared, tag, tickets=self._tickets(prepared, 1))
        return self._stream(context, prepared, [opening, *first], batches)

    def _answer_scan(self, principal: str, message: bytes) -> bytes:
        scans = self._gateway.scans
        request = request_from_wire(message)
        prepared = scans.begin(principal, request)
        tag = scans.tag(prepared)
        same = bool(tag) and hmac.compare_digest(tag, request.known)
        if not same:
            prepared.recorded.start()
        files = None if same else self._gateway.tables.offered(request, prepared)
        found = [] if same else None if files is not None else whole(scans, prepared)
        # INVARIANT 4: nothing has left up to here.
        prepared.recorded.wait()
        if found is None:
            scans.keep(prepared, 0)
        tickets = self._tickets(prepared) if found is None else ()
        head = told(prepared, tag, same=same, tickets=tickets, files=files)
        return in_one_message(head, prepared.schema, found or ())

    def _stream(
        self,
        context: flight.ServerCallContext,
        prepared: PreparedScan,
        lead: list[Any],
        batches: Generator[pa.RecordBatch, None, None],
    ) -> flight.FlightDataStream:
        receipt = pa.py_buffer(canonical_json(to_wire(prepared.receipt)))
        last = (_no_rows(prepared.schema), receipt)
        messages = self._messages(context, lead, batches, last)
        return flight.GeneratorStream(prepared.schema, messages)

    def _messages(
        self,
        context: flight.ServerCallContext,
        lead: list[Any],
        batches: Generator[Any, None, None],
        last: Any,
    ) -> Iterator[Any]:
        try:
            yield from lead
            for batch in batches:
                if context.is_cancelled():
                    return
                yield batch
            if last is not None:
                yield last
        except BaseException as exc:
            if isinstance(exc, GeneratorExit):
                raise
            if isinstance(exc, GovDataError):
                self._gateway.metrics.refused(exc.code)
            raise flight_error(exc) from None
        finally:
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    # -- actions -----------------------------------------------------------------------------

    def list_actions(self, context: flight.ServerCallContext) -> list[tuple[str, str]]:
        """Name the actions."""
        acts = [(name, (act.__doc__ or "").splitlines()[0]) for name, act in ACTIONS.items()]
        return [*acts, ("scan", "Answer a scan request in one message, or with tickets.")]

    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> list[bytes]:
        """Answer a call with one message: JSON for JSON, and the rows of a small scan."""
        with heeding(context.is_cancelled):
            return [self._guarded(lambda: self._act(self._principal(context), action))]

    def _answer_act(
        self, context: flight.ServerCallContext, principal: str, ticket: bytes
    ) -> Generator[Any, None, None]:
        name, _, body = ticket.partition(b"\n")
        action = flight.Action(name.decode("ascii", "replace"), body)
        with heeding(context.is_cancelled):
            answer = self._act(principal, action)
        yield pa.RecordBatch.from_pylist([], schema=ANSWER), pa.py_buffer(answer)

    def _act(self, principal: str, action: flight.Action) -> bytes:
        if action.type == "scan":
            return self._answer_scan(principal, self._body(action))
        act = ACTIONS.get(action.type)
        if act is None:
            raise ProtocolError(f"unknown action `{action.type[:100]}`")
        data = parse_json(self._body(action) or b"{}", self._gateway.config.limits.message_bytes)
        if not isinstance(data, dict):
            raise ProtocolError("an action takes an object")
        still_wanted()
        return canonical_json(to_wire(act(self._gateway, principal, data)))

    def _body(self, action: flight.Action) -> bytes:
        body = action.body.to_pybytes() if action.body is not None else b""
        if len(body) > self._gateway.config.limits.message_bytes:
            raise ProtocolError("the message is too large")
        return body

    # -- loading -----------------------------------------------------------------------------

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        """Load the batches as one snapshot; answers with the snapshot."""
        self._guarded(lambda: self._load(self._principal(context), descriptor, reader, writer))

    def _load(
        self,
        principal: str,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        request = load_request(parse_json(self._command(descriptor)))
        limit = self._gateway.config.limits.load_batch_bytes
        counts: dict[str, str] = {}

        def batches() -> Iterator[pa.RecordBatch]:
            for chunk in reader:
                if chunk.app_metadata is not None:
                    counts.update(texts(parse_json(chunk.app_metadata.to_pybytes()), "counts"))
                if chunk.data is None:
                    continue
                if chunk.data.nbytes > limit:
                    raise LimitError(f"a batch is larger than {limit} bytes")
                chunk.data.validate(full=True)
                yield chunk.data

        snapshot = self._gateway.loading.load(principal, request, reader.schema, batches(), counts)
        writer.write(canonical_json(to_wire(snapshot)))

    # -- everything else of Flight is closed ---------------------------------------------------

    def list_flights(self, context: flight.ServerCallContext, criteria: bytes) -> Iterator[Any]:
        """Refuse: assets are listed by the action `ls`."""
        raise flight_error(ProtocolError("this gateway lists assets by the action `ls`"))

    def do_exchange(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        """Refuse: not part of the protocol."""
        raise flight_error(ProtocolError("this gateway exchanges no streams"))


def _opening(
    prepared: PreparedScan,
    tag: str,
    *,
    same: bool = False,
    tickets: Sequence[bytes] = (),
    files: TableFiles | None = None,
) -> Any:
    """Return the message that leads the stream of a scan request."""
    head = told(prepared, tag, same=same, tickets=tickets, files=files)
    return _no_rows(prepared.schema), pa.py_buffer(canonical_json(head))


def _nothing() -> Generator[pa.RecordBatch, None, None]:
    yield from ()


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema=schema)
