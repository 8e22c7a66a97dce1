"""Where an operator arrives: at the list of their sites, or at what is on today in the only one."""

from contextlib import suppress
from datetime import time, timedelta

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.wall_times import first_instant
from widget_server.errors import Unavailable
from widget_server.use_cases.operations import LiveView
from widget_server.use_cases.sites import SignedIn
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import HOME, AtSite
from widget_server.web.context import use_cases

_NEXT_SHOWN = 5


async def show_home(request: Request, signed_in: SignedIn) -> Response:
    if len(signed_in.memberships) == 1:
        return go(f"{HOME}/sites/{signed_in.memberships[0].site_key}")
    return page(request, "home", signed_in)


async def show_today(request: Request, at: AtSite) -> Response:
    """Staff begin with their diary."""
    if not at.membership.is_owner:
        return go(f"{at.path}/diary")
    dashboard, zone = use_cases(request).dashboard, at.site.zone
    now = dashboard.now()
    today = now.astimezone(zone).date()
    midnight, next_midnight = (first_instant(day, time(0), zone) for day in (today, today + timedelta(days=1)))
    agenda, is_cut = await dashboard.agenda(at.site, midnight, next_midnight)
    coming, _ = await dashboard.agenda(at.site, next_midnight)
    live: LiveView | None = None
    with suppress(Unavailable):  # the agenda is worth showing by itself
        live = await use_cases(request).operations.live(at.site)
    return page(
        request,
        "today",
        at.signed_in,
        site=at.site,
        schedule=at.schedule,
        now=now,
        today=today,
        agenda=agenda,
        is_cut=is_cut,
        live=live,
        has_bad_keys=await use_cases(request).payment_accounts.trouble_of(at.site, at.schedule),
        clearings=await use_cases(request).clearings.under_way(at.site),
        waiting=await use_cases(request).unfinished_payments.waiting(at.site),
        refused=await use_cases(request).unfinished_payments.refused(at.site),
        undelivered=await use_cases(request).messages.undelivered(at.site),
        next=coming[:_NEXT_SHOWN],
    )
