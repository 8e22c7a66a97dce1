"""Bookings for calendar programs. They send nothing but an address, so it has the secret, and opens nothing else."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.use_cases.subscriptions import Address
from widget_server.web.context import use_cases


async def read_calendar(request: Request) -> Response:
    address = Address(request.path_params["member"], request.path_params["secret"])
    calendar = await use_cases(request).subscriptions.calendar(address)
    headers = {"cache-control": "private, no-store", "x-robots-tag": "noindex"}
    return Response(calendar, media_type="text/calendar", headers=headers)
