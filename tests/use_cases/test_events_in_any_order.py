"""Six events of one payment, which in the end goes back in part: in whichever order they come, the end is the same."""

import random
from dataclasses import dataclass
from itertools import permutations

import pytest

from tests.house import PRIVATE, slot
from tests.use_cases.till import Payer, Till
from widget_server.domain.orders import OrderState
from widget_server.domain.payments import AttemptState
from widget_server.errors import BadSignature
from widget_server.payments.fake_stripe.webhooks import Letter

pytestmark = pytest.mark.anyio

ALL = list(permutations(range(6)))
SOME = random.Random(720).sample(ALL, 6)  # noqa: S311


@dataclass(frozen=True)
class End:
    attempt: AttemptState
    order: OrderState
    refunds: list[tuple[int, str, str]]
    messages: list[str]
    deeds: list[str]
    kept_minor: int


KEPT = End(
    AttemptState.PAID,
    OrderState.PAID,
    [(1000, "at_stripe", "done")],
    ["new_order", "booked"],
    ["payment_captured"],
    3500,
)
RETURNED = End(
    AttemptState.ENDED,
    OrderState.VOIDED,
    [(3500, "no_seats", "done")],
    ["payment_returned"],
    ["payment_given_back", "payment_refunded"],
    0,
)


async def six_letters(till: Till, payer: Payer, number: int = 0, *, is_booked: bool) -> list[Letter]:
    """Begun, authorised, gone through the page, captured, given back in part, and that refund. Captured by us, if it is
    to be booked before that; else by somebody at Stripe.
    """
    till.shop.letters()
    session = await till.at_the_page(payer, (slot(PRIVATE, day=number // 4, number=number % 4), 1))
    till.shop.books.pay(session)
    if is_booked:
        assert await till.settle(payer) is AttemptState.PAID
    else:
        till.shop.books.capture(session)
    till.shop.books.refund(session, 1000)
    return till.shop.letters()


async def end_of(till: Till, payer: Payer) -> End:
    attempt, order = await till.attempt(payer), await till.order(payer)
    intent = till.shop.books.intent(attempt.session_id or "")
    assert intent.charge is not None
    return End(
        AttemptState(attempt.state),
        order.state,
        await till.refunds(payer),
        await till.messages(payer),
        await till.deeds(payer),
        intent.charge.left_to_refund,
    )


@pytest.mark.parametrize(("is_booked", "expected"), [(True, KEPT), (False, RETURNED)], ids=["booked", "never heard of"])
async def test_six_events_come_to_the_same_in_any_order(till: Till, is_booked: bool, expected: End) -> None:
    for number, order in enumerate(SOME):
        anna = Payer()
        letters = await six_letters(till, anna, number, is_booked=is_booked)
        assert len(letters) == 6

        for place in (*order, order[0]):
            await till.settling.heard("studio", letters[place].body, letters[place].signature)
        assert await end_of(till, anna) == expected, order


async def test_of_six_events_signed_by_somebody_else_none_is_heard(till: Till) -> None:
    """The control: nothing comes to the end by itself."""
    anna = Payer()
    till.shop.books.post.forged = True
    for letter in await six_letters(till, anna, is_booked=False):
        with pytest.raises(BadSignature):
            await till.settling.heard("studio", letter.body, letter.signature)

    assert (await till.attempt(anna)).state == AttemptState.OPEN
