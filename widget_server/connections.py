"""The only place that ends connections that ask for nothing: each of them would take a file from those who do."""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MAX_S = 10.0
_TOLD_MAX = 64
"""So many above the limit may be open, to be told by uvicorn, after their head, that there are too many."""


class PunctualProtocol(HttpToolsProtocol):
    """Closes a connection on which no whole head of a request has come in time; uvicorn would wait for ever.

    Once there is a head, the route that it asks for has deadlines of its own.
    """

    head_max_s = HEAD_MAX_S
    _head_due: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + _TOLD_MAX:
            transport.close()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # otherwise the next request is here already
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._head_due = self.loop.call_later(self.head_max_s, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None
