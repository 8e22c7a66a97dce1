"""Live operations: every hold with its step and countdown, to be extended, given back or booked for its visitor."""

import re
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.holds import Line
from widget_server.domain.slots import Slot
from widget_server.errors import Changed, HoldEnded, IdConflict, InvalidRequest, NotFound, Paying, Refusal, Unavailable
from widget_server.ids import is_id
from widget_server.use_cases.operations import LiveView
from widget_server.web.admin.customer_form import asked, questions_of, read_customer
from widget_server.web.admin.freezing import FROZEN_SHOWN, done_with, frozen_soon
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import use_cases
from widget_server.web.forms import Form, read_form_of

_DONE = {
    "extended": "Extended. The visitor sees the new time at once.",
    "released": "Given back. The visitor is told at once, and the seats are free.",
    "ended": "This hold had ended already.",
    "paying": "Its visitor is confirming just now: that decides.",
    "changed": "It changed a moment ago. Here it is as it is now.",
}


async def show_live(request: Request, at: AtSite) -> Response:
    return await _show(request, at, "live")


async def show_live_holds(request: Request, at: AtSite) -> Response:
    """The list alone, for the page's script to take in when the feed says that something has moved."""
    return await _show(request, at, "live_holds")


async def extend_hold(request: Request, at: AtSite) -> Response:
    form, hold_id = await read_form_of(request, at.signed_in.session), _hold_id(request)
    seen = re.fullmatch(r"\d{1,15}", form.text("version"), re.ASCII)
    operations, operator_id = use_cases(request).operations, at.signed_in.operator.id
    try:
        await operations.extend(at.site, hold_id, version=int(seen[0]) if seen else 0, operator_id=operator_id)
    except (HoldEnded, NotFound, Paying, Changed) as refusal:
        return _back(at, refusal)
    return go(f"{at.path}/live?done=extended")


async def release_hold(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    hold_id, operations = _hold_id(request), use_cases(request).operations
    try:
        await operations.release(at.site, hold_id, operator_id=at.signed_in.operator.id)
    except (HoldEnded, NotFound, Paying, Changed) as refusal:
        return _back(at, refusal)
    return go(f"{at.path}/live?done=released")


async def show_hold_booking(request: Request, at: AtSite) -> Response:
    return await _show_booking(request, at, Form({}))


async def book_hold(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session)
    operations, hold_id, shown = use_cases(request).operations, _hold_id(request), _shown_lines(form)
    try:
        await operations.find(at.site, hold_id)
    except HoldEnded as refusal:
        return _back(at, refusal)
    if not shown:
        raise InvalidRequest("This form is not whole. Please open it again.")
    questions = questions_of(at.schedule, shown[0].slot.service)
    wanted = read_customer(form, at.site, seats=shown[0].seats, questions=questions)
    if wanted is None:
        return await _show_booking(request, at, form, status=422)
    try:
        await operations.book_hold(at.site, hold_id, shown, wanted, operator_id=at.signed_in.operator.id)
    except IdConflict:
        return go(f"{at.path}/orders/{hold_id}?done=before")
    except Changed as refusal:
        form.refuse("page", "The visitor has chosen other seats meanwhile. Here they are: look again, then book.")
        return await _show_booking(request, at, form, status=refusal.status)
    except Refusal as refusal:
        form.refuse("page", refusal.message)
        return await _show_booking(request, at, form, status=refusal.status)
    return go(f"{at.path}/orders/{hold_id}?done=booked")


async def _show(request: Request, at: AtSite, name: str) -> Response:
    view: LiveView | None = None
    with suppress(Unavailable):  # the page says so, and asks again by itself
        view = await use_cases(request).operations.live(at.site)
    done = _DONE.get(request.query_params.get("done", ""), "")
    frozen_done, frozen_slot = done_with(request)
    return page(
        request,
        name,
        at.signed_in,
        site=at.site,
        schedule=at.schedule,
        view=view,
        done=done,
        frozen=frozen_soon(at.schedule, request),
        frozen_shown=FROZEN_SHOWN,
        frozen_done=frozen_done,
        frozen_slot=frozen_slot,
    )


async def _show_booking(request: Request, at: AtSite, form: Form, status: int = 200) -> Response:
    try:
        seen = await use_cases(request).operations.find(at.site, _hold_id(request))
    except HoldEnded as refusal:
        return _back(at, refusal)
    return page(
        request,
        "hold_booking",
        at.signed_in,
        status,
        site=at.site,
        schedule=at.schedule,
        seen=seen,
        form=form,
        **asked(at.schedule, seen.hold.lines[0].slot.service),
    )


def _shown_lines(form: Form) -> tuple[Line, ...]:
    """What the operator saw of the hold; none where the form does not say it as we have written it."""
    said = [re.fullmatch(r"([^*]+)\*([1-9]\d{0,2})", line, re.ASCII) for line in form.text("lines").split()]
    try:
        return tuple(Line(Slot.parse(line[1]), int(line[2])) for line in said if line) if all(said) else ()
    except ValueError:
        return ()


def _back(at: AtSite, refusal: Refusal) -> Response:
    why = {Paying: "paying", Changed: "changed"}.get(type(refusal), "ended")
    return go(f"{at.path}/live?done={why}")


def _hold_id(request: Request) -> str:
    hold_id: str = request.path_params["hold"]
    if not is_id(hold_id):
        raise NotFound("There is no such hold.")
    return hold_id
