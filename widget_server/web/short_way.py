"""The only way past the table of routes: for taking a hold, which must be quick when a whole town wants the same seat.

It is the very route of routes.py, without looking through the table and without layers that have nothing to do for it.
"""

import re

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from widget_server.errors import Refusal
from widget_server.web.api.answers import fail, refuse
from widget_server.web.api.holds import create_hold
from widget_server.web.headers import EVERYWHERE

_HOLDS = re.compile(r"/v1/sites/([^/]+)/holds")


class ShortWay(Starlette):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        holds = _HOLDS.fullmatch(scope["path"]) if scope.get("method") == "POST" else None
        if holds is None:
            await super().__call__(scope, receive, send)
            return
        scope["path_params"], scope["endpoint"] = {"site": holds[1]}, create_hold
        response = await _answer(Request(scope, receive))
        response.raw_headers.extend(EVERYWHERE)
        await response(scope, receive, send)


async def _answer(request: Request) -> Response:
    try:
        return await create_hold(request)
    except Refusal as refusal:
        return refuse(refusal)
    except Exception as problem:  # a fault of ours, which the layers that are left out would answer likewise
        return fail(request, problem)
