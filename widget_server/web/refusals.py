"""The only place where a refusal, a fault or an address that leads nowhere becomes a page for visitors and customers.

It speaks their language, and says what to do. What exactly was refused is said in English, to machines and operators.
"""

from collections.abc import Mapping
from contextlib import suppress

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.sites import Site
from widget_server.errors import Refusal
from widget_server.web.api.answers import note_fault
from widget_server.web.context import use_cases
from widget_server.web.languages import language_of
from widget_server.web.pages import templates

_GONE, _FAILED, _BUSY = "page.gone", "page.failed", "page.busy"
_NOT_SENT = "page.not_sent"
_SAID = {404: (_GONE, _GONE), 405: (_GONE, _NOT_SENT), 429: (_BUSY, _BUSY), 503: (_BUSY, _BUSY)}
"""What stands above, and what is said, by the status. All else did not work."""


def refused_page(request: Request, refusal: Refusal) -> Response:
    headers = {} if refusal.retry_after_s is None else {"retry-after": str(refusal.retry_after_s)}
    return _page(request, refusal.status, _known_site(request), headers)


async def nothing_page(request: Request, problem: HTTPException, headers: Mapping[str, str] | None) -> Response:
    """Where an address leads nowhere, or takes nothing that is sent to it."""
    site: Site | None = None
    with suppress(Refusal):
        site = (await use_cases(request).catalog.find(_site_key(request))).site
    return _page(request, problem.status_code, site, headers)


def failed_page(request: Request, problem: Exception) -> Response:
    """A fault of ours."""
    note_fault(request, problem)
    return _page(request, 500, _known_site(request))


def _known_site(request: Request) -> Site | None:
    """From memory: reading of the site may just be what has failed."""
    listing = use_cases(request).catalog.known(_site_key(request))
    return listing.site if listing else None


def _site_key(request: Request) -> str:
    """As in `/my/studio/…`; no route may have taken this path apart."""
    path: str = request.scope["path"]
    return (*path.split("/"), "", "")[2]


def _page(request: Request, status: int, site: Site | None, headers: Mapping[str, str] | None = None) -> Response:
    title, said = _SAID.get(status, (_FAILED, _FAILED))
    language = language_of(request, site)
    context = {
        "lang": language.tag,
        "direction": language.direction,
        "site": site,
        "title": language.say(f"{title}_title"),
        "said": language.say(said),
        "hint": language.say("page.gone_hint") if said == _GONE else "",
        "way_on": language.say("my.all", site=site.name) if site and title == _GONE else "",
    }
    headers = {**(headers or {}), "cache-control": "no-store"}
    return templates.TemplateResponse(request, "dead_end.html", context, status, headers)
