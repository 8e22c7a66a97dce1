"""The pages about who serves: the list of staff, and everything about one, with all shifts and days off."""

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.schedule import Schedule, StaffMember
from widget_server.domain.sites import Site
from widget_server.errors import Changed, InvalidRequest, NotFound, Unavailable
from widget_server.use_cases.edits import Edited, by_shift
from widget_server.use_cases.sites import SignedIn
from widget_server.use_cases.staffing import fingerprint_of
from widget_server.web.admin.impact import chosen, refuse_for_now, shown_impact
from widget_server.web.admin.member_form import BLANK_ROWS, Wanted, form_of, named_in, read_member
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.times import WEEKDAYS, numbers_of
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, form_id, read_form_of

_NOBODY = StaffMember("", "")


async def show_staff(request: Request, signed_in: SignedIn) -> Response:
    site, schedule = await use_cases(request).sites.open(signed_in, request.path_params["site"])
    return page(
        request,
        "staff",
        signed_in,
        site=site,
        members=sorted(schedule.staff.values(), key=lambda member: (not member.is_active, member.name.casefold())),
        services=schedule.services,
        has_shifts={shift.staff for shift in schedule.shifts},
    )


async def show_new(request: Request, signed_in: SignedIn) -> Response:
    site, schedule = await use_cases(request).sites.open(signed_in, request.path_params["site"])
    form = form_of(schedule, _NOBODY)
    form_id(form)
    if len(schedule.services) == 1:
        form.values |= {f"serves-{key}": "on" for key in schedule.services}
    return _show(request, signed_in, site, schedule, _NOBODY, form)


async def add(request: Request, signed_in: SignedIn) -> Response:
    form = await read_form_of(request, signed_in.session, fields_max=TABLE_FIELDS_MAX)
    site, schedule = await use_cases(request).sites.open(signed_in, request.path_params["site"])
    wanted = read_member(form, schedule, _NOBODY)
    if not form.errors:
        try:
            key = await use_cases(request).staffing.add(
                site,
                wanted.member,
                wanted.shifts,
                wanted.days_off,
                operator_id=signed_in.operator.id,
                form_id=form_id(form),
            )
            return go(f"/admin/sites/{site.key}/staff/{key}?saved=1")
        except InvalidRequest as refusal:
            form.refuse(refusal.details.get("field", "page"), refusal.message)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, signed_in, site, schedule, _NOBODY, form, status=refusal.status)
    return _show(request, signed_in, site, schedule, _NOBODY, form, status=422)


async def show_member(request: Request, signed_in: SignedIn) -> Response:
    site, schedule = await use_cases(request).sites.open(signed_in, request.path_params["site"])
    member = _member_of(request, schedule)
    return _show(request, signed_in, site, schedule, member, form_of(schedule, member))


async def save(request: Request, signed_in: SignedIn) -> Response:
    form = await read_form_of(request, signed_in.session, fields_max=TABLE_FIELDS_MAX)
    site, schedule = await use_cases(request).sites.open(signed_in, request.path_params["site"])
    member = _member_of(request, schedule)
    wanted, edited = read_member(form, schedule, member), None
    if not form.errors:
        try:
            edited = await _save(request, signed_in, site, schedule, wanted, form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, signed_in, site, schedule, member, form, status=refusal.status)
        if edited is not None and edited.is_saved:
            return go(f"/admin/sites/{site.key}/staff/{member.key}?saved=1")
    site, schedule = await use_cases(request).sites.read(site)
    form.values["seen"] = fingerprint_of(schedule, member.key)
    impact = await shown_impact(request, site, schedule, edited)
    return _show(request, signed_in, site, schedule, schedule.staff[member.key], form, status=422, impact=impact)


async def _save(
    request: Request, signed_in: SignedIn, site: Site, schedule: Schedule, wanted: Wanted, form: Form
) -> Edited | None:
    try:
        edited = await use_cases(request).staffing.change(
            site,
            wanted.member,
            wanted.shifts,
            wanted.days_off,
            operator_id=signed_in.operator.id,
            services=sorted(by_shift(schedule)),
            seen=form.text("seen"),
            choice=chosen(form),
        )
    except Changed:
        form.refuse("page", "Somebody saved other details meanwhile. Here are yours: check them and save once more.")
        return None
    except InvalidRequest as refusal:
        form.refuse(refusal.details.get("field", "page"), refusal.message)
        return None
    return edited


def _member_of(request: Request, schedule: Schedule) -> StaffMember:
    member = schedule.staff.get(request.path_params["member"])
    if member is None:
        raise NotFound("There is no such staff member.")
    return member


def _show(
    request: Request,
    signed_in: SignedIn,
    site: Site,
    schedule: Schedule,
    member: StaffMember,
    form: Form,
    status: int = 200,
    impact: object = None,
) -> Response:
    return page(
        request,
        "member",
        signed_in,
        status,
        site=site,
        member=member,
        form=form,
        impact=impact,
        saved=request.query_params.get("saved") == "1" and request.method == "GET",
        services=schedule.services.values(),
        named_in=lambda prefix: [schedule.services[key] for key in named_in(form, prefix, schedule.services)],
        is_new=not member.key,
        weekdays=WEEKDAYS,
        weekly=_with_blanks(form, "w", 5 if not member.key else BLANK_ROWS),
        dated=_with_blanks(form, "d", BLANK_ROWS),
        off=_with_blanks(form, "off", BLANK_ROWS),
        today=datetime.now(site.zone).date(),
    )


def _with_blanks(form: Form, kind: str, blanks: int) -> list[int]:
    """The numbers of all rows, and of some more that are empty yet."""
    typed = numbers_of(form, kind)
    following = max(typed, default=-1) + 1
    return [*typed, *range(following, following + blanks)]
