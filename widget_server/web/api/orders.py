"""Orders: confirm a hold, look at what it became, cancel, move to other slots."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.money import Difference
from widget_server.domain.orders import Order
from widget_server.domain.schedule import Schedule
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound
from widget_server.ids import hash_secret, is_id
from widget_server.use_cases.bookings import HoldRef, OrderRef, Visit, WantedConfirmation, WantedReschedule
from widget_server.web.api.answers import ANSWERED_BYTES_MAX, read, read_if_any, reply
from widget_server.web.api.holds import hold_ref
from widget_server.web.bodies.orders import ConfirmationAnswer, OrderAnswer, OrderBody
from widget_server.web.bodies.receipts import ReceiptAnswer, ReceiptBody
from widget_server.web.context import base_url, use_cases
from widget_server.web.guards import bearer_secret, network_of
from widget_server.web.taken import Cancellation, NewConfirmation, NewReschedule


async def create_confirmation(request: Request) -> Response:
    ref, body = hold_ref(request), await read(request, NewConfirmation, ANSWERED_BYTES_MAX)
    wanted = WantedConfirmation(
        customer=body.customer.customer(),
        attendees=body.attendees,
        lines=tuple(line.line() for line in body.lines or ()),
        visit=Visit(body.visitor or ref.hold_id, network_of(request)),
        digest=body.model_dump_json(),
        answers=body.answers,
        coupon=body.coupon,
        attendee_emails=body.attendee_emails,
    )
    confirmed = await use_cases(request).bookings.confirm(ref, wanted)
    answer = ConfirmationAnswer(
        order=OrderBody.of(confirmed.order, await schedule_of(request)),
        server_now=confirmed.now,
        order_secret=confirmed.secret,
        order_url=order_url(request, ref, confirmed.secret),
    )
    return reply(answer, 201)


async def show_order(request: Request) -> Response:
    return await answer_of(request, await use_cases(request).checkout.find_order(order_ref(request)))


async def show_receipt(request: Request) -> Response:
    receipt = await use_cases(request).receipts.of_order(order_ref(request))
    return reply(ReceiptAnswer(receipt=ReceiptBody.of(receipt), server_now=use_cases(request).bookings.now()))


async def download_calendar(request: Request) -> Response:
    """For the calendar program of whoever has the order's secret; it stands in no address."""
    calendar = await use_cases(request).calendar_files.of_order(order_ref(request))
    headers = {"cache-control": "no-store", "content-disposition": 'attachment; filename="booking.ics"'}
    return Response(calendar, media_type="text/calendar", headers=headers)


async def create_cancellation(request: Request) -> Response:
    ref, body = order_ref(request), await read_if_any(request, Cancellation)
    only = Slot.parse(body.slot) if body.slot else None
    return await answer_of(request, await use_cases(request).bookings.cancel(ref, only=only))


async def create_reschedule(request: Request) -> Response:
    ref, body = order_ref(request), await read(request, NewReschedule)
    wanted = WantedReschedule(
        hold_id=body.id,
        lines=tuple(line.line() for line in body.lines),
        visit=Visit(body.visitor or ref.order_id, network_of(request)),
        digest=body.model_dump_json(exclude=None if body.difference else {"difference"}),
        agreed=Difference(body.difference.amount, body.difference.currency) if body.difference else None,
    )
    is_paid = wanted.agreed is not None and wanted.agreed.amount_minor > 0
    move = use_cases(request).paid_moves.begin if is_paid else use_cases(request).bookings.reschedule
    return await answer_of(request, await move(ref, wanted))


async def leave_reschedule(request: Request) -> Response:
    """Of whoever does not want to pay for a move after all."""
    return await answer_of(request, await use_cases(request).paid_moves.give_up(order_ref(request)))


async def answer_of(request: Request, order: Order) -> Response:
    site_key = request.path_params["site"]
    alternatives = await use_cases(request).move_requests.alternatives(site_key, order)
    differences = await use_cases(request).bookings.differences(site_key, order)
    body = OrderBody.of(order, await schedule_of(request), alternatives, differences)
    return reply(OrderAnswer(order=body, server_now=use_cases(request).bookings.now()))


async def schedule_of(request: Request) -> Schedule:
    """As long as it is in memory, this costs nothing."""
    return (await use_cases(request).catalog.find(request.path_params["site"])).schedule


def order_url(request: Request, ref: HoldRef, secret: str) -> str:
    """The secret stands behind the `#`, which browsers send to nobody."""
    return f"{base_url(request)}/o/{ref.site_key}/{ref.hold_id}#{secret}"


def order_ref(request: Request) -> OrderRef:
    """Which order this request is about. Raises NotFound, SignInNeeded."""
    order_id = request.path_params["id"]
    if not is_id(order_id):
        raise NotFound("There is no such order.")
    return OrderRef(request.path_params["site"], order_id, hash_secret(bearer_secret(request)))
