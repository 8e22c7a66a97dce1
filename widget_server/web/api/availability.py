"""What is free: a month to read, and a feed that tells every change."""

import re
from datetime import date

from starlette.requests import Request
from starlette.responses import Response

from widget_server.errors import InvalidRequest
from widget_server.web.api.answers import reply
from widget_server.web.context import use_cases
from widget_server.web.event_stream import EVENT_STREAM_HEADERS, EventStream
from widget_server.web.guards import network_of
from widget_server.web.offers import NextAnswer

_FEED_ID_LENGTH_MAX = 64
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


async def read_availability(request: Request) -> Response:
    """Everyone gets the same bytes; browsers keep them and ask whether they are still true."""
    first, last = _day(request, "from"), _day(request, "to")
    month = await use_cases(request).availability.month(
        request.path_params["site"], request.path_params["service"], first, last
    )
    headers = {"etag": month.etag, "cache-control": "no-cache", "vary": "accept-encoding"}
    if month.etag.removeprefix("W/") in _etags_of(request):
        return Response(status_code=304, headers=headers)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(month.body, headers=headers, media_type="application/json")
    return Response(month.compressed, headers=headers | {"content-encoding": "gzip"}, media_type="application/json")


async def find_next(request: Request) -> Response:
    service = request.path_params["service"]
    found = await use_cases(request).next_dates.find(request.path_params["site"], service, _day(request, "from"))
    return reply(NextAnswer.of(service, found))


async def read_feed(request: Request) -> Response:
    last_id = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
    if last_id is not None and len(last_id) > _FEED_ID_LENGTH_MAX:
        raise InvalidRequest("last_event_id: too long.")
    if request.method == "HEAD":
        await use_cases(request).catalog.find(request.path_params["site"])
        return Response(headers=EVENT_STREAM_HEADERS)  # a stream without a body would never end
    reader = await use_cases(request).availability.watch(request.path_params["site"], last_id, network_of(request))
    return EventStream(reader)


def _etags_of(request: Request) -> list[str]:
    """What the browser has. A proxy that compresses makes them weak; they still name the same answer."""
    known = request.headers.get("if-none-match", "").split(",")
    return [etag.strip().removeprefix("W/") for etag in known]


def _day(request: Request, name: str) -> date:
    day = request.query_params.get(name, "")
    try:
        if _DAY.fullmatch(day) is not None:
            return date.fromisoformat(day)
    except ValueError:
        pass
    raise InvalidRequest(f"{name}: a date like 2026-11-21 is needed.")
