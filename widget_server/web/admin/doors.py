"""The only place that gives the rooms their addresses: each with its guard, and forms with a limit."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widget_server.web.admin.session import SitePage, at_site
from widget_server.web.forms import FORM_BYTES_MAX

_SITE = "/admin/sites/{site}"


def shown(path: str, page: SitePage, *, for_staff: bool = False) -> Route:
    """A page of a site: for its owners only, unless it says so."""
    return Route(f"{_SITE}{path}", at_site(page, for_staff=for_staff))


def sent(path: str, page: SitePage, bytes_max: int = FORM_BYTES_MAX, *, for_staff: bool = False) -> Route:
    """A form to this address, likewise."""
    return Route(f"{_SITE}{path}", at_site(page, for_staff=for_staff), methods=["POST"], max_body_size=bytes_max)


def door(path: str, page: Callable[[Request], Awaitable[Response]]) -> Route:
    """A form of those who are not signed in, or at no site."""
    return Route(path, page, methods=["POST"], max_body_size=FORM_BYTES_MAX)
