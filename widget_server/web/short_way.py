"""The only way past the table of routes: reading a month, which every widget does at first and after each gap.

It is the very route of routes.py, without looking through the table and without layers that do nothing for it.
"""

import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from widget_server.errors import Refusal
from widget_server.web.api.answers import fail, refuse
from widget_server.web.api.availability import read_availability
from widget_server.web.headers import EVERYWHERE

_MONTH = re.compile(r"/v1/sites/(?P<site>[^/]+)/services/(?P<service>[^/]+)/availability")
"""With the names that the route gives to its parts."""


class ShortWay(Starlette):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = _MONTH.fullmatch(scope["path"]) if scope.get("method") == "GET" else None
        if asked is None:
            await super().__call__(scope, receive, send)
            return
        scope["path_params"], scope["endpoint"] = asked.groupdict(), read_availability
        response = await _answer(Request(scope, receive))
        response.raw_headers.extend(EVERYWHERE)
        await response(scope, receive, send)


async def _answer(request: Request) -> Response:
    try:
        return await read_availability(request)
    except Refusal as refusal:
        return refuse(refusal)
    except Exception as problem:  # a fault of ours, which the layers that are left out would answer likewise
        return fail(request, problem)
