"""Stripe's own client without a socket: what it asks is answered in this process, for tests with thousands of calls."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import stripe
from starlette.types import ASGIApp, Message


class InProcess(stripe.HTTPClient):
    name = "in_process"

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        address = urlsplit(url)
        scope = {
            "type": "http",
            "method": method.upper(),
            "path": address.path,
            "query_string": address.query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        told: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": (post_data or "").encode()}

        async def send(message: Message) -> None:
            told.append(message)

        await self._app(scope, receive, send)
        start, *bodies = told
        heard = {name.decode(): value.decode() for name, value in start["headers"]}
        return b"".join(one.get("body", b"") for one in bodies), start["status"], heard

    async def close_async(self) -> None:
        """There is nothing to close."""
