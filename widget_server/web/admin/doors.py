"""The only place that gives the rooms their addresses: each with its guard, and forms with a limit."""

from collections.abc import Awaitable, Callable

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from widget_server.domain.dashboard import ID_MAX
from widget_server.errors import NotFound
from widget_server.web.admin.keeping import keeping
from widget_server.web.admin.session import SitePage, at_site
from widget_server.web.forms import FORM_BYTES_MAX

_SITE = "/admin/sites/{site}"


class RowId(Convertor[int]):
    """`{name:row}`: an id that databases may have given. At one larger than any of theirs there is nothing."""

    regex = "[0-9]+"

    def convert(self, value: str) -> int:
        if len(value) > len(str(ID_MAX)) or int(value) > ID_MAX:
            raise NotFound("There is nothing at this address.")
        return int(value)

    def to_string(self, value: int) -> str:
        return str(value)


register_url_convertor("row", RowId())


def shown(path: str, page: SitePage, *, for_staff: bool = False) -> Route:
    """A page of a site: for its owners only, unless it says so."""
    return Route(f"{_SITE}{path}", at_site(page, for_staff=for_staff))


def sent(path: str, page: SitePage, bytes_max: int = FORM_BYTES_MAX, *, for_staff: bool = False) -> Route:
    """A form to this address, likewise."""
    return door(f"{_SITE}{path}", at_site(page, for_staff=for_staff), bytes_max)


def door(path: str, page: Callable[[Request], Awaitable[Response]], bytes_max: int = FORM_BYTES_MAX) -> Route:
    """A form, also of those who are not signed in, or at no site. What it said is kept, whatever becomes of it."""
    return Route(path, keeping(page), methods=["POST"], max_body_size=bytes_max)
