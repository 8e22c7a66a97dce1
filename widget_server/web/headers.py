"""The only place for security headers; pages that may be framed bring their own `frame-ancestors`."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'"
)
_CLOSED_POLICY = f"{PAGE_POLICY}; frame-src 'self'; frame-ancestors 'none'"
EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _CLOSED_POLICY.encode()),
)
"""As they are sent: every answer passes here."""


class SecurityHeaders:
    """Adds to every answer what it does not say itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(own for own in EVERYWHERE if own[0] not in said)]
            await send(message)

        await self.app(scope, receive, send_with_headers)


def framed_by(origins: tuple[str, ...]) -> dict[str, str]:
    """Headers of a page that just these origins may show in a frame; they are validated when the operator saves."""
    return {"content-security-policy": f"{PAGE_POLICY}; frame-ancestors {' '.join(origins)}"}
