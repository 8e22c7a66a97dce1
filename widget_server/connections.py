"""The only place that ends connections that ask for nothing: each of them would take a file from those who do."""

from asyncio import Transport

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from widget_server.errors import TooSlow
from widget_server.web.api.answers import refuse
from widget_server.web.headers import EVERYWHERE

ARRIVES_WITHIN_S = 10.0
_TOLD_MAX = 64
"""So many above the limit may be open, to be told by uvicorn, after their head, that there are too many."""


class PunctualProtocol(HttpToolsProtocol):
    """Closes a connection on which no whole request, head and body, has come in time; uvicorn would wait for ever.

    One timer a connection serves all its requests, in place of uvicorn's: to set one for each would cost a tenth of
    the time that a hold takes. So it looks again where it finds that a request came meanwhile.
    """

    arrives_within_s = ARRIVES_WITHIN_S
    _waits_since_s: float | None = None
    """Since when a request is awaited or coming in; None from when it is there until it is answered."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + _TOLD_MAX:
            transport.close()
        self._waits_since_s = self.loop.time()
        self._look_again_in(self.arrives_within_s)

    def on_message_begin(self) -> None:
        self._waits_since_s = self.loop.time()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._waits_since_s = self.loop.time() if self.cycle.response_complete else None
        super().on_message_complete()

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
        super()._unset_keepalive_if_required()

    def _unset_keepalive_if_required(self) -> None:
        """uvicorn calls this for every byte; our timer is stopped only with the connection."""

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
    refusal = refuse(TooSlow("The rest of the request did not arrive. Please send it again."))
    refusal.raw_headers.extend(EVERYWHERE)
    head = b"".join(b"%s: %s\r\n" % header for header in refusal.raw_headers)
    return STATUS_LINE[refusal.status_code] + head + b"\r\n" + bytes(refusal.body)
