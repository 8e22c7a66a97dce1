"""Where an operator arrives: at their site, or at the list of them."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin.pages import go, page
from widget_server.web.context import use_cases


async def show_home(request: Request, signed_in: SignedIn) -> Response:
    sites = await use_cases(request).sites.sites_of(signed_in)
    if len(sites) == 1:
        return go(f"/admin/sites/{sites[0].key}/settings")
    return page(request, "home", signed_in, sites=sites)
