"""Coupons: what something costs with a code, before it is used."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.web.api.answers import read, reply
from widget_server.web.bodies.coupons import QuoteAnswer
from widget_server.web.context import use_cases
from widget_server.web.guards import network_of
from widget_server.web.taken import NewQuote


async def create_quote(request: Request) -> Response:
    wanted = await read(request, NewQuote)
    lines = [line.line() for line in wanted.lines]
    site, network = request.path_params["site"], network_of(request)
    return reply(QuoteAnswer.of(await use_cases(request).coupons.quote(site, wanted.coupon, lines, network=network)))
