"""The diary of a staff member, week by week: their own for staff, anybody's for owners."""

from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.dashboard import BookingLine
from widget_server.domain.diary import WEEK_DAYS, days_of, first_name
from widget_server.domain.schedule import StaffMember
from widget_server.domain.wall_times import first_instant
from widget_server.domain.weeks import week_of
from widget_server.errors import NotFound
from widget_server.web.admin.pages import Room, go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.times import parse_week, said_span
from widget_server.web.context import use_cases


async def show_diary(request: Request, at: AtSite) -> Response:
    if at.membership.is_owner and "staff" not in request.query_params:
        return go(at.path)  # they were staff when they opened it: an owner has no diary of their own
    member, today = _member(request, at), use_cases(request).dashboard.now().astimezone(at.site.zone).date()
    asked = parse_week(request.query_params.get("week", "")) or today
    first = week_of(asked, at.site.locale)[0]
    served, is_cut = await _served(request, at, member, first)
    return page(
        request,
        "diary",
        at.signed_in,
        site=at.site,
        member=member,
        is_own=not at.membership.is_owner,
        members=sorted(at.schedule.staff.values(), key=lambda one: one.name.casefold()),
        services=at.schedule.services,
        days=days_of(at.schedule, member.key, first, served),
        first=first,
        last=first + timedelta(days=WEEK_DAYS - 1),
        weeks={"before": first - timedelta(days=WEEK_DAYS), "after": first + timedelta(days=WEEK_DAYS)},
        today=today,
        is_cut=is_cut,
        first_name=first_name,
        coming=_coming,
        said_span=said_span,
        **rooms_of(at),
    )


def rooms_of(at: AtSite) -> dict[str, Any]:
    """What the way between the rooms shows: for owners, all of them."""
    if at.membership.is_owner:
        return {}
    shifts = (Room("shifts", "Shifts"),) if may_enter_shifts(at) else ()
    return {"rooms": (Room("diary", "Diary"), *shifts)}


def may_enter_shifts(at: AtSite) -> bool:
    member = at.schedule.staff.get(at.membership.staff or "")
    return at.site.staff_enter_shifts and member is not None and member.is_active


def _member(request: Request, at: AtSite) -> StaffMember:
    """Whatever staff ask for, they get their own. Raises NotFound."""
    asked = request.query_params.get("staff", "") if at.membership.is_owner else at.membership.staff
    member = at.schedule.staff.get(asked or "")
    if member is None:
        raise NotFound("There is no such staff member.")
    return member


async def _served(request: Request, at: AtSite, member: StaffMember, first: date) -> tuple[list[BookingLine], bool]:
    """Of that week, and whether there is more."""
    since, until = (first_instant(day, time(0), at.site.zone) for day in (first, first + timedelta(days=WEEK_DAYS)))
    return await use_cases(request).dashboard.served(at.site, member.key, since=since, until=until)


def _coming(line: BookingLine) -> Iterable[str]:
    """Those who come besides whoever has booked."""
    return [name for name in line.attendees if name and name != line.customer]
