"""All bookings of a customer: a link is asked for by their address, and its code shows them."""

import re
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.my_bookings import LINK_LIFE, Mark
from widget_server.errors import InvalidRequest
from widget_server.web.api.answers import read, reply
from widget_server.web.bodies.my_bookings import LinkAnswer, MyBookingBody, MyBookingsAnswer
from widget_server.web.context import use_cases
from widget_server.web.guards import bearer_secret, network_of
from widget_server.web.taken import NewLinkBody

_MARK = re.compile(r"([1-9]\d{8,9})-([1-9]\d{0,8})", re.ASCII)
"""Seconds since 1970 and a booking's id. More digits are none: a database takes no such number."""


async def create_link(request: Request) -> Response:
    """The same answer, whoever is asked for."""
    body = await read(request, NewLinkBody)
    my_bookings = use_cases(request).my_bookings
    await my_bookings.ask_for_link(request.path_params["site"], body.email, network=network_of(request))
    return reply(LinkAnswer(valid_minutes=int(LINK_LIFE.total_seconds()) // 60), 202)


async def list_my_bookings(request: Request) -> Response:
    site_key, my_bookings = request.path_params["site"], use_cases(request).my_bookings
    found = await my_bookings.read(site_key, bearer_secret(request), after=_mark_of(request))
    bookings = (MyBookingBody.of(one, my_bookings.link_to(site_key, one.order_id)) for one in found.bookings)
    answer = MyBookingsAnswer(
        bookings=tuple(bookings),
        next=f"{int(found.next.starts_at.timestamp())}-{found.next.booking_id}" if found.next else None,
        expires_at=found.expires_at,
        server_now=use_cases(request).bookings.now(),
    )
    return reply(answer)


def _mark_of(request: Request) -> Mark | None:
    asked = request.query_params.get("after")
    if asked is None:
        return None
    mark = _MARK.fullmatch(asked)
    if mark is None:
        raise InvalidRequest("after: take it from `next` of the page before.")
    return Mark(datetime.fromtimestamp(int(mark[1]), UTC), int(mark[2]))
