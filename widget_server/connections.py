"""The only place that ends connections that ask for nothing: each of them would take a file from those who do."""

from asyncio import Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_MAX_S = 10.0
_TOLD_MAX = 64
"""So many above the limit may be open, to be told by uvicorn, after their head, that there are too many."""


class PunctualProtocol(HttpToolsProtocol):
    """Closes a connection on which no whole head of a request has come in time; uvicorn would wait for ever.

    It is the timer that uvicorn has for connections between requests, from the first moment on, and stopped by a whole
    head in place of a first byte. Once there is a head, the route that it asks for has deadlines of its own.
    """

    head_max_s = HEAD_MAX_S

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency + _TOLD_MAX:
            transport.close()
        self.timeout_keep_alive = self.head_max_s  # type: ignore[assignment]  # seconds, whole or not
        self.timeout_keep_alive_task = self.loop.call_later(self.head_max_s, self.timeout_keep_alive_handler)

    def on_headers_complete(self) -> None:
        super()._unset_keepalive_if_required()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _unset_keepalive_if_required(self) -> None:
        """Called by uvicorn for every byte."""
