"""The only place that knows the cookie of a signed-in operator. It holds a random id and nothing else."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.operators import Membership
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.errors import NotFound, SignInNeeded
from widget_server.ids import is_id
from widget_server.use_cases.sites import SESSION_IDLE, SignedIn
from widget_server.web.admin.pages import go
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import NUL

HOME = "/admin"
SIGN_IN = "/admin/sign-in"
_LOCAL_PATH = re.compile(r"/admin(?:/[\w-]+(?:\.[\w-]+)*)*(?:\?[\w.=&%-]*)?", re.ASCII)

Page = Callable[[Request, SignedIn], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class AtSite:
    """An operator in one of their sites, with what it offers."""

    signed_in: SignedIn
    site: Site
    schedule: Schedule
    membership: Membership

    @property
    def path(self) -> str:
        """Of the site's rooms, without a slash at the end."""
        return f"{HOME}/sites/{self.site.key}"


SitePage = Callable[[Request, AtSite], Awaitable[Response]]


async def read_again(request: Request, at: AtSite) -> AtSite:
    """As the site is by now: somebody may have changed it meanwhile."""
    site, schedule = await use_cases(request).sites.read(at.site)
    return replace(at, site=site, schedule=schedule)


def at_site(page: SitePage, *, for_staff: bool = False) -> Callable[[Request], Awaitable[Response]]:
    """For pages of one site: its owners', and those of the role of staff only where the page says so.

    Raises NotFound also for a site of others: who asks learns nothing.
    """

    async def opened(request: Request, signed_in: SignedIn) -> Response:
        sites, key = use_cases(request).sites, request.path_params["site"]
        site, schedule = await (sites.enter if for_staff else sites.open)(signed_in, key)
        return await page(request, AtSite(signed_in, site, schedule, signed_in.membership(key)))

    return signed_in_only(opened)


def signed_in_only(page: Page) -> Callable[[Request], Awaitable[Response]]:
    """Raises SignInNeeded for everybody else, which refusals.py turns into the sign-in page."""

    async def guarded(request: Request) -> Response:
        signed_in = await find_session(request)
        if signed_in is None:
            raise SignInNeeded("Sign in first.")
        if any(isinstance(part, str) and NUL in part for part in request.path_params.values()):
            raise NotFound("There is nothing at this address.")
        response = await page(request, signed_in)
        if signed_in.prolonged:
            remember(request, response, signed_in.session)
        return response

    return guarded


async def find_session(request: Request) -> SignedIn | None:
    session = session_of(request)
    return await use_cases(request).sites.signed_in(session) if session else None


def session_of(request: Request) -> str | None:
    session = request.cookies.get(_cookie_name(request), "")
    return session if is_id(session) else None


def welcome(request: Request, session: str, wanted: str) -> Response:
    """On to the page that was asked for before signing in; never to one outside the admin pages."""
    response = go(local_path(wanted))
    remember(request, response, session)
    return response


def remember(request: Request, response: Response, session: str) -> None:
    response.set_cookie(
        _cookie_name(request),
        session,
        max_age=int(SESSION_IDLE.total_seconds()),
        secure=_is_https(request),
        httponly=True,
        samesite="lax",
    )


def forget(request: Request, response: Response) -> None:
    response.delete_cookie(_cookie_name(request), secure=_is_https(request), httponly=True, samesite="lax")


def local_path(wanted: str) -> str:
    return wanted if _LOCAL_PATH.fullmatch(wanted) else HOME


def sign_in_path(request: Request) -> str:
    """Where to sign in, coming back to this page; a form that was sent cannot be sent again, so that goes home."""
    wanted = request.url.path if request.method == "GET" else HOME
    return SIGN_IN if wanted == HOME else f"{SIGN_IN}?next={quote(wanted)}"


def _cookie_name(request: Request) -> str:
    """With `__Host-` no other host of the domain can plant a cookie here; browsers allow it on https only."""
    return "__Host-tenuto" if _is_https(request) else "tenuto"


def _is_https(request: Request) -> bool:
    return base_url(request).startswith("https://")
