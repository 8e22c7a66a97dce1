"""Somebody asks their bank to take back what they paid: the owners hear of it, and nothing is promised meanwhile."""

import json
from datetime import UTC, datetime

import pytest

from tests.use_cases.till import Payer, Till
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.money import Money
from widget_server.domain.payments import DisputeState, OrderPayment
from widget_server.errors import InvalidRequest
from widget_server.payments.events import event_of
from widget_server.payments.fake_stripe.webhooks import Letter

pytestmark = pytest.mark.anyio

BOOKED = ["new_order", "booked"]


@pytest.fixture
async def anna(till: Till) -> Payer:
    anna = Payer()
    await till.paid(anna)
    till.shop.letters()
    return anna


async def hear(till: Till, *letters: Letter) -> None:
    for letter in letters or till.shop.letters():
        await till.settling.heard("studio", letter.body, letter.signature)


async def payment_of(till: Till, anna: Payer) -> OrderPayment:
    payment = (await till.order(anna)).payment
    assert payment is not None
    return payment


async def test_of_a_dispute_the_owners_hear_and_nothing_goes_back_until_it_is_decided(till: Till, anna: Payer) -> None:
    refunding, site = till.house.parts.use_cases.refunding, await till.house.site()
    till.shop.books.dispute(await till.session_of(anna))
    await hear(till)

    (dispute,) = (await payment_of(till, anna)).disputes
    assert (dispute.amount, dispute.state) == (Money(4500, "EUR"), DisputeState.OPEN)
    assert await till.messages(anna) == [*BOOKED, "disputed"]
    assert await till.deeds(anna) == ["payment_captured", "payment_disputed"]
    entry = Entry(site.id, 1, Deed.REFUNDED, datetime.now(UTC))
    with pytest.raises(InvalidRequest, match="disputed"):
        await refunding.refund(site.id, anna.id, Money(100, "EUR"), entry=entry)
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    assert await till.refunds(anna) == []


@pytest.mark.parametrize(("is_won", "left"), [(True, 4500), (False, 0)], ids=["won", "lost"])
async def test_once_it_is_decided_the_owners_hear_of_that_in_any_order_and_once(
    till: Till, anna: Payer, is_won: bool, left: int
) -> None:
    dispute = till.shop.books.dispute(await till.session_of(anna))
    till.shop.books.close_dispute(dispute.id, is_won=is_won)
    letters = till.shop.letters()
    await hear(till, *letters[::-1], *letters)

    decided = "dispute_won" if is_won else "dispute_lost"
    assert await till.messages(anna) == [*BOOKED, decided]
    assert await till.deeds(anna) == ["payment_captured", decided]
    site = await till.house.site()
    assert await till.house.parts.use_cases.refunding.left(site.id, anna.id) == Money(left, "EUR")


async def test_stripe_refuses_to_give_back_what_is_disputed(till: Till, anna: Payer) -> None:
    """Of which nobody had heard yet: the refund says so, and the customer is not told that it is on its way."""
    till.shop.books.dispute(await till.session_of(anna))
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    await till.work()

    assert await till.refunds(anna) == [(4500, "cancelled", "failed")]
    assert (await payment_of(till, anna)).refused_minor == 4500


async def test_a_mere_inquiry_is_no_dispute(till: Till, anna: Payer) -> None:
    till.shop.books.dispute(await till.session_of(anna))
    (letter,) = till.shop.letters()
    told = json.loads(letter.body)
    assert event_of(told).dispute is not None

    told["data"]["object"]["status"] = "warning_needs_response"
    assert event_of(told).dispute is None
