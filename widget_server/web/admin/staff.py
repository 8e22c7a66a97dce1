"""The pages about who serves: the list of staff, and everything about one, with all shifts and days off."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.schedule import Schedule, StaffMember
from widget_server.domain.sites import Site
from widget_server.domain.weeks import weekdays_of
from widget_server.errors import InvalidRequest, NotFound, Unavailable
from widget_server.use_cases.edits import Edited, by_shift
from widget_server.use_cases.edits import fingerprint_of as bookings_fingerprint
from widget_server.web.admin.clearings import next_page
from widget_server.web.admin.diary import may_enter_shifts, rooms_of
from widget_server.web.admin.impact import ShownImpact, chosen, refuse_for_now, refused_beside, shown_impact
from widget_server.web.admin.member_form import BLANK_ROWS, Wanted, form_of, keep_who, named_in, read_member
from widget_server.web.admin.merging import MERGED, marked, take_theirs
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite, read_again
from widget_server.web.admin.times import numbers_of
from widget_server.web.context import use_cases
from widget_server.web.forms import TABLE_FIELDS_MAX, Form, form_id, read_form_of

_NOBODY = StaffMember("", "")


async def show_staff(request: Request, at: AtSite) -> Response:
    return page(
        request,
        "staff",
        at.signed_in,
        site=at.site,
        members=sorted(at.schedule.staff.values(), key=lambda member: (not member.is_active, member.name.casefold())),
        services=at.schedule.services,
        has_shifts={shift.staff for shift in at.schedule.shifts},
    )


async def show_new(request: Request, at: AtSite) -> Response:
    form = form_of(at.schedule, _NOBODY)
    form_id(form)
    if len(at.schedule.services) == 1:
        form.values |= {f"serves-{key}": "on" for key in at.schedule.services}
    return _show(request, at, _NOBODY, form)


async def add(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    wanted = read_member(form, at.schedule, _NOBODY)
    if not form.errors:
        try:
            key = await use_cases(request).staffing.add(
                at.site,
                wanted.member,
                wanted.shifts,
                wanted.days_off,
                operator_id=at.signed_in.operator.id,
                form_id=form_id(form),
            )
            return go(f"{at.path}/staff/{key}?saved=1")
        except InvalidRequest as refusal:
            form.refuse_as(refusal)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, at, _NOBODY, form, status=refusal.status)
    return _show(request, at, _NOBODY, form, status=422)


async def show_member(request: Request, at: AtSite) -> Response:
    member = _member_of(request, at.schedule)
    return _show(request, at, member, marked(form_of(at.schedule, member)))


async def save(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX)
    return await _save_form(request, at, _member_of(request, at.schedule), form)


async def show_own(request: Request, at: AtSite) -> Response:
    member = _own(at)
    return _show(request, at, member, marked(form_of(at.schedule, member)), **_as_own(at))


async def save_own(request: Request, at: AtSite) -> Response:
    """Shifts and days off as an owner saves them; who they are, and what becomes of bookings, is the owner's to say."""
    form, member = await read_form_of(request, at.signed_in.session, fields_max=TABLE_FIELDS_MAX), _own(at)
    keep_who(form, at.schedule, member)
    if form.text("choice") != "keep":
        form.values.pop("choice", None)
    form.values = {name: value for name, value in form.values.items() if not name.startswith(("choice-", "message"))}
    return await _save_form(request, at, member, form, **_as_own(at))


async def _save_form(
    request: Request,
    at: AtSite,
    member: StaffMember,
    form: Form,
    *,
    is_own: bool = False,
    **shown: Any,
) -> Response:
    wanted, edited = read_member(form, at.schedule, member), None
    if not form.errors:
        try:
            edited = await _save(request, at, wanted, form)
        except Unavailable as refusal:
            refuse_for_now(form, refusal)
            return _show(request, at, member, form, refusal.status, is_own=is_own, **shown)
        if edited is not None and edited.is_saved:
            return go(next_page(at.site, edited, f"{'shifts' if is_own else f'staff/{member.key}'}?saved=1"))
    at = await read_again(request, at)
    if form.is_outdated:
        take_theirs(form, marked(form_of(at.schedule, at.schedule.staff[member.key])))
    shown["impact"] = await (_impact_unnamed if is_own else shown_impact)(request, at.site, at.schedule, edited)
    return _show(request, at, at.schedule.staff[member.key], form, 422, is_own=is_own, **shown)


async def _impact_unnamed(
    request: Request, site: Site, schedule: Schedule, edited: Edited | None
) -> ShownImpact | None:
    """Without who has booked: these are also bookings that others serve."""
    if edited is None:
        return None
    shown = await shown_impact(request, site, schedule, replace(edited, bookings=()))
    return replace(shown, bookings_seen=bookings_fingerprint(edited.bookings)) if shown else None


async def _save(request: Request, at: AtSite, wanted: Wanted, form: Form) -> Edited | None:
    with refused_beside(form, MERGED.format("details")):
        return await use_cases(request).staffing.change(
            at.site,
            wanted.member,
            wanted.shifts,
            wanted.days_off,
            operator_id=at.signed_in.operator.id,
            services=sorted(by_shift(at.schedule)),
            seen=form.text("seen"),
            choice=chosen(form),
        )
    return None


def _own(at: AtSite) -> StaffMember:
    """Who may enter their own shifts, and nobody else's. Raises NotFound."""
    if at.membership.is_owner or not may_enter_shifts(at):
        raise NotFound("The owner of this site enters all shifts.")
    return at.schedule.staff[at.membership.staff or ""]


def _as_own(at: AtSite) -> dict[str, Any]:
    return {"is_own": True, **rooms_of(at)}


def _member_of(request: Request, schedule: Schedule) -> StaffMember:
    member = schedule.staff.get(request.path_params["member"])
    if member is None:
        raise NotFound("There is no such staff member.")
    return member


def _show(
    request: Request,
    at: AtSite,
    member: StaffMember,
    form: Form,
    status: int = 200,
    *,
    impact: object = None,
    is_own: bool = False,
    **more: Any,
) -> Response:
    return page(
        request,
        "member",
        at.signed_in,
        status,
        site=at.site,
        member=member,
        form=form,
        impact=impact,
        is_own=is_own,
        saved=request.query_params.get("saved") == "1" and request.method == "GET",
        services=at.schedule.services.values(),
        named_in=lambda prefix: [at.schedule.services[key] for key in named_in(form, prefix, at.schedule.services)],
        is_new=not member.key,
        weekdays=weekdays_of(at.site.locale),
        weekly=_with_blanks(form, "w", 5 if not member.key else BLANK_ROWS),
        dated=_with_blanks(form, "d", BLANK_ROWS),
        off=_with_blanks(form, "off", BLANK_ROWS),
        **more,
    )


def _with_blanks(form: Form, kind: str, blanks: int) -> list[int]:
    """The numbers of all rows, and of some more that are empty yet."""
    typed = numbers_of(form, kind)
    following = max(typed, default=-1) + 1
    return [*typed, *range(following, following + blanks)]
