"""The pages about when nothing can be booked: the list of blackouts, and everything about one."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.blackouts import REASON_LETTERS_MAX, Blackout
from widget_server.domain.changes import said_when, said_whose
from widget_server.domain.schedule import Schedule
from widget_server.domain.weeks import weekdays_of
from widget_server.errors import NotFound, Unavailable
from widget_server.use_cases.blackouts import find
from widget_server.use_cases.edits import Edited, fingerprint
from widget_server.web.admin.choices import Choice as ListChoice
from widget_server.web.admin.clearings import next_page
from widget_server.web.admin.impact import chosen, refuse_for_now, refused_beside, shown_impact
from widget_server.web.admin.merging import MERGED, marked, take_theirs
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite, read_again
from widget_server.web.admin.times import Row, parse_day
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, form_id, read_form_of

_OF_SITE, _OF_SERVICE, _OF_STAFF = "site", "service:", "staff:"
_DAYS_MAX = 366


async def show_blackouts(request: Request, at: AtSite) -> Response:
    return _list(request, at, is_saved=request.query_params.get("saved") == "1")


async def show_new(request: Request, at: AtSite) -> Response:
    form = Form({"whose": _OF_SITE, "first_day": "", "last_day": "", "seen": ""})
    form_id(form)
    return _show(request, at, None, form)


async def add(request: Request, at: AtSite) -> Response:
    return await _save(request, at, None)


async def show_blackout(request: Request, at: AtSite) -> Response:
    blackout = find(at.schedule, request.path_params["blackout"])
    return _show(request, at, blackout.id, marked(form_of(blackout)))


async def save(request: Request, at: AtSite) -> Response:
    return await _save(request, at, request.path_params["blackout"])


async def remove(request: Request, at: AtSite) -> Response:
    """The form says all of it, so that it can be had back, also by the second of two clicks."""
    form = await read_form_of(request, at.signed_in.session)
    removed = read_blackout(form, at.schedule)
    try:
        await use_cases(request).blackouts.remove(
            at.site, request.path_params["blackout"], operator_id=at.signed_in.operator.id
        )
    except Unavailable as refusal:
        return _list(request, at, problem=refusal.message, status=refusal.status)
    except NotFound:
        if removed is None:
            raise
    return _list(request, await read_again(request, at), removed=removed)


async def _save(request: Request, at: AtSite, blackout_id: int | None) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    if blackout_id is not None:
        find(at.schedule, blackout_id)
    wanted, edited = read_blackout(form, at.schedule), None
    if wanted is not None and not wanted.is_ever:
        form.refuse("weekdays", "None of its days is one of these weekdays: nothing would be closed.")
    if wanted is not None and not form.errors:
        try:
            edited = await _write(request, at, replace(wanted, id=blackout_id), form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, at, blackout_id, form, status=refusal.status)
        if edited is not None and edited.is_saved:
            return go(next_page(at.site, edited, "blackouts?saved=1"))
    at = await read_again(request, at)
    if blackout_id is not None and form.is_outdated:
        take_theirs(form, marked(form_of(find(at.schedule, blackout_id))))
    impact = await shown_impact(request, at.site, at.schedule, edited)
    return _show(request, at, blackout_id, form, status=422, impact=impact)


async def _write(request: Request, at: AtSite, wanted: Blackout, form: Form) -> Edited | None:
    with refused_beside(form, MERGED.format("details")):
        return await use_cases(request).blackouts.save(
            at.site,
            wanted,
            operator_id=at.signed_in.operator.id,
            shown=at.schedule,
            form_id=form_id(form) if wanted.id is None else "",
            seen=form.text("seen"),
            choice=chosen(form),
        )
    return None


def form_of(blackout: Blackout) -> Form:
    whose = _OF_SITE
    if blackout.service is not None:
        whose = _OF_SERVICE + blackout.service
    elif blackout.staff is not None:
        whose = _OF_STAFF + blackout.staff
    form = Form(
        {
            "seen": fingerprint(blackout),
            "whose": whose,
            "first_day": str(blackout.first_day),
            "last_day": str(blackout.last_day or ""),
            "for_ever": "" if blackout.last_day else "on",
            "span-starts": f"{blackout.starts:%H:%M}" if blackout.starts else "",
            "span-ends": f"{blackout.ends:%H:%M}" if blackout.ends else "",
            "yearly": "on" if blackout.yearly else "",
            "reason": blackout.reason,
        }
    )
    form.values |= {f"weekday-{weekday}": "on" for weekday in blackout.weekdays}
    return form


def read_blackout(form: Form, schedule: Schedule) -> Blackout | None:
    """None where it makes no sense; what is wrong stands in `form.errors`."""
    service, staff = _whose(form, schedule)
    first, last = _days(form)
    row = Row("span", form)
    span = None if row.is_blank else row.span()
    reason = form.text_within("reason", REASON_LETTERS_MAX)
    if form.errors or first is None:
        return None
    return Blackout(
        first_day=first,
        last_day=last,
        service=service,
        staff=staff,
        starts=span[0] if span else None,
        ends=span[1] if span else None,
        weekdays=frozenset(n for n in range(7) if form.text(f"weekday-{n}") == "on"),
        yearly=form.text("yearly") == "on",
        reason=reason,
    )


def is_over(blackout: Blackout, today: date) -> bool:
    """One that goes on past midnight is there on the day after its last one, too."""
    if blackout.yearly or blackout.last_day is None:
        return False
    is_overnight = blackout.starts is not None and blackout.ends is not None and blackout.ends <= blackout.starts
    return blackout.last_day + timedelta(days=int(is_overnight)) < today


def _whose(form: Form, schedule: Schedule) -> tuple[str | None, str | None]:
    whose = form.text("whose")
    kind, _, key = whose.partition(":")
    if f"{kind}:" == _OF_SERVICE and key in schedule.services:
        return key, None
    if f"{kind}:" == _OF_STAFF and key in schedule.staff:
        return None, key
    if whose != _OF_SITE:
        form.refuse("whose", "Choose one from the list.")
    return None, None


def _days(form: Form) -> tuple[date | None, date | None]:
    first = parse_day(form.text("first_day"))
    if first is None:
        form.refuse("first_day", "Choose the day on which it begins.")
        return None, None
    is_for_ever, is_yearly = form.text("for_ever") == "on", form.text("yearly") == "on"
    if is_for_ever:
        if is_yearly:
            form.refuse("yearly", "What lasts for ever cannot come back every year.")
        return first, None
    last = parse_day(form.text("last_day")) if form.text("last_day") else first
    if last is None or last < first:
        form.refuse("last_day", "Choose a day that is not before the first one.")
    elif is_yearly and last - first >= timedelta(days=_DAYS_MAX - 1):
        form.refuse("last_day", "What comes back every year lasts less than a year.")
    return first, last


def _list(
    request: Request,
    at: AtSite,
    *,
    is_saved: bool = False,
    removed: Blackout | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    today, undo = datetime.now(at.site.zone).date(), form_of(removed) if removed else None
    if undo is not None:
        undo.values["undo"] = "on"
        form_id(undo)
    return page(
        request,
        "blackouts",
        at.signed_in,
        status,
        site=at.site,
        blackouts=[
            (one, said_when(one), said_whose(at.schedule, one), is_over(one, today), form_of(one))
            for one in at.schedule.blackouts
        ],
        is_saved=is_saved,
        undo=undo,
        problem=problem,
    )


def _show(
    request: Request,
    at: AtSite,
    blackout_id: int | None,
    form: Form,
    status: int = 200,
    impact: object = None,
) -> Response:
    services = [ListChoice(_OF_SERVICE + s.key, f"Only {s.name}") for s in at.schedule.services.values()]
    staff = [ListChoice(_OF_STAFF + m.key, f"Only with {m.name}") for m in at.schedule.staff.values()]
    return page(
        request,
        "blackout",
        at.signed_in,
        status,
        site=at.site,
        blackout_id=blackout_id,
        form=form,
        impact=impact,
        whose=[ListChoice(_OF_SITE, "Everything at this site"), *services, *staff],
        weekdays=weekdays_of(at.site.locale),
    )
