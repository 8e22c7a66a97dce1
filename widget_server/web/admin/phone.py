"""Booking by phone: what is free on a day, who it is for, and an order with a link to read out."""

import re
from datetime import date
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.holds import Line
from widget_server.domain.policies import SEATS_MAX
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot, SlotState
from widget_server.errors import IdConflict, InvalidRequest, NotFound, Refusal, Unavailable
from widget_server.ids import is_id, new_id
from widget_server.use_cases.offers import Offer
from widget_server.web.admin.customer_form import TO_BE_PAID, asked, is_to_be_paid, questions_of, read_customer
from widget_server.web.admin.looking import read_day
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.session import AtSite
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import Form, read_form_of


async def show_phone(request: Request, at: AtSite) -> Response:
    query, slot = request.query_params, _slot(request.query_params.get("slot", ""))
    if slot is not None:
        service, day = slot.service, at.schedule.day_of(slot.starts_at)
    else:
        service = query.get("service", "")
        day = read_day(query.get("day", "")) or use_cases(request).dashboard.now().astimezone(at.site.zone).date()
    if service not in at.schedule.services:
        service = _usual(at.schedule)
    form = Form({"id": new_id(), "service": service, "day": day.isoformat(), "seats": "1"})
    if slot is not None:
        form.values["slot"] = slot.id
    return await _show(request, at, form)


async def book_by_phone(request: Request, at: AtSite) -> Response:
    """Whatever is refused, all that was typed stays, and the times are shown as they are by now."""
    form = await read_form_of(request, at.signed_in.session)
    form.values = {"service": "", "day": ""} | form.values
    if not is_id(form.text("id")):
        form.values["id"] = new_id()
    slot = _slot_of_day(form, at)
    if read_day(form.text("day")) is None:  # empty, or of a year with five digits, which browsers let people type
        form.refuse("day", "Choose a day.")
    if form.text("action") == "times" or (form.text("action") == "enter" and not slot and not form.text("name")):
        return await _show(request, at, form, status=422 if form.errors else 200)
    seats = _seats(form, at.schedule)
    _look_at(form, slot, at.schedule)
    questions = questions_of(at.schedule, slot.service if slot else "")
    wanted = read_customer(form, at.site, seats=seats or SEATS_MAX, questions=questions)
    if form.errors or slot is None or seats is None or wanted is None:
        return await _show(request, at, form, status=422)
    operations, order_id = use_cases(request).operations, form.text("id")
    try:
        await operations.book(at.site, order_id, Line(slot, seats), wanted, operator_id=at.signed_in.operator.id)
    except Unavailable as refusal:
        form.refuse("page", f"{refusal.message} Nothing is lost: send it once more.")  # under the same id
        return await _show(request, at, form, status=refusal.status)
    except IdConflict as refusal:
        form.values["id"] = new_id()
        return await _show(request, at, form, status=refusal.status, booked_as=order_id)
    except Refusal as refusal:
        form.refuse("slot", refusal.message)
        form.values["id"] = new_id()
        return await _show(request, at, form, status=refusal.status)
    return go(f"{at.path}/orders/{order_id}?done=booked")


async def book_instead(
    request: Request, at: AtSite, form: Form, line: Line, status: int, *, booked_as: str = ""
) -> Response:
    """For whoever was just typing this for a hold that has ended: the same seats, under an id of their own."""
    day = at.schedule.day_of(line.slot.starts_at)
    chosen = {"service": line.slot.service, "day": day.isoformat(), "slot": line.slot.id, "seats": str(line.seats)}
    form.values |= {"id": new_id(), **chosen}
    return await _show(request, at, form, status, booked_as=booked_as)


async def _show(request: Request, at: AtSite, form: Form, status: int = 200, *, booked_as: str = "") -> Response:
    """`booked_as` is the order that there is already, where something else was typed for it."""
    day, service = read_day(form.text("day")), form.text("service")
    offers = await _offers(request, at, service, day, form) if day else []
    chosen, kept = at.schedule.services.get(service), _slot(form.text("slot"))
    is_sent = request.method == "POST"
    return page(
        request,
        "phone",
        at.signed_in,
        status,
        site=at.site,
        schedule=at.schedule,
        form=form,
        day=day,
        offers=offers,
        now=use_cases(request).dashboard.now(),
        kept=kept if is_sent and all(offer.slot != kept for offer in offers) else None,
        is_sent=is_sent,
        booked_as=booked_as,
        seats_max=min(chosen.seats_per_booking_max, SEATS_MAX) if chosen else 1,
        is_to_be_paid=is_to_be_paid(at.schedule, [service]),
        widget=f"{base_url(request)}/w/{at.site.key}?{urlencode({'service': service})}",
        **asked(at.schedule, service),
        any_open=any(offer.state is SlotState.OPEN for offer in offers),
    )


def _usual(schedule: Schedule) -> str:
    """The first that can be booked here, as far as there is one."""
    usual = sorted(schedule.services.values(), key=lambda one: (not one.is_offered, not one.price.is_free))
    return usual[0].key if usual else ""


async def _offers(request: Request, at: AtSite, service: str, day: date, form: Form) -> list[Offer]:
    try:
        return await use_cases(request).offers.on(at.site, service, day)
    except (InvalidRequest, NotFound):
        return []
    except Unavailable as refusal:
        form.refuse("page", f"What is free is not known just now. {refusal.message}")
        return []


def _slot_of_day(form: Form, at: AtSite) -> Slot | None:
    """The time that was chosen, unless it is of another service or day than are chosen by now."""
    slot = _slot(form.text("slot"))
    if slot is not None:
        day = at.schedule.day_of(slot.starts_at)
        if (slot.service, day.isoformat()) == (form.text("service"), form.text("day")):
            return slot
    form.values.pop("slot", None)
    return None


def _slot(typed: str) -> Slot | None:
    try:
        return Slot.parse(typed)
    except ValueError:
        return None


def _look_at(form: Form, slot: Slot | None, schedule: Schedule) -> None:
    if slot is None:
        form.refuse("slot", "Choose a time.")
    elif is_to_be_paid(schedule, [slot.service]):
        form.refuse("slot", TO_BE_PAID)


def _seats(form: Form, schedule: Schedule) -> int | None:
    service = schedule.services.get(form.text("service"))
    most = min(service.seats_per_booking_max, SEATS_MAX) if service else SEATS_MAX
    typed = form.text("seats")
    seats = int(typed) if re.fullmatch(r"\d{1,3}", typed, re.ASCII) else 0
    if not 1 <= seats <= most:
        form.refuse("seats", f"Between 1 and {most}.")
        return None
    return seats
