"""The only way past the table of routes: for taking a hold, which must be quick when a whole town wants the same seat.

It is the very route of routes.py, without looking through the table and without layers that have nothing to do for it.
"""

import re

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from widget_server.errors import Refusal
from widget_server.web.api.answers import refuse
from widget_server.web.api.holds import create_hold
from widget_server.web.headers import EVERYWHERE

_HOLDS = re.compile(r"/v1/sites/([^/]+)/holds")


class ShortWay:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        holds = _HOLDS.fullmatch(scope["path"]) if scope.get("method") == "POST" else None
        if holds is None:
            await self.app(scope, receive, send)
            return
        scope["path_params"], scope["endpoint"] = {"site": holds[1]}, create_hold
        try:
            response = await create_hold(Request(scope, receive))
        except Refusal as refusal:
            response = refuse(refusal)
        response.raw_headers.extend(EVERYWHERE)
        await response(scope, receive, send)
