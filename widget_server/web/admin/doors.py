"""The only place that gives the rooms their addresses: each with its guard, and forms with a limit."""

from collections.abc import Awaitable, Callable

from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from widget_server.domain.dashboard import ID_MAX
from widget_server.errors import NotFound, TooLarge
from widget_server.web.admin.keeping import keeping
from widget_server.web.admin.session import SitePage, at_site
from widget_server.web.forms import FORM_BYTES_MAX, length_of

_SITE = "/admin/sites/{site}"
_TOO_LARGE = (
    "This form may have up to {kilobytes:,} kB, with its file if it has one, and nothing of it was saved. "
    "Go back in your browser, and send less."
)


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
    return FormRoute(path, keeping(page), bytes_max)


class FormRoute(Route):
    """Takes no more than so many bytes. Who sends more is told so, which Starlette would do in two words."""

    def __init__(self, path: str, page: Callable[[Request], Awaitable[Response]], bytes_max: int) -> None:
        super().__init__(path, page, methods=["POST"], max_body_size=bytes_max)
        self.bytes_max = bytes_max

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = length_of(Headers(scope=scope))
        if length is not None and length > self.bytes_max:
            raise TooLarge(_TOO_LARGE.format(kilobytes=self.bytes_max // 1_000))
        await super().handle(scope, receive, send)
