"""The only place where Stripe calls us: what it sends is believed for its signature alone, and only told on."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import BadSignature
from widget_server.web.api.answers import raw_body
from widget_server.web.context import use_cases

EVENT_BYTES_MAX = 262_144
"""Events bring the whole object they are about; those that we ask for are far smaller."""


async def hear(request: Request) -> Response:
    """Answers 204 once what follows is written. Anything else makes Stripe send it again, for days."""
    signature = request.headers.get("stripe-signature", "")
    if not signature:
        raise BadSignature("Only events that Stripe has signed are taken here.")
    body = await raw_body(request, EVENT_BYTES_MAX)
    await use_cases(request).settling.heard(request.path_params["site"], body, signature)
    return Response(status_code=204)
