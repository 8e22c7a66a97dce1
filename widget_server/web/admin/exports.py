"""The page from which the slots of a service are taken away as a file: for a spreadsheet, or for a calendar."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from widget_server.domain.schedule import Schedule, Service
from widget_server.domain.slots import OfferedSlot
from widget_server.web.admin.pages import page
from widget_server.web.admin.services import service_of
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.slot_csv import HEAD, row_of
from widget_server.web.admin.slot_ics import written
from widget_server.web.admin.spreadsheet import Cell, spreadsheet
from widget_server.web.admin.times import parse_day
from widget_server.web.forms import Form

DAYS_MAX = 366
_DAYS_SHOWN = 12 * 7


async def show_export(request: Request, at: AtSite) -> Response:
    form, _ = _range(request, at.schedule)
    return _show(request, at, form)


async def export_csv(request: Request, at: AtSite) -> Response:
    form, days = _range(request, at.schedule)
    if days is None:
        return _show(request, at, form)
    service = service_of(request, at.schedule)
    return spreadsheet(f"slots-{service.key}-{days[0]}", HEAD, _rows(at.schedule, service, *days))


async def export_ics(request: Request, at: AtSite) -> Response:
    form, days = _range(request, at.schedule)
    if days is None:
        return _show(request, at, form)
    service = service_of(request, at.schedule)
    offered = _offered(at.schedule, service, *days)
    name = f"slots-{service.key}-{days[0]}"
    headers = {"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}.ics"'}
    pieces = written(offered, name=service.name, site=at.site.key, now=datetime.now(UTC))
    return StreamingResponse(pieces, headers=headers, media_type="text/calendar; charset=utf-8")


async def show_template(request: Request, at: AtSite) -> Response:
    """A table to fill in: its head, and what a line looks like."""
    service, day = service_of(request, at.schedule), at.schedule.day_of(datetime.now(UTC)) + timedelta(days=7)

    async def example() -> AsyncIterator[list[list[Cell]]]:
        yield [[day.isoformat(), "09:00", "10:00", service.capacity]]

    return spreadsheet(f"slots-{service.key}-template", HEAD, example())


def _range(request: Request, schedule: Schedule) -> tuple[Form, tuple[date, date] | None]:
    """What is typed, and the days it means: none where it makes no sense, and why stands in the form's errors."""
    asked, today = request.query_params, schedule.day_of(datetime.now(UTC))
    form = Form({"from": asked.get("from", str(today)), "to": asked.get("to", str(today + _shown_days()))})
    first, last = parse_day(form.text("from")), parse_day(form.text("to"))
    for name, found in (("from", first), ("to", last)):
        if found is None:
            form.refuse(name, "Choose a day.")
    if first is None or last is None:
        return form, None
    if last < first:
        form.refuse("to", "The last day is before the first.")
    elif (last - first).days >= DAYS_MAX:
        form.refuse("to", f"Choose up to {DAYS_MAX} days.")
    return form, None if form.errors else (first, last)


def _shown_days() -> timedelta:
    return timedelta(days=_DAYS_SHOWN - 1)


def _offered(schedule: Schedule, service: Service, first: date, last: date) -> Iterator[list[OfferedSlot]]:
    """Day by day. The schedule is one of our own, so that the days that widgets ask for stay looked at."""
    own = replace(schedule)
    for n in range((last - first).days + 1):
        offered = own.slots_on(service.key, first + timedelta(days=n))
        yield [one for one in offered if not one.is_closed]


async def _rows(schedule: Schedule, service: Service, first: date, last: date) -> AsyncIterator[list[list[Cell]]]:
    for offered in _offered(schedule, service, first, last):
        yield [row_of(one, schedule.zone) for one in offered]


def _show(request: Request, at: AtSite, form: Form) -> Response:
    service = service_of(request, at.schedule)
    status = 422 if form.errors else 200
    return page(request, "export", at.signed_in, status, site=at.site, service=service, form=form, days_max=DAYS_MAX)
