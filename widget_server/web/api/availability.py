"""What is free: a month to read, and a feed that tells every change."""

from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import InvalidRequest
from widget_server.web.context import use_cases
from widget_server.web.event_stream import EventStream
from widget_server.web.guards import network_of

_FEED_ID_LENGTH_MAX = 64


async def read_availability(request: Request) -> Response:
    """Everyone gets the same bytes; browsers keep them and ask whether they are still true."""
    first, last = _day(request, "from"), _day(request, "to")
    month = await use_cases(request).availability.month(
        request.path_params["site"], request.path_params["service"], first, last
    )
    headers = {"etag": month.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == month.etag:
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(month.body, headers=headers, media_type="application/json")
    return Response(month.compressed, headers=headers | {"content-encoding": "gzip"}, media_type="application/json")


async def read_feed(request: Request) -> Response:
    last_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if last_id is not None and len(last_id) > _FEED_ID_LENGTH_MAX:
        raise InvalidRequest("last_event_id: too long.")
    reader = await use_cases(request).availability.watch(request.path_params["site"], last_id, network_of(request))
    return EventStream(reader)


def _day(request: Request, name: str) -> date:
    try:
        return date.fromisoformat(request.query_params[name])
    except (KeyError, ValueError) as problem:
        raise InvalidRequest(f"{name}: a date like 2026-11-21 is needed.") from problem
