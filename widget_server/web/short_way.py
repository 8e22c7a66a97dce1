"""The only way past the table of routes: for what a whole town does at once, taking a hold and reading a month.

These are the very routes of routes.py, without looking through the table and without layers that do nothing for them.
"""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from widget_server.errors import Refusal
from widget_server.web.api.answers import fail, refuse
from widget_server.web.api.availability import read_availability
from widget_server.web.api.holds import create_hold
from widget_server.web.headers import EVERYWHERE

Endpoint = Callable[[Request], Awaitable[Response]]


class _Way(NamedTuple):
    path: re.Pattern[str]
    """With the names that the route gives to its parts."""
    endpoint: Endpoint


_WAYS = {
    "POST": _Way(re.compile(r"/v1/sites/(?P<site>[^/]+)/holds"), create_hold),
    "GET": _Way(re.compile(r"/v1/sites/(?P<site>[^/]+)/services/(?P<service>[^/]+)/availability"), read_availability),
}
"""By method: there is one of each."""


class ShortWay(Starlette):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = _WAYS.get(scope.get("method", ""))
        asked = way and way.path.fullmatch(scope["path"])
        if way is None or asked is None:
            await super().__call__(scope, receive, send)
            return
        scope["path_params"], scope["endpoint"] = asked.groupdict(), way.endpoint
        response = await _answer(way.endpoint, Request(scope, receive))
        response.raw_headers.extend(EVERYWHERE)
        await response(scope, receive, send)


async def _answer(endpoint: Endpoint, request: Request) -> Response:
    try:
        return await endpoint(request)
    except Refusal as refusal:
        return refuse(refusal)
    except Exception as problem:  # a fault of ours, which the layers that are left out would answer likewise
        return fail(request, problem)
