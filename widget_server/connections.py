"""The only place that decides about connections: who asks for nothing is closed, who asks for a feed is let stay."""

from asyncio import Transport
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from widget_server import quick_holds
from widget_server.errors import TooSlow
from widget_server.live.connection import FeedConnection, Reader
from widget_server.quick_holds import QuickHold
from widget_server.web.api.answers import refuse
from widget_server.web.event_stream import TAKE_OVER

ARRIVES_WITHIN_S = 10.0
_OF_CONNECTION = frozenset({b"connection", b"upgrade", b"http2-settings"})
_TOLD_MAX = 64
"""So many above the limit may be open, to be told by uvicorn, after their head, that there are too many."""


class PunctualProtocol(HttpToolsProtocol):
    """Closes a connection on which no whole request, head and body, has come in time; uvicorn would wait for ever.

    One timer a connection serves all its requests, in place of uvicorn's: to set one for each would cost a tenth of
    the time that a hold takes. So it looks again where it finds that a request came meanwhile.

    A feed takes its connection over as soon as its head is sent: what uvicorn keeps for a request under way would be
    most of the memory that an open widget costs.

    Whoever asks for another protocol besides, as Java's client and `curl --http2` do with each request, is answered in
    this one. The parser takes their body for the other protocol's: so the head is read once more, without that wish.
    """

    arrives_within_s = ARRIVES_WITHIN_S
    _waits_since_s: float | None = None
    """Since when a request is awaited or coming in; None from when it is there until it is answered."""
    _is_to_be_read_again = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + _TOLD_MAX:
            transport.close()
        self._waits_since_s = self.loop.time()
        self._look_again_in(self.arrives_within_s)
        self._extensions: dict[str, Any] = {TAKE_OVER: self._take_over}

    def data_received(self, data: bytes) -> None:
        """As uvicorn does, but for whoever wishes for another protocol."""
        try:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as wish:
                self._read_again(memoryview(data)[wish.args[0] :])
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)

    def on_message_begin(self) -> None:
        self._waits_since_s = self.loop.time()
        super().on_message_begin()
        self.scope["extensions"] = self._extensions

    def on_headers_complete(self) -> None:
        hold = quick_holds.read(self)
        if hold is not None:
            self.cycle = hold
        elif self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._is_to_be_read_again = True
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._is_to_be_read_again:
            return
        self._waits_since_s = self.loop.time() if self.cycle.response_complete else None
        super().on_message_complete()
        if isinstance(self.cycle, QuickHold):
            self.cycle.begin()

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
        else:  # as uvicorn does, but for its timer
            self.server_state.total_requests += 1
            self.flow.resume_reading()
        if self._waits_since_s is None:
            self._waits_since_s = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.arrives_within_s)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_go()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle  # `self.cycle` is the one that was read last, and may wait behind it
        super()._start_asgi_task(cycle, app)

    def _unset_keepalive_if_required(self) -> None:
        """uvicorn calls this for every byte; our timer is stopped only with the connection."""

    def _read_again(self, rest: memoryview) -> None:
        """The head of which the parser has just told, without its wish, and what came after it. Raises
        HttpParserError.
        """
        while self._is_to_be_read_again:
            self._is_to_be_read_again = False
            head = self._head_without_wish()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
            self.parser.feed_data(head)
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as wish:
                rest = rest[wish.args[0] :]

    def _head_without_wish(self) -> bytes:
        """Without whatever it says of this connection alone, but that it is to be the last request of it."""
        kept = [(name, value) for name, value in self.headers if name not in _OF_CONNECTION]
        if not self.parser.should_keep_alive():
            kept.append((b"connection", b"close"))
        asked = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"%b %b HTTP/%b\r\n" % asked + b"".join(b"%b: %b\r\n" % header for header in kept) + b"\r\n"

    def _take_over(self, reader: Reader) -> bool:
        """Called by the request under way, once its head is sent."""
        if self.transport.is_closing():
            return False
        self.flow.resume_reading()  # or nobody would notice that the client goes
        self._running.response_complete = True  # nothing is left to do for uvicorn
        self.connections.discard(self)
        self._let_go()
        FeedConnection(self.transport, reader, is_full=self.flow.write_paused, counted_in=self.connections).begin()
        return True

    def _let_go(self) -> None:
        """Of all that would keep this in memory after its connection has gone."""
        super()._unset_keepalive_if_required()
        self._extensions.clear()
        self.pipeline.clear()
        self.parser = None  # type: ignore[assignment]  # as uvicorn does

    def _look_again_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._look)

    def _look(self) -> None:
        if self._waits_since_s is None or self._is_answering():
            self.timeout_keep_alive_task = None  # until the answer is complete: some of them go on for hours
        elif (left_s := self._waits_since_s + self.arrives_within_s - self.loop.time()) > 0:
            self._look_again_in(left_s)
        else:
            if self.cycle is not None and self.cycle.more_body and not self.cycle.response_started:
                self.transport.write(_too_slow())
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete


def _too_slow() -> bytes:
    """What a route would answer; but no route has been given all of the request yet."""
    return quick_holds.written(refuse(TooSlow("The rest of the request did not arrive. Please send it again.")))
