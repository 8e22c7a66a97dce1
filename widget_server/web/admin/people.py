"""Who may enter a site: its people with their roles, and the invitations that are open. For owners only."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.operators import Member, Role
from widget_server.errors import IdConflict, InvalidRequest, NotFound, Unavailable
from widget_server.use_cases.people import Invited
from widget_server.web.admin.choices import Choice
from widget_server.web.admin.impact import refuse_for_now
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import HOME, AtSite
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import Form, read_form_of

ROLES = (
    Choice(Role.STAFF, "Staff: sees their own diary"),
    Choice(Role.OWNER, "Owner: may do everything"),
)
_DONE = {
    "withdrawn": "Withdrawn. The link works no longer.",
    "gone": "This invitation was accepted or withdrawn already.",
    "changed": "Saved. It counts from now on.",
    "removed": "Taken away. They cannot enter this site any more.",
}


def invitation_link(url: str, token: str) -> str:
    """What stands behind the # is never sent by browsers: so it is in no log, and opening the link uses nothing up."""
    return f"{url}/admin/invitation#{token}"


async def show_people(request: Request, at: AtSite) -> Response:
    return await _show(request, at, Form({"role": Role.STAFF}))


async def invite(request: Request, at: AtSite) -> Response:
    """The link is shown in this answer and never again."""
    form = await read_form_of(request, at.signed_in.session)
    try:
        invited = await use_cases(request).people.invite(
            at.site,
            at.schedule,
            form.text("email"),
            role=form.text("role"),
            staff=form.text("staff"),
            operator_id=at.signed_in.operator.id,
        )
    except (InvalidRequest, IdConflict) as refusal:
        form.refuse_as(refusal)
        return await _show(request, at, form, status=422)
    except Unavailable as refusal:
        refuse_for_now(form, refusal)
        return await _show(request, at, form, status=refusal.status)
    return await _show(request, at, Form({"role": Role.STAFF}), invited=invited)


async def withdraw(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    try:
        await use_cases(request).people.withdraw(
            at.site, request.path_params["invitation"], operator_id=at.signed_in.operator.id
        )
    except NotFound:
        return go(f"{at.path}/people?done=gone")
    return go(f"{at.path}/people?done=withdrawn")


async def show_person(request: Request, at: AtSite) -> Response:
    member = await _member(request, at)
    return _show_person(request, at, member, Form({"role": member.role, "staff": member.staff or ""}))


async def save_person(request: Request, at: AtSite) -> Response:
    form, member = await read_form_of(request, at.signed_in.session), await _member(request, at)
    try:
        await use_cases(request).people.change_role(
            at.site,
            at.schedule,
            member.operator_id,
            role=form.text("role"),
            staff=form.text("staff"),
            operator_id=at.signed_in.operator.id,
        )
    except InvalidRequest as refusal:
        form.refuse_as(refusal)
        return _show_person(request, at, member, form, status=422)
    except Unavailable as refusal:
        refuse_for_now(form, refusal)
        return _show_person(request, at, member, form, status=refusal.status)
    return go(HOME if _is_self(at, member) else f"{at.path}/people?done=changed")


async def remove_person(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    member = await _member(request, at)
    try:
        await use_cases(request).people.remove(at.site, member.operator_id, operator_id=at.signed_in.operator.id)
    except InvalidRequest as refusal:
        form = Form({"role": member.role, "staff": member.staff or ""})
        form.refuse("page", refusal.message)
        return _show_person(request, at, member, form, status=422)
    return go(HOME if _is_self(at, member) else f"{at.path}/people?done=removed")


async def _show(
    request: Request, at: AtSite, form: Form, status: int = 200, invited: Invited | None = None
) -> Response:
    people = use_cases(request).people
    return page(
        request,
        "people",
        at.signed_in,
        status,
        site=at.site,
        staff=at.schedule.staff,
        members=await people.members(at.site),
        invitations=await people.invitations(at.site),
        invited=invited.invitation if invited else None,
        link=invitation_link(base_url(request), invited.token) if invited else "",
        done=_DONE.get(request.query_params.get("done", ""), "") if request.method == "GET" else "",
        **_choices(at, form),
    )


def _show_person(request: Request, at: AtSite, member: Member, form: Form, status: int = 200) -> Response:
    return page(
        request,
        "person",
        at.signed_in,
        status,
        site=at.site,
        member=member,
        is_self=_is_self(at, member),
        **_choices(at, form, member.staff),
    )


def _choices(at: AtSite, form: Form, present: str | None = None) -> dict[str, object]:
    """Those who have left are no choice, unless they are who it is about."""
    members = sorted(at.schedule.staff.values(), key=lambda one: one.name.casefold())
    known = [Choice(one.key, one.name) for one in members if one.is_active or one.key == present]
    return {"form": form, "roles": ROLES, "members_of_staff": (Choice("", "Nobody"), *known)}


async def _member(request: Request, at: AtSite) -> Member:
    return await use_cases(request).people.member(at.site, request.path_params["person"])


def _is_self(at: AtSite, member: Member) -> bool:
    return member.operator_id == at.signed_in.operator.id
