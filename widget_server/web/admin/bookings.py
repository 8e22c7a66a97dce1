"""The booking dashboard: every booking on its own, found and listed, the same as a file, and each order by itself."""

from collections.abc import AsyncIterator
from datetime import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import BookingLine
from widget_server.errors import Changed, InvalidRequest, TooLate, Unavailable
from widget_server.web.admin.impact import read_message, refuse_for_now
from widget_server.web.admin.looking import read_look
from widget_server.web.admin.messages import MESSAGE_WORDS
from widget_server.web.admin.pages import go, page
from widget_server.web.admin.refunds import give_back, money_of
from widget_server.web.admin.session import AtSite
from widget_server.web.admin.spreadsheet import Cell, spreadsheet
from widget_server.web.admin.writing import amount
from widget_server.web.context import base_url, use_cases
from widget_server.web.forms import Form, read_form_of

_HEAD = (
    *("Order", "Service", "Starts", "Ends", "Time zone", "Seats", "State", "Customer", "E-mail", "Attendees"),
    "Served by",
    *("Price", "Currency", "Booked", "Cancelled", "Slot", "Answers"),
    *("Discount", "Coupon", "Order paid", "Order refunded"),
)
_ONCE_ALL_THE_SAME = "It may have been noted already: send the form below as it is, and the amount goes back once."
"""Where nobody knows whether a refund was written down: this form has the id by which that is found out."""
STATES = {
    BookingState.CONFIRMING: "Confirming",
    BookingState.CONFIRMED: "Confirmed",
    BookingState.CANCELLED: "Cancelled",
    BookingState.ATTENDED: "Attended",
    BookingState.NO_SHOW: "Did not come",
}


async def list_bookings(request: Request, at: AtSite) -> Response:
    look = read_look(request, at.site.zone)
    found = await use_cases(request).dashboard.bookings(at.site, look.wanted, after=look.after, before=look.before)
    now = use_cases(request).dashboard.now()
    return page(request, "bookings", at.signed_in, site=at.site, schedule=at.schedule, look=look, found=found, now=now)


async def export_bookings(request: Request, at: AtSite) -> Response:
    look, zone = read_look(request, at.site.zone), at.site.zone
    lines = use_cases(request).dashboard.all_bookings(at.site, look.wanted)
    today = use_cases(request).dashboard.now().astimezone(zone).date()
    return spreadsheet(f"bookings-{at.site.key}-{today}", _HEAD, _rows(lines, zone))


async def show_order(request: Request, at: AtSite) -> Response:
    return await _show_order(request, at, done=request.query_params.get("done", ""))


async def cancel_booking(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session)
    order_id, booking_id = request.path_params["order"], request.path_params["booking"]
    message, dashboard = read_message(form), use_cases(request).dashboard
    percent = 0 if form.text("goes_back") == "nothing" else None
    if message is None:
        return await _show_order(request, at, problem=form.errors["page"], status=422, form=form)
    try:
        await dashboard.cancel(
            at.site,
            order_id,
            booking_id,
            operator_id=at.signed_in.operator.id,
            message=message,
            refund_percent=percent,
        )
    except TooLate as refusal:
        return await _show_order(request, at, problem=refusal.message, status=refusal.status, form=form)
    except Unavailable as refusal:
        refuse_for_now(form, refusal)
        return await _show_order(request, at, problem=form.errors["page"], status=refusal.status, form=form)
    return go(f"{at.path}/orders/{order_id}?done=cancelled")


async def refund(request: Request, at: AtSite) -> Response:
    form = await read_form_of(request, at.signed_in.session)
    try:
        await give_back(request, at, form)
    except InvalidRequest as refusal:
        form.refuse("amount", refusal.message)
        return await _show_order(request, at, problem=refusal.message, status=422, refund_form=form)
    except Unavailable as refusal:
        problem = f"{refusal.message} {_ONCE_ALL_THE_SAME}"
        return await _show_order(request, at, problem=problem, status=refusal.status, refund_form=form)
    return go(f"{at.path}/orders/{request.path_params['order']}?done=refunded")


async def withdraw_move_request(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    order_id, booking_id = request.path_params["order"], request.path_params["booking"]
    withdraw = use_cases(request).move_requests.withdraw
    try:
        await withdraw(at.site, order_id, booking_id, operator_id=at.signed_in.operator.id)
    except TooLate as refusal:
        return await _show_order(request, at, problem=refusal.message, status=refusal.status)
    return go(f"{at.path}/orders/{order_id}?done=withdrawn")


async def erase_personal_data(request: Request, at: AtSite) -> Response:
    await read_form_of(request, at.signed_in.session)
    order_id, erase = request.path_params["order"], use_cases(request).erasing.erase
    try:
        await erase(at.site, order_id, operator_id=at.signed_in.operator.id)
    except Changed as refusal:
        return await _show_order(request, at, problem=refusal.message, status=refusal.status)
    return go(f"{at.path}/orders/{order_id}?done=erased")


async def _show_order(
    request: Request,
    at: AtSite,
    *,
    done: str = "",
    problem: str = "",
    status: int = 200,
    form: Form | None = None,
    refund_form: Form | None = None,
) -> Response:
    order_id, dashboard = request.path_params["order"], use_cases(request).dashboard
    order, lines = await dashboard.order(at.site, order_id)
    secret = await use_cases(request).operations.order_secret(at.site, order_id)
    return page(
        request,
        "order",
        at.signed_in,
        status,
        site=at.site,
        order=order,
        lines=lines,
        link=f"{base_url(request)}/o/{at.site.key}/{order_id}#{secret}" if secret else "",
        sent=await use_cases(request).messages.of_order(at.site, order_id),
        **MESSAGE_WORDS,
        **await money_of(request, at, order, refund_form),
        now=dashboard.now(),
        done=done,
        problem=problem,
        message=form.text("message") if form else "",
        goes_back=form.text("goes_back") if form else "",
        written_for=request.path_params["booking"] if form else None,
    )


async def _rows(chunks: AsyncIterator[list[BookingLine]], zone: ZoneInfo) -> AsyncIterator[list[list[Cell]]]:
    async for chunk in chunks:
        yield [_row(line, zone) for line in chunk]


def _row(line: BookingLine, zone: ZoneInfo) -> list[Cell]:
    times = [wall_clock(line.slot.starts_at, zone), wall_clock(line.slot.ends_at, zone), zone.key]
    cancelled = wall_clock(line.cancelled_at, zone) if line.cancelled_at else ""
    what: list[Cell] = [line.number, line.service_name, *times, line.seats, STATES[line.state]]
    who = [line.customer, line.email, line.names, ", ".join(line.served_by)]
    price = [amount(line.price), line.price.currency]
    answers = "\n".join(f"{one.question} {one.said}" for one in line.answers)
    paid = [amount(line.discount), line.coupon, amount(line.paid), amount(line.refunded)]
    return [*what, *who, *price, wall_clock(line.created_at, zone), cancelled, line.slot.id, answers, *paid]


def wall_clock(at: datetime, zone: ZoneInfo) -> str:
    """`2026-11-23 10:00`, which every spreadsheet takes for a time."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
