"""A week of the site: openings, shifts, blackouts and slots as blocks, each a link to where it can be changed."""

from dataclasses import dataclass
from datetime import date, datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.schedule import Schedule
from widget_server.domain.week_blocks import WEEK_DAYS, Only
from widget_server.domain.weeks import week_of
from widget_server.use_cases.week import BLOCKS_MAX
from widget_server.web.admin.pages import page
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.times import parse_day, parse_week
from widget_server.web.admin.week_drawing import draw
from widget_server.web.context import use_cases


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the site is looked at: the week of a day, and what it is narrowed down to."""

    day: date
    first: date
    only: Only

    def query(self, *, day: date | None = None, days_on: int = 0) -> str:
        """Of an address that shows the same, on this day or so many days later."""
        on = date.fromordinal((day or self.day).toordinal() + days_on)
        said = {"on": on.isoformat(), "service": self.only.service, "staff": self.only.staff}
        return urlencode({name: value for name, value in said.items() if value})


async def show_week(request: Request, at: AtSite) -> Response:
    return await _show(request, at, "week")


async def show_week_blocks(request: Request, at: AtSite) -> Response:
    """The blocks alone, for the page's script to take in when the feed says that something has moved."""
    return await _show(request, at, "week_blocks")


async def _show(request: Request, at: AtSite, name: str) -> Response:
    now = use_cases(request).dashboard.now()
    asked = read_asked(request, at, now)
    week = await use_cases(request).weeks.look(at.site, at.schedule, asked.first, asked.only)
    return page(
        request,
        name,
        at.signed_in,
        site=at.site,
        schedule=at.schedule,
        asked=asked,
        today=now.astimezone(at.site.zone).date(),
        week=week,
        drawn=draw(week, at.site.zone, at.path, chosen=asked.day, staff=_name_of(at.schedule, asked.only.staff)),
        blocks_max=BLOCKS_MAX,
        week_days=WEEK_DAYS,
    )


def read_asked(request: Request, at: AtSite, now: datetime) -> Asked:
    """What makes no sense is not asked for: today, all services, everybody."""
    query = request.query_params
    service, staff = query.get("service", ""), query.get("staff", "")
    only = Only(service if service in at.schedule.services else "", staff if staff in at.schedule.staff else "")
    day = parse_day(query.get("on", ""))
    first = week_of(day, at.site.locale)[0] if day else None
    if day is None or first is None or parse_week(first.isoformat()) is None:
        day = now.astimezone(at.site.zone).date()
        first = week_of(day, at.site.locale)[0]
    return Asked(day, first, only)


def _name_of(schedule: Schedule, staff: str) -> str:
    return schedule.staff[staff].name if staff else ""
