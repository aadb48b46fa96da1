"""Uvicorn's connection of a client, with limits on the head of a request, and with each answer sent in one piece."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.busy import BusyRefusals
from service.api.problems import PROBLEM_JSON, Problem, problem_body
from service.api.request_context import id_of
from service.transport.joined_writes import JoinedWrites

MAX_HEAD_BYTES = 64 * 2**10
LINGER_SECONDS = 5.0  # that a client has to notice that its request is answered before it is sent
MIN_CHUNK_BYTES = 20  # on average, beyond MAX_HEAD_BYTES of framing: each chunk takes the event loop some microseconds
CHUNK_FRAMING_BYTES = 6  # two hexadecimal digits and two line ends


class Answered:
    """Instead of uvicorn's cycle of a request that was answered when its head was complete: its body is ignored."""

    response_started = True
    response_complete = True
    keep_alive = False
    message_event = asyncio.Event()


class Connection(HttpToolsProtocol):
    """Closes if the head of a request is too large or too late; the head is its first line and its headers.

    Too large is more than MAX_HEAD_BYTES. Too late is `head_seconds` after the client connected or began the head.
    Uvicorn limits only the wait between requests: it waits for a head without a limit, and keeps all of it. A client
    that was answered before the end of its body has as long to send the rest, which is discarded. What surrounds the
    chunks of a body, their extensions and trailers, is limited like a head: the parser keeps trailers.

    A client that reads nothing of its answer for as long is disconnected: uvicorn would keep the answer.

    The server changes to no other protocol, so it ignores the header Upgrade (RFC 9110, section 7.8). Uvicorn's parser
    would take the body of such a request for data of the other protocol, and whatever follows for a new request.
    """

    head_seconds: float  # set by `connections_of`, like the two below
    busy: BusyRefusals | None
    is_draining: Callable[[], bool]
    _timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None
    _linger_timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _is_in_body = False
    _is_last = False  # the last answer is on its way, and the connection closes after it
    _has_lingered = False
    _head_bytes = 0
    _framing_bytes = 0.0
    _previous: RequestResponseCycle | None = None  # of the request before the last one

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """The client has connected."""
        self._writes = JoinedWrites(transport, self._lingers)
        super().connection_made(self._writes)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected."""
        self._stop_timer()
        self._stop_reader_timer()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or of several."""
        if self._is_last:
            return
        self._unset_keepalive_if_required()
        self._framing_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST, "the bytes that arrived are not a valid HTTP request")
            return
        if self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES:
            detail = f"the first line and the headers have more than {MAX_HEAD_BYTES} bytes"
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
            return
        if self._is_in_body and self._framing_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the body has too much around its chunks")
            return
        if self._timer is None and self._is_client_due and (self._is_in_head or self.timeout_keep_alive_task is None):
            self._start_timer()  # most requests arrive in one piece, and need no timer

    def on_message_begin(self) -> None:
        """The parser has seen the first byte of a request."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has seen a header; white space behind a value is no part of it (RFC 9110, section 5.5)."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """The parser has seen the empty line after the headers."""
        if self.parser.should_upgrade():
            return  # the parser stops here, and `_parse` goes on
        self._previous = self.cycle
        if not self._refuse_if_busy():
            super().on_headers_complete()
        self._is_in_head = False
        self._is_in_body = True
        self._framing_bytes = 0.0
        self._stop_timer()
        if self.expect_100_continue:
            self._keeps_alive = self.cycle.keep_alive
            self.cycle.keep_alive = False  # if it is answered before its body, nobody knows whether the body will come

    def on_body(self, body: bytes) -> None:
        """The parser has seen a part of a body."""
        super().on_body(body)
        framed_bytes = len(body) * (1 + CHUNK_FRAMING_BYTES / MIN_CHUNK_BYTES)
        self._framing_bytes = max(0, self._framing_bytes - framed_bytes)

    def on_message_complete(self) -> None:
        """The parser has seen the last byte of a request."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._is_in_body = False
        self._stop_timer()
        if self.expect_100_continue and not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps_alive

    def on_response_complete(self) -> None:
        """An answer is written."""
        self._writes.flush()
        super().on_response_complete()
        if self._is_in_body and self._timer is None and self._is_client_due and not self.transport.is_closing():
            self._start_timer()

    def pause_writing(self) -> None:
        """The client reads more slowly than the server writes."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """The client has read."""
        self._stop_reader_timer()
        super().resume_writing()

    @property
    def _is_client_due(self) -> bool:
        """Whether the server waits for the client: for a head, or for the rest of a body that it needs no more."""
        return self._is_in_head or self.cycle is None or self.cycle.response_complete

    def _parse(self, data: bytes) -> None:
        """Feed the parser; raises HttpParserError. It stops behind a head with Upgrade, and starts again without."""
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                head, rest = self._head_without_upgrade(), memoryview(rest)[upgrade.args[0] :]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            self.parser.feed_data(head)

    def _head_without_upgrade(self) -> bytes:
        """The head that was parsed last, without the headers that concern Upgrade; raises HttpParserError."""
        method = self.parser.get_method()
        if method == b"CONNECT":  # for proxies
            raise httptools.HttpParserError("this server is no proxy")
        lines = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            kept = value
            if name == b"connection":
                options = (option.strip() for option in value.split(b","))
                kept = b", ".join(option for option in options if option.lower() not in (b"upgrade", b"http2-settings"))
            if name not in (b"upgrade", b"http2-settings"):
                lines.append(b"%s: %s" % (name, kept))
        if any(b"\r" in line or b"\n" in line for line in lines):
            raise httptools.HttpParserError("a header has several lines")
        return b"\r\n".join([*lines, b"", b""])

    def _refuse_if_busy(self) -> bool:
        """Answer the request with 503 if the event loop is too late for it; its body is read and ignored."""
        if self.busy is None or (self.cycle is not None and not self.cycle.response_complete):
            return False  # answers keep the order of pipelined requests
        closes = self.expect_100_continue or not self.parser.should_keep_alive() or self.is_draining()
        answer = self.busy.answer(
            self.parser.get_method(), self.url, self.headers, self.client and self.client[0], closes=closes
        )
        if answer is None:
            return False
        self.cycle = Answered()  # type: ignore[assignment]  # it has all that is used of a complete cycle
        self._writes.send(answer)
        self.on_response_complete()
        if closes:
            self.transport.close()
        return True

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        self._timer = None
        if self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the headers did not arrive within {self.head_seconds:g} s")
        else:  # the client has sent nothing that is not answered, so it gets no answer
            self.transport.close()

    def _await_reader(self) -> None:
        self._stop_reader_timer()
        num_unread = self._writes.get_write_buffer_size()
        self._reader_timer = self.loop.call_later(self.head_seconds, self._check_reader, num_unread)

    def _check_reader(self, num_unread: int) -> None:
        """Disconnect the client if it has read none of the bytes that wait for it."""
        if self._writes.get_write_buffer_size() < num_unread:
            self._await_reader()
        else:
            self.transport.abort()

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None

    def _lingers(self) -> bool:
        """Whether the connection, which is to be closed, waits until its client stops sending."""
        if self._has_lingered or not (self._is_in_head or self._is_in_body):
            self._await_reader()  # the system closes the connection when the client has read everything
            return False
        self._has_lingered = self._is_last = True
        self._stop_timer()
        self._linger_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self.flow.resume_reading()
        return True

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer what cannot be parsed, unless it is the rest of an answered request, and close the connection.

        If earlier requests are being answered, only they get answers: another one would be taken for theirs.
        """
        self._stop_timer()
        self._is_last = True
        last: RequestResponseCycle | None = self.cycle
        if self._is_in_body and self.pipeline:
            self.pipeline.popleft()  # the request whose body cannot be parsed waits for the answers before its own
            last = self._previous
        elif self._is_in_body:
            if not self.cycle.response_started:
                self._write_problem(status, detail)
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.close()
            return
        if last is not None and not last.response_complete:
            last.keep_alive = False
            return
        self._write_problem(status, detail)
        self.transport.close()

    def _write_problem(self, status: HTTPStatus, detail: str) -> None:
        request_id = id_of("")
        body = problem_body(Problem(status, detail), request_id)
        head = f"HTTP/1.1 {status} {status.phrase}\r\nconnection: close\r\ncontent-type: {PROBLEM_JSON}\r\n"
        self.transport.write(f"{head}content-length: {len(body)}\r\nx-request-id: {request_id}\r\n\r\n".encode() + body)


def connections_of(
    head_seconds: float, busy: BusyRefusals | None = None, is_draining: Callable[[], bool] = lambda: False
) -> type[Connection]:
    """A class of connections with these attributes, because uvicorn takes a class and makes the connections itself."""
    attributes = {"head_seconds": head_seconds, "busy": busy, "is_draining": staticmethod(is_draining)}
    return type("Connection", (Connection,), attributes)
