"""The application: routes, security headers, and the one place where a refusal becomes an HTTP answer."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from widget_server.errors import Refusal
from widget_server.web import admin, refusals
from widget_server.web.api.answers import fail, refuse
from widget_server.web.bodies import error
from widget_server.web.headers import EVERYWHERE, SecurityHeaders
from widget_server.web.routes import all_routes
from widget_server.web.short_way import ShortWay
from widget_server.web.slashes import WithoutSlash

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
_OF_OPERATORS, _OF_CUSTOMERS = {"admin"}, {"w", "o", "my"}
"""The first words of addresses at which pages are; at all others machines ask."""


def create_app(lifespan: Callable[[Starlette], AbstractAsyncContextManager[dict[str, Any]]]) -> Starlette:
    app = ShortWay(
        routes=all_routes(),
        lifespan=lifespan,
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={Refusal: _refused, HTTPException: _http_refused, Exception: _failed},
    )
    app.router.redirect_slashes = False
    app.router.default = WithoutSlash(app.router)
    return app


async def _refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    if _is_below(_OF_OPERATORS, request):
        return admin.refused_page(request, refusal)
    return refusals.refused_page(request, refusal) if _is_below(_OF_CUSTOMERS, request) else refuse(refusal)


async def _http_refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    headers = {"allow": _allowed(request)} if problem.status_code == 405 else problem.headers
    if _is_below(_OF_OPERATORS, request):
        return admin.nothing_page(request, problem, headers)
    if _is_below(_OF_CUSTOMERS, request):
        return await refusals.nothing_page(request, problem, headers)
    code = _CODES.get(problem.status_code, "invalid_request")
    return JSONResponse(error(code, problem.detail), problem.status_code, headers)


async def _failed(request: Request, problem: Exception) -> Response:
    response = _failure(request, problem)
    response.raw_headers.extend(EVERYWHERE)  # it passes no middleware any more
    return response


def _failure(request: Request, problem: Exception) -> Response:
    if _is_below(_OF_OPERATORS, request):
        return admin.failed_page(request, problem)
    return refusals.failed_page(request, problem) if _is_below(_OF_CUSTOMERS, request) else fail(request, problem)


def _allowed(request: Request) -> str:
    """All methods of this address: an address may have a route for each."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return ", ".join(sorted({method for route in routes for method in getattr(route, "methods", None) or ()}))


def _is_below(first_words: set[str], request: Request) -> bool:
    return request.scope["path"].removeprefix("/").partition("/")[0] in first_words
