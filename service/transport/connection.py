"""Uvicorn's connection of a client, with limits on the head of a request, and with each answer sent in one piece."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.api.busy import BusyRefusals, Refusal
from service.api.cors import Origins
from service.api.disconnect import Disconnect, disconnect_of
from service.api.patience import Patience
from service.api.problems import Problem, raw_answer, retry_after
from service.api.request_context import id_of
from service.transport.joined_writes import JoinedWrites
from service.transport.lazy_timer import LazyTimer
from service.transport.plain_head import read_plain_head
from service.transport.size_limits import SizeLimits
from service.transport.upgrade import without_upgrade

FULL_SECONDS = 1.0  # after which a client whose connection was too many should try again
MAX_LINGERING = 32  # connections above the limit that wait until their client has read the refusal
LINGER_SECONDS = 5.0  # that a client has to notice that its request is answered before it is sent


class ConnectionLimit(NamedTuple):
    """How many connections may be open at once; `on_refused` is called for each that is too many."""

    max_connections: int
    on_refused: Callable[[], None]


class Answered:
    """Instead of uvicorn's cycle of a request that was answered when its head was complete: its body is ignored."""

    response_started = True
    response_complete = True
    keep_alive = False
    message_event = asyncio.Event()


class Connection(HttpToolsProtocol):
    """Closes if the head of a request is too large or too late; the head is its first line and its headers.

    Too late is `head_seconds` after the client connected or began the head; `SizeLimits` has what is too large. Uvicorn
    limits only the wait between requests: it waits for a head without a limit, and keeps all of it. A client that was
    answered before the end of its body has as long to send the rest, which is discarded. What surrounds the chunks of a
    body, their extensions and trailers, is limited like a head: the parser keeps trailers.

    A connection that is too many is answered 503 and closed, so that the process can open what else it needs. A few of
    them linger: otherwise the system would reset the connection and most clients would never see the answer.

    A client that reads nothing of its answer for as long is disconnected: uvicorn would keep the answer.

    The server changes to no other protocol, so it ignores the header Upgrade (RFC 9110, section 7.8). Uvicorn's parser
    would take the body of such a request for data of the other protocol, and whatever follows for a new request.
    """

    head_seconds: float  # set by `connections_of`, like the four below
    limit: ConnectionLimit | None
    busy: BusyRefusals | None
    is_draining: Callable[[], bool]
    origins: Origins | None
    _num_unread = 0  # bytes of answers that the client had not read when the server began to wait for it
    _is_idle = False  # the server waits for the next request
    _is_in_head = False
    _is_in_body = False
    _is_last = False  # the last answer is on its way, and the connection closes after it
    _has_lingered = False
    _num_ignored = 0  # bytes that are due of a body whose request was refused without the parser
    _held: tuple[Refusal, bool] | None = None  # one that is held back, and whether the connection closes after it
    _is_accepted = False  # by `busy`, before the parser has seen the head
    _previous: RequestResponseCycle | None = None  # of the request before the last one

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """The client has connected."""
        self._writes = JoinedWrites(transport, self._lingers)
        super().connection_made(self._writes)
        self._sizes = SizeLimits()
        self._patience = Patience()
        self._timer, self._reader_timer = LazyTimer(self._time_out), LazyTimer(self._check_reader)
        self._linger_timer, self._hold_timer = LazyTimer(self._writes.close), LazyTimer(self._release)
        self._timer.set(self.head_seconds)
        num_above = 0 if self.limit is None else len(self.connections) - self.limit.max_connections
        if self.limit is not None and num_above > 0:
            self.limit.on_refused()
            self._is_in_head = num_above <= MAX_LINGERING  # mostly a request is on its way
            detail = f"{self.limit.max_connections} connections are open, and that is the limit; try again"
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, detail, retry_after(FULL_SECONDS))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected."""
        for timer in (self._timer, self._reader_timer, self._linger_timer, self._hold_timer):
            timer.cancel()
        self._held = None
        is_answering = self._is_answering
        super().connection_lost(exc)
        if is_answering:
            disconnect_of(self.cycle.scope).notify()

    def data_received(self, data: bytes) -> None:
        """A part of a request, or of several."""
        if self._is_last:
            return
        self._release()  # this part was on its way when the connection stopped reading
        if self._is_idle:
            self._end_idle()
        if self._num_ignored:
            data = self._ignore(data)
        if data and not self._refuse_plain(data):
            self._feed(data)
        is_client_due = self._is_in_head or not self._is_answering
        if is_client_due and not (self._timer.is_set or self._is_last or self.transport.is_closing()):
            self._timer.set(self.head_seconds)

    def on_message_begin(self) -> None:
        """The parser has seen the first byte of a request."""
        super().on_message_begin()
        self._end_idle()
        self._sizes.begin_head()
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser has seen a header; white space behind a value is no part of it (RFC 9110, section 5.5)."""
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """The parser has seen the empty line after the headers."""
        if self.parser.should_upgrade():
            return  # the parser stops here, and `_parse` goes on
        self._release()  # before the answer to a pipelined request
        self._previous = self.cycle
        if self._is_accepted or not self._refuse_if_busy():
            self.scope["state"].update(disconnect=Disconnect(), patience=self._patience)
            super().on_headers_complete()
        self._is_in_head = self._is_accepted = False
        self._is_in_body = True
        self._sizes.begin_body()
        self._timer.clear()
        if self.expect_100_continue:
            self._keeps_alive = self.cycle.keep_alive
            self.cycle.keep_alive = False  # if it is answered before its body, nobody knows whether the body will come

    def on_body(self, body: bytes) -> None:
        """The parser has seen a part of a body."""
        super().on_body(body)
        self._sizes.add_body(len(body))

    def on_message_complete(self) -> None:
        """The parser has seen the last byte of a request."""
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self.scope["state"]["has_body"] = True
        if not self.pipeline and self._held is None:
            self.flow.resume_reading()  # a large last part paused it, and nobody would notice a client that leaves
        self._end_body()
        if self.expect_100_continue and not self.cycle.response_started:
            self.cycle.keep_alive = self._keeps_alive

    def on_response_complete(self) -> None:
        """An answer is written."""
        self._writes.flush()
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1  # instead of uvicorn's method, which starts another timer
        self.flow.resume_reading()
        if not (self._is_in_head or self._is_in_body):
            self._begin_idle()
        elif not self._timer.is_set:
            self._timer.set(self.head_seconds)

    def shutdown(self) -> None:
        """The server shuts down."""
        self._release()
        super().shutdown()

    def pause_writing(self) -> None:
        """The client reads more slowly than the server writes."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """The client has read."""
        self._reader_timer.clear()
        super().resume_writing()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _ignore(self, data: bytes) -> bytes:
        """What follows the body of the request that was refused without the parser."""
        rest = data[self._num_ignored :]
        self._num_ignored -= len(data) - len(rest)
        if not self._num_ignored:
            self._end_body()
        return rest

    def _end_body(self) -> None:
        self._is_in_body = False
        self._timer.clear()
        if self.cycle.response_complete:
            self._begin_idle()

    def _begin_idle(self) -> None:
        self._is_idle = True
        self._timer.set(self.timeout_keep_alive)

    def _end_idle(self) -> None:
        self._is_idle = False
        self._timer.clear()

    def _refuse_plain(self, data: bytes) -> bool:
        """Refuse the request that `data` begins with, without the parser -> False if the parser should read it."""
        if self.busy is None or not self.busy.is_refusing or self._is_in_head or self._is_in_body or self._is_answering:
            return False
        head = read_plain_head(data)
        if head is None or head.num_bytes + head.num_body_bytes < len(data):  # another request follows
            return False
        closes = self.is_draining()
        client = self.client and self.client[0]
        refusal = self.busy.refuse(b"POST", head.url, head.headers, client, self._patience, closes=closes)
        if refusal is None:
            self._is_accepted = True
            return False
        self._timer.clear()
        self._num_ignored = head.num_bytes + head.num_body_bytes - len(data)
        self._is_in_body = self._num_ignored > 0
        self._answer(refusal, closes=closes)
        return True

    def _feed(self, data: bytes) -> None:
        """Parse what has arrived; refuse what is no request, and one whose head or framing is too large."""
        self._sizes.begin_piece(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST, "the bytes that arrived are not a valid HTTP request")
            return
        if self.transport.is_closing():
            return
        detail = self._sizes.end_piece(data, is_in_head=self._is_in_head, is_in_body=self._is_in_body)
        if detail is not None:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)

    def _parse(self, data: bytes) -> None:
        """Feed the parser; raises HttpParserError. It stops behind a head with Upgrade, and starts again without."""
        rest: bytes | memoryview = data
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                rest = memoryview(rest)[upgrade.args[0] :]
                method, version = self.parser.get_method(), self.parser.get_http_version()
                head = without_upgrade(method, self.url, version, self.headers)
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's
            self.parser.feed_data(head)

    def _refuse_if_busy(self) -> bool:
        """Answer the request with 503 if the event loop is too late for it; its body is read and ignored."""
        if self.busy is None or self._is_answering:
            return False  # answers keep the order of pipelined requests
        closes = self.expect_100_continue or not self.parser.should_keep_alive() or self.is_draining()
        method, client = self.parser.get_method(), self.client and self.client[0]
        refusal = self.busy.refuse(method, self.url, self.headers, client, self._patience, closes=closes)
        if refusal is None:
            return False
        self._answer(refusal, closes=closes)
        return True

    def _answer(self, refusal: Refusal, *, closes: bool) -> None:
        """Answer the request now, or read no more of the client until the refusal need not be held back any more."""
        self.cycle = Answered()  # type: ignore[assignment]  # it has all that is used of a complete cycle
        self._held = refusal, closes
        if refusal.hold_seconds:
            self._hold_timer.set(refusal.hold_seconds)
            self.flow.pause_reading()
        else:
            self._release()

    def _release(self) -> None:
        """Send the refusal that is held back, if there is one."""
        if self._held is None:
            return
        (refusal, closes), self._held = self._held, None
        self._hold_timer.clear()
        closes = closes or self.is_draining()
        self._writes.send(refusal.answer(closes=closes))
        self.on_response_complete()
        if closes:
            self.transport.close()

    def _time_out(self) -> None:
        if self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"the headers did not arrive within {self.head_seconds:g} s")
        else:  # the client has sent nothing else that needs an answer
            self._release()
            self.transport.close()

    def _await_reader(self) -> None:
        self._num_unread = self._writes.get_write_buffer_size()
        self._reader_timer.set(self.head_seconds)

    def _check_reader(self) -> None:
        """Disconnect the client if it has read none of the bytes that wait for it."""
        if self._writes.get_write_buffer_size() < self._num_unread:
            self._await_reader()
        else:
            self.transport.abort()

    def _lingers(self) -> bool:
        """Whether the connection, which is to be closed, waits until its client stops sending."""
        if self._has_lingered or not (self._is_in_head or self._is_in_body):
            self._await_reader()  # the system closes the connection when the client has read everything
            return False
        self._has_lingered = self._is_last = True
        self._timer.clear()
        self._linger_timer.set(LINGER_SECONDS)
        self.flow.resume_reading()
        return True

    def _refuse(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        """Answer what cannot be parsed, unless it is the rest of an answered request, and close the connection.

        If earlier requests are being answered, only they get answers: another one would be taken for theirs.
        """
        self._release()
        self._timer.clear()
        self._is_last = True
        shown = dict(headers or {})
        if self.origins is not None:  # the last head that the parser has seen may have an origin
            found = [value for name, value in self.headers or () if name == b"origin"]
            shown |= self.origins.headers_for(found[0].decode("latin-1") if found else None)
        answer = raw_answer(Problem(status, detail, shown), id_of(""), closes=True)
        last: RequestResponseCycle | None = self.cycle
        if self._is_in_body and self.pipeline:
            self.pipeline.popleft()  # the request whose body cannot be parsed waits for the answers before its own
            last = self._previous
        elif self._is_in_body:
            if not self.cycle.response_started:
                self.transport.write(answer)
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.close()
            return
        if last is not None and not last.response_complete:
            last.keep_alive = False
            return
        self.transport.write(answer)
        self.transport.close()


def connections_of(
    head_seconds: float,
    busy: BusyRefusals | None = None,
    is_draining: Callable[[], bool] = lambda: False,
    limit: ConnectionLimit | None = None,
    origins: Origins | None = None,
) -> type[Connection]:
    """A class of connections with these attributes, because uvicorn takes a class and makes the connections itself."""
    attributes: dict[str, Any] = {"head_seconds": head_seconds, "busy": busy, "limit": limit, "origins": origins}
    attributes["is_draining"] = staticmethod(is_draining)
    return type("Connection", (Connection,), attributes)
