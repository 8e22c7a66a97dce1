"""Checkouts: begin to pay a hold, look how it stands, go back, have it asked about, and choose where it came late."""

from starlette.requests import Request
from starlette.responses import Response

from widget_server.domain.orders import Order
from widget_server.errors import NotFound
from widget_server.ids import hash_secret, is_id
from widget_server.use_cases.bookings import HoldRef, OrderRef, Visit
from widget_server.use_cases.checkout import WantedCheckout
from widget_server.web.api.answers import ANSWERED_BYTES_MAX, read, reply
from widget_server.web.api.holds import hold_ref
from widget_server.web.api.orders import answer_of, order_ref, order_url, schedule_of
from widget_server.web.bodies import HoldAnswer
from widget_server.web.bodies.orders import CheckoutAnswer, OrderBody
from widget_server.web.context import use_cases
from widget_server.web.guards import bearer_secret, network_of
from widget_server.web.taken import NewCheckout, NewChoice


async def create_checkout(request: Request) -> Response:
    ref, body = hold_ref(request), await read(request, NewCheckout, ANSWERED_BYTES_MAX)
    wanted = WantedCheckout(
        customer=body.customer.customer(),
        attendees=body.attendees,
        lines=tuple(line.line() for line in body.lines),
        visit=Visit(body.visitor or ref.hold_id, network_of(request)),
        digest=body.model_dump_json(),
        answers=body.answers,
        coupon=body.coupon,
        attendee_emails=body.attendee_emails,
    )
    begun = await use_cases(request).checkout.begin(ref, wanted)
    return await _answer(request, ref, begun.order, begun.secret, status=201)


async def show_checkout(request: Request) -> Response:
    """For whoever has the hold's secret and not yet the order's, as after a reload."""
    ref = hold_ref(request)
    secret = use_cases(request).bookings.order_secret(ref)
    order = await use_cases(request).checkout.find_order(OrderRef(ref.site_key, ref.hold_id, hash_secret(secret)))
    if order.payment is None:
        raise NotFound("This hold is not being paid.")
    return await _answer(request, ref, order, secret)


async def leave_checkout(request: Request) -> Response:
    return reply(HoldAnswer.json_of(await use_cases(request).checkout.go_back(hold_ref(request))))


async def ask_payment(request: Request) -> Response:
    ref = order_ref(request)
    order = await use_cases(request).checkout.ask(ref)
    if order.payment and order.payment.move and order.payment.move.is_open:
        order = await use_cases(request).paid_moves.ask(ref)
    return await answer_of(request, order)


async def create_return(request: Request) -> Response:
    """Of whoever comes back from the pay page: Stripe has the code of that address, and never the order's secret."""
    site_key, order_id = request.path_params["site"], request.path_params["id"]
    if not is_id(order_id):
        raise NotFound("There is no such order.")
    order, secret = await use_cases(request).checkout.come_back(site_key, order_id, bearer_secret(request))
    return await _answer(request, HoldRef(site_key, order_id, ""), order, secret)


async def create_choice(request: Request) -> Response:
    """Of whoever has paid too late, and may choose what is held for them."""
    ref, body = order_ref(request), await read(request, NewChoice)
    return await answer_of(request, await use_cases(request).checkout.choose(ref, body.alternative))


async def _answer(request: Request, ref: HoldRef, order: Order, secret: str, *, status: int = 200) -> Response:
    body = OrderBody.of(order, await schedule_of(request))
    answer = CheckoutAnswer(
        order=body,
        server_now=use_cases(request).checkout.now(),
        order_secret=secret,
        order_url=order_url(request, ref, secret),
        pay_url=order.payment.pay_url if order.payment else None,
        pay_until=order.payment.pay_until if order.payment else None,
    )
    return reply(answer, status)
