"""The pages of visitors and customers: the loader, the framed widget, the order page and that of all their bookings."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from widget_server.assets import find
from widget_server.domain.sites import Site
from widget_server.ids import is_key
from widget_server.web.api.services import services_answer
from widget_server.web.context import use_cases
from widget_server.web.headers import framed_by
from widget_server.web.languages import language_of
from widget_server.web.pages import templates
from widget_server.web.static_files import text_of

THEMES = ("auto", "light", "dark")


async def embed_script(request: Request) -> Response:
    """Loaded by host pages of any origin; five minutes of caching, so that a new release is soon everywhere."""
    headers = {
        "cache-control": "public, max-age=300",
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
    }
    return text_of(find("widget_static") / "embed.js", request.scope, headers)


async def framed_page(request: Request) -> Response:
    """The widget. Only the site's allowed origins, and our own for the preview, may frame it."""
    listing = await use_cases(request).catalog.find(request.path_params["site"])
    asked = request.query_params
    if request.headers.get("sec-fetch-dest", "iframe") == "iframe":
        await use_cases(request).sightings.note(listing.site, asked.get("host", ""))
    answer = services_answer(request, listing).model_dump()
    context = {
        "site": answer["site"],
        "services": answer["services"],
        "service_key": key if is_key(key := asked.get("service", "")) else "",
        "theme": asked["theme"] if asked.get("theme") in THEMES else listing.site.theme,
    }
    context |= _language(request, listing.site)
    headers = framed_by(("'self'", *listing.site.origins)) | {"cache-control": "no-store"}
    return templates.TemplateResponse(request, "widget.html", context, headers=headers)


async def order_page(request: Request) -> Response:
    """Holds nothing of the order: the page asks for it with the secret in its fragment, which no server ever sees."""
    return await _page_of_site(request, "order", order=request.path_params["id"])


async def receipt_page(request: Request) -> Response:
    """Likewise."""
    return await _page_of_site(request, "receipt", order=request.path_params["id"])


async def my_bookings_page(request: Request) -> Response:
    """Likewise of no booking."""
    return await _page_of_site(request, "my")


async def _page_of_site(request: Request, page: str, **boot: str) -> Response:
    """With what its script begins with, besides the site."""
    listing = await use_cases(request).catalog.find(request.path_params["site"])
    site = services_answer(request, listing).model_dump()["site"]
    context: dict[str, Any] = {"page": page, "site": site, "boot": {"site": site, **boot}}
    context |= _language(request, listing.site)
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
    return templates.TemplateResponse(request, "customer.html", context, headers=headers)


def _language(request: Request, site: Site) -> dict[str, str]:
    """And the one sentence of the widget that no script can say."""
    language = language_of(request, site)
    no_script = language.say("page.no_script", site=site.name)
    return {"lang": language.tag, "direction": language.direction, "no_script": no_script}
