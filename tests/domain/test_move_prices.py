"""What a move costs: today's price of the seats that move, less what they stand at, and no more back than is there."""

from dataclasses import replace
from datetime import time

import pytest

from tests.domain.schedules import daily, schedule, service
from tests.domain.test_move_requests import ASKED
from tests.domain.test_policies import EARLY, ELEVEN, NINE, TEN
from widget_server.domain.bookings import Booking, BookingState, Customer
from widget_server.domain.coupons import Coupon
from widget_server.domain.money import Difference, Money
from widget_server.domain.move_prices import MovePrice, MoveTerms, SeatPrice, costs_otherwise, price_of_move
from widget_server.domain.orders import Order, OrderState
from widget_server.domain.payments import AttemptState, OrderPayment, PaidPart, Refund, RefundReason, RefundState
from widget_server.domain.schedule import Place, Schedule
from widget_server.domain.slots import Slot

TALK = Slot.parse("talk.20261121T0800Z.60")
NO_COUPON = MoveTerms(None, frozenset())


def offered(*, yoga: int, talk: int = 500, currency: str = "EUR") -> Schedule:
    services = [service("yoga", price_minor=yoga), service("talk", price_minor=talk)]
    services = [replace(one, price=Money(one.price.amount_minor, currency)) for one in services]
    return schedule([each for one in services for each in daily(one.key, time(0), time(0))], *services)


def booking(slot: Slot = NINE, seats: int = 2, price: int = 1000, *, off: int = 0) -> Booking:
    confirmed = Booking(slot, "Yoga", seats, BookingState.CONFIRMED, Place.IN_PERSON, "", (), EARLY)
    return replace(confirmed, unit_price_minor=price, discount_minor=off)


def sold(*bookings: Booking, refunded: int = 0, coupon: str = "") -> Order:
    """For what its bookings cost."""
    total = sum(one.price_minor for one in bookings)
    back = Refund("x", Money(refunded, "EUR"), RefundReason.OPERATOR, RefundState.WAITING, "", EARLY)
    payment = (
        OrderPayment("x", AttemptState.PAID, None, EARLY, True, (PaidPart("x", Money(total, "EUR"), EARLY),), (back,))
        if total
        else None
    )
    customer, money = Customer("Anna Berg", "", "UTC", "en"), Money(total, "EUR")
    order = Order("A" * 22, "ABCD-2345", OrderState.PAID, customer, bookings, money, EARLY, payment=payment)
    return replace(order, coupon=coupon)


def settled(found: MovePrice) -> int:
    return found.settled.amount_minor


def test_the_difference_is_that_of_all_seats_that_move() -> None:
    order, less = sold(booking(), booking(TALK, 1, 500)), offered(yoga=800, talk=100)

    found = price_of_move(order, less, [NINE], NO_COUPON)
    assert found == MovePrice({NINE: SeatPrice(800, 0)}, Difference(-400, "EUR"))
    assert settled(price_of_move(order, less, [NINE, TALK], NO_COUPON)) == -800
    assert settled(price_of_move(order, offered(yoga=1150), [NINE], NO_COUPON)) == 300


def test_what_cannot_be_compared_or_costs_the_same_keeps_its_price() -> None:
    order = sold(booking())
    gone = replace(offered(yoga=1), services={"talk": offered(yoga=1).services["talk"]})

    for schedule_now in (offered(yoga=1000), offered(yoga=800, currency="CHF"), gone):
        assert price_of_move(order, schedule_now, [NINE], NO_COUPON) == MovePrice({}, Difference(0, "EUR"))


def test_what_an_operator_asks_for_costs_nobody_anything() -> None:
    asked, less = replace(booking(), move_request=ASKED), offered(yoga=800)
    order = sold(asked, booking(TEN))

    assert settled(price_of_move(order, less, [NINE, TEN], NO_COUPON)) == -400
    assert settled(price_of_move(order, less, [NINE, TEN], MoveTerms(None, frozenset({TEN})))) == 0
    assert (costs_otherwise(order, less), costs_otherwise(order, less, asked=True)) == (
        frozenset({TEN}),
        frozenset({NINE}),
    )


def test_no_more_goes_back_than_is_left_of_what_was_paid() -> None:
    less = offered(yoga=100)

    for refunded, back in ((0, -1800), (1500, -500), (2000, 0)):
        found = price_of_move(sold(booking(), refunded=refunded), less, [NINE], NO_COUPON)
        assert (settled(found), found.prices[NINE].of(2)) == (back, 200)


@pytest.mark.parametrize(
    ("coupon", "off", "yoga", "price"),
    [
        (Coupon("C", percent=10), 200, 800, 1440),
        (Coupon("C", percent=100), 2000, 1500, 0),
        (Coupon("C", amount=Money(1000, "EUR")), 1000, 800, 600),
        (Coupon("C", amount=Money(1000, "EUR")), 1000, 400, 0),
        (Coupon("C", amount=Money(5000, "EUR")), 2000, 3000, 1000),
        (Coupon("C", percent=10, services=frozenset({"talk"})), 0, 800, 1600),
    ],
)
def test_the_coupon_counts_for_todays_price(coupon: Coupon, off: int, yoga: int, price: int) -> None:
    order = sold(booking(off=off), coupon="C")

    found = price_of_move(order, offered(yoga=yoga), [NINE], MoveTerms(coupon, frozenset()))
    assert found.prices[NINE].of(2) == price
    assert settled(found) == price - order.bookings[0].price_minor


def test_of_several_bookings_the_coupon_is_worked_out_for_all_and_those_that_stay_keep_theirs() -> None:
    ten_off = MoveTerms(Coupon("C", amount=Money(1000, "EUR")), frozenset())
    gone = replace(booking(ELEVEN, off=300), state=BookingState.CANCELLED)
    order = sold(booking(off=400), booking(TEN, off=300), gone, coupon="C")

    found = price_of_move(order, offered(yoga=1500), [NINE], ten_off)
    assert found.prices == {NINE: SeatPrice(1500, 400)}
    both = price_of_move(order, offered(yoga=1500), [NINE, TEN, ELEVEN], ten_off)
    assert set(both.prices) == {NINE, TEN}
    assert sum(price.discount_minor for price in both.prices.values()) == 700


def test_an_order_whose_coupon_nobody_knows_any_more_keeps_its_price() -> None:
    order = sold(booking(off=200), coupon="C")

    assert settled(price_of_move(order, offered(yoga=500), [NINE], NO_COUPON)) == 0
