"""Live operations: every hold with its step and countdown, to be extended, given back or booked for its visitor."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.holds import Line
from widget_server.domain.slots import Slot
from widget_server.errors import Changed, HoldEnded, IdConflict, InvalidRequest, NotFound, Paying, Refusal, Unavailable
from widget_server.ids import is_id
from widget_server.use_cases.operations import ForCustomer, LiveView
from widget_server.web.admin.customer_form import TO_BE_PAID, asked, is_to_be_paid, questions_of, read_customer
from widget_server.web.admin.freezing import FROZEN_SHOWN, done_with, frozen_soon
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.phone import book_instead
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


_RUN_OUT = "Their hold has run out: book it here, if it is still free."
_OF_SEVERAL = "It was for {} times, of which this is the first; book each by itself."


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
    try:
        seen = await use_cases(request).operations.find(at.site, _hold_id(request))
    except HoldEnded as refusal:
        return _back(at, refusal)
    return _show_booking(request, at, Form({}), seen.hold.lines, ends_at=seen.hold.expires_at)


async def book_hold(request: Request, at: AtSite) -> Response:
    """Whatever is refused, all that was typed stays: here, or for booking by phone once the hold has ended."""
    form = await read_form_of(request, at.signed_in.session)
    hold_id, shown = _hold_id(request), _shown_lines(form)
    if not shown:
        raise InvalidRequest("This form is not whole. Please open it again.")
    wanted = _wanted(form, at, shown)
    operations = use_cases(request).operations
    try:
        await operations.find(at.site, hold_id)
        if wanted is None:
            return await _show_booking_again(request, at, form, shown, status=422)
        order = await operations.book_hold(at.site, hold_id, shown, wanted, operator_id=at.signed_in.operator.id)
        if order.customer != wanted.customer:  # the visitor was faster by a moment
            raise IdConflict("This hold was booked with other details.")
    except (HoldEnded, IdConflict) as refusal:
        return await _show_ended(request, at, form, shown, wanted, refusal)
    except Changed as refusal:
        form.refuse("page", "The visitor has chosen other seats meanwhile. Here they are: look again, then book.")
        return await _show_booking_again(request, at, form, shown, status=refusal.status)
    except Unavailable as refusal:
        form.refuse("page", f"{refusal.message} Nothing is lost: send it once more.")
        return _show_booking(request, at, form, shown, status=refusal.status)
    except Refusal as refusal:
        form.refuse("page", refusal.message)
        return await _show_booking_again(request, at, form, shown, status=refusal.status)
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
        to_be_paid=[seen.hold.id for seen in view.holds if _costs(at, seen.hold.lines)] if view else [],
        done=done,
        frozen=frozen_soon(at.schedule, request),
        frozen_shown=FROZEN_SHOWN,
        frozen_done=frozen_done,
        frozen_slot=frozen_slot,
    )


def _wanted(form: Form, at: AtSite, shown: Sequence[Line]) -> ForCustomer | None:
    """None where something is wrong; that stands in `form.errors` then."""
    if _costs(at, shown):
        form.refuse("page", TO_BE_PAID)
    questions = questions_of(at.schedule, shown[0].slot.service)
    return read_customer(form, at.site, seats=shown[0].seats, questions=questions)


def _costs(at: AtSite, lines: Sequence[Line]) -> bool:
    return is_to_be_paid(at.schedule, [line.slot.service for line in lines])


async def _show_booking_again(request: Request, at: AtSite, form: Form, shown: Sequence[Line], status: int) -> Response:
    """With the lines of the hold as they are now, as far as that is known."""
    try:
        hold = (await use_cases(request).operations.find(at.site, _hold_id(request))).hold
    except Unavailable:
        return _show_booking(request, at, form, shown, status)
    except HoldEnded as refusal:
        return await _show_ended(request, at, form, shown, None, refusal)
    return _show_booking(request, at, form, hold.lines, status, ends_at=hold.expires_at)


def _show_booking(
    request: Request,
    at: AtSite,
    form: Form,
    lines: Sequence[Line],
    status: int = 200,
    *,
    ends_at: datetime | None = None,
) -> Response:
    return page(
        request,
        "hold_booking",
        at.signed_in,
        status,
        site=at.site,
        schedule=at.schedule,
        hold_id=_hold_id(request),
        lines=lines,
        ends_at=ends_at,
        form=form,
        **asked(at.schedule, lines[0].slot.service),
    )


async def _show_ended(
    request: Request, at: AtSite, form: Form, shown: Sequence[Line], wanted: ForCustomer | None, refusal: Refusal
) -> Response:
    """To its order, if there is one that says just this; else everything typed, for booking by phone."""
    hold_id, booked_as = _hold_id(request), ""
    with suppress(NotFound):
        order, (first, *_) = await use_cases(request).dashboard.order(at.site, hold_id)
        names = ", ".join(name for name in wanted.attendees if name) if wanted else ""
        if wanted and (order.customer, first.names) == (wanted.customer, names):
            return go(f"{at.path}/orders/{hold_id}?done=booked")
        booked_as = hold_id
    if not booked_as:
        form.refuse("slot", _RUN_OUT if len(shown) == 1 else f"{_RUN_OUT} {_OF_SEVERAL.format(len(shown))}")
    return await book_instead(request, at, form, shown[0], refusal.status, booked_as=booked_as)


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
