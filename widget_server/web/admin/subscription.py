"""The address under which a member's calendar program finds their bookings: made, shown, made anew, taken away."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.web.admin.diary import rooms_of
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import read_form_of

_DONE = {
    "made": "This is the address of your calendar. It shows every new booking within the time your program takes.",
    "removed": "Taken away. The address works no longer.",
}


async def show_subscription(request: Request, at: AtSite) -> Response:
    address = await use_cases(request).subscriptions.address(at.site, at.signed_in.operator.id)
    url = f"{base_url(request)}/calendar/{address.id}/{address.secret}.ics" if address else ""
    return page(
        request,
        "subscription",
        at.signed_in,
        site=at.site,
        url=url,
        app_url=f"webcal://{url.partition('://')[2]}",
        is_own=not at.membership.is_owner,
        done=_DONE.get(request.query_params.get("done", ""), ""),
        **rooms_of(at),
    )


async def renew_subscription(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    await use_cases(request).subscriptions.renew(at.site, at.signed_in.operator.id)
    return go(f"{at.path}/subscription?done=made")


async def end_subscription(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    await use_cases(request).subscriptions.end(at.site, at.signed_in.operator.id)
    return go(f"{at.path}/subscription?done=removed")
