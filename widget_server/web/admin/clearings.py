"""How far a clearing has come, and stopping it: many bookings that are cancelled or asked to move, some at a time."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.sites import Site
from widget_server.use_cases.edits import Edited
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases
from widget_server.web.forms import read_form_of


async def show_clearing(request: Request, at: AtSite) -> Response:
    return await _show(request, at, "clearing")


async def show_progress(request: Request, at: AtSite) -> Response:
    """The figures alone, for the page's script to take in."""
    return await _show(request, at, "clearing_progress")


async def stop(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    clearing = await use_cases(request).clearings.stop(
        at.site, request.path_params["clearing"], operator_id=at.signed_in.operator.id
    )
    return go(f"{at.path}/clearings/{clearing.id}")


def next_page(site: Site, edited: Edited, otherwise: str) -> str:
    """Where to go once an edit is saved, below the site's rooms: to what is still being done, if anything is."""
    home = f"/admin/sites/{site.key}"
    return f"{home}/{otherwise}" if edited.clearing_id is None else f"{home}/clearings/{edited.clearing_id}"


async def _show(request: Request, at: AtSite, name: str) -> Response:
    clearing = await use_cases(request).clearings.find(at.site, request.path_params["clearing"])
    return page(request, name, at.signed_in, site=at.site, clearing=clearing)
