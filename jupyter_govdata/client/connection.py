"""Calls to the gateway: tokens, errors, reconnecting. Runs in the kernel.

Tokens live in private attributes and in call headers only; no error or `repr` here shows one.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import pyarrow as pa
from pyarrow import flight

from jupyter_govdata.client.calling import ACT, only_message, told_to_end
from jupyter_govdata.errors import (
    AuthenticationError,
    GatewayError,
    GatewayUnreachableError,
    GovDataError,
    LimitError,
    ProtocolError,
    from_wire,
)
from jupyter_govdata.model.files import TableFiles
from jupyter_govdata.model.predicate import TRUE
from jupyter_govdata.model.scan import FlatScan, ScanRequest, flatten
from jupyter_govdata.model.stamp import Receipt
from jupyter_govdata.model.wire import canonical_json, receipt_from_wire, request_to_wire
from jupyter_govdata.model.wire_files import table_files_from_wire

T = TypeVar("T")

DEFAULT_TIMEOUT = 600.0
"""Seconds that one call may take; a stream may take longer."""

_CHANNEL: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_SMALL_ROWS = 16_384
_SMALL_BYTES = 1 << 20
"""A stream of at most so many rows and bytes would have come faster in one message."""

# UPSTREAM: buffers stand where the message has them; Acero, which DuckDB reads tables through,
# complains about that on the terminal.
_ALIGNED = pa.ipc.IpcReadOptions(ensure_alignment=pa.ipc.Alignment.DataTypeSpecific)


@dataclass(frozen=True, slots=True)
class Opened:
    """A scan that the gateway has begun to answer.

    Args:
        schema: Of all batches.
        receipt: Signed.
        batches: Those of a small scan, all of them; None if they are to be streamed.
        stream: Of the first part, if that is open already.
        tickets: Of the other parts.
        tag: Names the answer: a later one with the same tag has the same rows. May be empty.
        same: The request knew the tag, so no rows come.
        files: Data files that may be read instead of what the tickets give.
    """

    schema: pa.Schema
    receipt: Receipt
    batches: tuple[pa.RecordBatch, ...] | None
    stream: flight.FlightStreamReader | None
    tickets: tuple[flight.Ticket, ...]
    tag: str
    same: bool
    files: TableFiles | None


class Endpoint(Protocol):
    """Where a gateway is and how to sign in to it."""

    def location(self) -> str:
        """Return the Flight address, starting the gateway if that is this endpoint's job."""

    def token(self, *, renew: bool) -> str:
        """Return a bearer token; with `renew`, a new one."""

    @property
    def tls_roots(self) -> bytes | None:
        """Trusted certificate authorities (PEM), or None for the system's."""


def raised(exc: pa.ArrowException) -> GovDataError:
    """Return our error for one of Flight's."""
    info = getattr(exc, "extra_info", None)
    if info:
        try:
            return from_wire(json.loads(info))
        except (ValueError, TypeError):
            return GatewayError("the gateway sent an error that does not parse")
    if isinstance(exc, flight.FlightUnavailableError):
        return GatewayUnreachableError(
            "the gateway does not answer", hint="check that it runs, then run the cell again"
        )
    if isinstance(exc, flight.FlightTimedOutError):
        return LimitError("the gateway took too long", hint="ask for less, or try again")
    if isinstance(exc, flight.FlightUnauthenticatedError):
        return AuthenticationError("the gateway refuses the token")
    if isinstance(exc, flight.FlightCancelledError):
        return GatewayError("the call was stopped")
    return GatewayError("the gateway broke off the call", hint="run it again")


class _Forked:
    """Whether this process was forked from one that had a connection; it would wait for ever."""

    was_used = False
    is_cut_off = False

    @classmethod
    def note(cls) -> None:
        cls.is_cut_off = cls.was_used


os.register_at_fork(after_in_child=_Forked.note)


class Connection:
    """A connection to one gateway, shared by all calls of a session; thread-safe."""

    def __init__(self, endpoint: Endpoint, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: flight.FlightClient | None = None
        self._large: dict[tuple[str, bool], bool] = {}

    def __repr__(self) -> str:
        return "Connection(...)"

    def _connected(self) -> flight.FlightClient:
        if _Forked.is_cut_off:
            raise GatewayError(
                "a forked process cannot speak to the gateway: gRPC does not survive a fork",
                hint='start it anew: `multiprocessing_context="forkserver"` or `"spawn"`',
            )
        with self._lock:
            if self._client is None:
                location = self._endpoint.location()
                roots = self._endpoint.tls_roots
                options: dict[str, Any] = {"generic_options": _CHANNEL}
                if roots is not None:
                    options["tls_root_certs"] = roots
                self._client = flight.FlightClient(location, **options)
                _Forked.was_used = True
            return self._client

    def _forget(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
            self._client = None

    def _options(self, *, renew: bool = False, timeout: float | None = None) -> Any:
        token = self._endpoint.token(renew=renew)
        return flight.FlightCallOptions(
            timeout=timeout,
            headers=[(b"authorization", b"Bearer " + token.encode())],
            read_options=_ALIGNED,
        )

    def _call(self, call: Callable[[flight.FlightClient, Any], T]) -> T:
        """Call once; after a lost gateway or an expired token, once more."""
        try:
            return call(self._connected(), self._options(timeout=self._timeout))
        except pa.ArrowException as exc:
            error = raised(exc)
            if not isinstance(error, GatewayUnreachableError | AuthenticationError):
                raise error from None
            renew = isinstance(error, AuthenticationError)
        if not renew:
            self._forget()
        try:
            return call(self._connected(), self._options(renew=renew, timeout=self._timeout))
        except pa.ArrowException as exc:
            raise raised(exc) from None

    def act(self, action: str, data: Mapping[str, Any] | None = None) -> Any:
        """Call an action of the protocol and return its JSON answer.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        body = canonical_json(dict(data or {}))
        then = told_to_end()
        if then is None:
            return json.loads(self._one_message(action, body).to_pybytes())
        ticket = flight.Ticket(b"%s%s\n%s" % (ACT, action.encode(), body))
        answer = self._call(lambda c, options: only_message(c.do_get(ticket, options), then))
        return json.loads(answer.to_pybytes())

    def _one_message(self, action: str, body: bytes) -> pa.Buffer:
        result = self._call(
            lambda client, options: list(client.do_action(flight.Action(action, body), options))
        )
        if len(result) != 1:
            raise ProtocolError("the gateway's answer is incomplete")
        return result[0].body

    def plan(self, request: ScanRequest) -> tuple[pa.Schema, tuple[flight.Ticket, ...], Receipt]:
        """Ask for a scan: its schema, the tickets of its parts, and its signed receipt.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        descriptor = flight.FlightDescriptor.for_command(request_to_wire(request))
        info = self._call(lambda client, options: client.get_flight_info(descriptor, options))
        tickets = tuple(endpoint.ticket for endpoint in info.endpoints)
        return info.schema, tickets, receipt_from_wire(json.loads(info.app_metadata))

    def open(self, request: ScanRequest) -> Opened:
        """Start a scan in one call.

        A small one, or one whose answer the client knows, comes whole; a large one as a stream.
        Which it will be is guessed by the last like scan of the asset; all of an asset that was
        never read is asked for as a stream, so that its first rows do not wait for others.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        message = request_to_wire(request)
        scan = flatten(request.fragment)
        like = _like(scan)
        if self._large.get(like, like[1]) and not request.known:
            return self._open_stream(message)
        answer = self._one_message("scan", message)
        size = int.from_bytes(answer[:4], "big")
        head = json.loads(answer[4 : 4 + size].to_pybytes())
        rows = pa.ipc.open_stream(answer[4 + size :], options=_ALIGNED)
        tickets = _tickets(head)
        self._large[like] = bool(tickets)
        return Opened(
            schema=rows.schema,
            receipt=receipt_from_wire(head["receipt"]),
            batches=None if tickets else tuple(rows),
            stream=None,
            tickets=tickets,
            tag=str(head["tag"]),
            same=head["same"] is True,
            files=_files(head),
        )

    def note(self, request: ScanRequest, rows: int, size: int) -> None:
        """Remember how large a stream was: the next like one comes in the better way."""
        large = rows > _SMALL_ROWS or size > _SMALL_BYTES
        self._large[_like(flatten(request.fragment))] = large

    def _open_stream(self, message: bytes) -> Opened:
        ticket = flight.Ticket(b"scan:" + message)

        def start(client: flight.FlightClient, _: Any) -> Any:
            # A deadline would end the stream, however long it is meant to be.
            stream = client.do_get(ticket, self._options())
            return stream, json.loads(stream.read_chunk().app_metadata.to_pybytes())

        stream, head = self._call(start)
        files = _files(head)
        if files is not None:
            stream.cancel()  # all parts have tickets
        return Opened(
            schema=stream.schema,
            receipt=receipt_from_wire(head["receipt"]),
            batches=None,
            stream=None if files is not None else stream,
            tickets=_tickets(head),
            tag=str(head["tag"]),
            same=head["same"] is True,
            files=files,
        )

    def get(self, ticket: flight.Ticket) -> flight.FlightStreamReader:
        """Open the stream of one part. A ticket is good once, so this is never repeated.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        try:
            return self._connected().do_get(ticket, self._options())
        except pa.ArrowException as exc:
            raise raised(exc) from None

    def read(
        self, ticket: bytes
    ) -> tuple[flight.FlightStreamReader, flight.FlightStreamChunk | None]:
        """Open a stream whose ticket is good more than once; its first chunk comes with it.

        After a lost gateway or an expired token it is opened once more. None: the stream is empty.

        Raises:
            GovDataError: Whatever the gateway answers.
        """

        def start(client: flight.FlightClient, _: Any) -> Any:
            stream = client.do_get(flight.Ticket(ticket), self._options())
            try:
                return stream, stream.read_chunk()
            except StopIteration:
                return stream, None

        opened: tuple[flight.FlightStreamReader, flight.FlightStreamChunk | None]
        opened = self._call(start)
        return opened

    def put(
        self,
        command: Mapping[str, Any],
        schema: pa.Schema,
        batches: Iterator[pa.RecordBatch],
        counts: Callable[[], Mapping[str, str]],
    ) -> Any:
        """Send batches to be loaded; return the gateway's JSON answer.

        Args:
            command: The load request.
            schema: Of all batches.
            batches: The rows.
            counts: Asked after the last batch for what is known only then.

        Raises:
            GovDataError: Whatever the gateway answers.
        """
        # A load is not repeated, so find a lost gateway or an old token before it begins.
        self.act("epoch")
        descriptor = flight.FlightDescriptor.for_command(canonical_json(dict(command)))
        try:
            writer, answers = self._connected().do_put(descriptor, schema, self._options())
            with writer:
                try:
                    for batch in batches:
                        writer.write_batch(batch)
                    closing = pa.py_buffer(canonical_json(dict(counts())))
                    writer.write_with_metadata(_no_rows(schema), closing)
                    writer.done_writing()
                    answer = answers.read()
                except pa.ArrowException:
                    # The gateway's own reason comes with the end of the call, not with the write.
                    answer = None
        except pa.ArrowException as exc:
            raise raised(exc) from None
        if answer is None:
            raise GatewayError("the gateway broke off the load", hint="run it again")
        return json.loads(answer.to_pybytes())

    def close(self) -> None:
        """Close the channel."""
        self._forget()


def _tickets(head: Mapping[str, Any]) -> tuple[flight.Ticket, ...]:
    return tuple(flight.Ticket(base64.b64decode(text)) for text in head["tickets"])


def _files(head: Mapping[str, Any]) -> TableFiles | None:
    return table_files_from_wire(head["files"]) if "files" in head else None


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _like(scan: FlatScan) -> tuple[str, bool]:
    """Return what scans of one size have in common: the asset, and whether all of it is read."""
    picked = scan.predicate != TRUE or scan.limit is not None or scan.summary is not None
    return scan.asset, not picked
