"""The calendar editor of a service: a week of day rows, all saved at once."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.impact import Taken
from widget_server.domain.schedule import CapacityRule, Schedule, Service
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot, Slot
from widget_server.domain.weeks import week_of
from widget_server.errors import Unavailable
from widget_server.use_cases.edits import Edited
from widget_server.web.admin.calendar_form import (
    WEEK,
    Wanted,
    copy_day,
    days_from,
    form_of,
    is_to_be_closed,
    is_typed,
    merge,
    next_row,
    read_calendar,
    rows_of_day,
    said_shown,
)
from widget_server.web.admin.clearings import next_page
from widget_server.web.admin.impact import chosen, refuse_for_now, refused_beside, said_taken, shown_impact
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.services import service_of
from widget_server.web.admin.session import AtSite, read_again
from widget_server.web.admin.times import parse_week, said_span
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, read_form_of

_CHANGED = (
    "Somebody saved other times meanwhile. Here they are, with the days that you have changed: "
    "check all, and update once more."
)


@dataclass(frozen=True, slots=True)
class ShownSlot:
    id: str
    when: str
    taken: str
    """Empty where nobody has seats of it: then it may go with its opening."""
    is_closed: bool
    is_kept: bool
    """Closed though nobody ticked so: as nothing offers it any more, but for those who have it."""
    is_over: bool
    shown: str
    """What its fields showed, sent along with them: so what somebody typed is told from what they only send back."""
    typed: str
    """What stands in the field for its seats."""


@dataclass(frozen=True, slots=True)
class ShownDay:
    day: date
    rows: list[int]
    slots: list[ShownSlot]
    is_past: bool
    is_today: bool


async def show_calendar(request: Request, at: AtSite) -> Response:
    service, first = service_of(request, at.schedule), _first_day(request, at.site)
    return await _show(request, at, service, first, form_of(at.schedule, service.key, first))


async def update(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    service, first = service_of(request, at.schedule), _first_day(request, at.site)
    if form.text("action") == "copy_day":
        copy_day(form, first)
        return await _show(request, at, service, first, form, status=422 if form.errors else 200)
    wanted, edited = read_calendar(form, at.schedule, service, first), None
    if not form.errors:
        try:
            edited = await _update(request, at, service, wanted, form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return await _show(request, at, service, first, form, status=refusal.status)
        if edited is not None and edited.is_saved:
            return go(next_page(at.site, edited, f"services/{service.key}/calendar?week={first}&saved=1"))
    at = await read_again(request, at)
    theirs = merge(form, at.schedule, service.key, first) if form.is_outdated else []
    return await _show(request, at, service, first, form, status=422, edited=edited, theirs=theirs)


async def _update(request: Request, at: AtSite, service: Service, wanted: Wanted, form: Form) -> Edited | None:
    with refused_beside(form, _CHANGED):
        return await use_cases(request).calendar.update(
            at.site,
            service.key,
            wanted.openings,
            wanted.rules,
            operator_id=at.signed_in.operator.id,
            seen=form.text("seen"),
            choice=chosen(form),
        )
    return None


def _first_day(request: Request, site: Site) -> date:
    """Of the week that is asked for, which may begin on any day; else of the present one, as readers there count."""
    asked = parse_week(request.query_params.get("week", ""))
    return asked or week_of(datetime.now(site.zone).date(), site.locale)[0]


async def _show(
    request: Request,
    at: AtSite,
    service: Service,
    first: date,
    form: Form,
    status: int = 200,
    edited: Edited | None = None,
    theirs: list[str] | None = None,
) -> Response:
    is_known = status != Unavailable.status  # the page must come, also without what is taken
    taken = await use_cases(request).edits.taken(at.site, [service.key]) if is_known else {}
    is_shown = request.method == "GET"
    return page(
        request,
        "calendar",
        at.signed_in,
        status,
        site=at.site,
        service=service,
        form=form,
        days=[_shown_day(at.schedule, service, form, day, taken) for day in days_from(first)],
        first=first,
        last=first + WEEK,
        before=first - WEEK,
        next_row=next_row(form),
        by_seats=service.capacity_rule is CapacityRule.FIXED,
        impact=await shown_impact(request, at.site, at.schedule, edited),
        theirs=theirs or [],
        saved=is_shown and request.query_params.get("saved") == "1",
        is_new=is_shown and request.query_params.get("new") == "1",
        is_copied=form.text("action") == "copy_day" and not form.errors,
    )


def _shown_day(schedule: Schedule, service: Service, form: Form, day: date, taken: dict[Slot, Taken]) -> ShownDay:
    today = datetime.now(schedule.zone).date()
    slots = [_shown_slot(schedule, form, offered, taken) for offered in schedule.slots_on(service.key, day)]
    return ShownDay(day, rows_of_day(form, day), slots, is_past=day < today, is_today=day == today)


def _shown_slot(schedule: Schedule, form: Form, offered: OfferedSlot, taken: dict[Slot, Taken]) -> ShownSlot:
    slot, one = offered.slot, taken.get(offered.slot)
    starts, ends = (at.astimezone(schedule.zone) for at in (slot.starts_at, slot.ends_at))
    is_sent, was_closed = form.text(f"slot-{slot.id}") != "", schedule.rule_of(slot).is_closed
    return ShownSlot(
        id=slot.id,
        when=said_span(starts, ends),
        taken=said_taken(one.booked, one.held) if one else "",
        is_closed=is_to_be_closed(form, slot, was_closed) if is_sent else was_closed,
        is_kept=offered.is_closed and not was_closed,
        is_over=slot.starts_at <= datetime.now(UTC),
        shown=said_shown(offered.capacity, is_closed=was_closed),
        typed=form.text(f"seats-{slot.id}") if is_sent and is_typed(form, slot) else str(offered.capacity),
    )
