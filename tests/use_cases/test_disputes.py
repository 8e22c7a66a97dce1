"""Somebody asks their bank to take back what they paid: the owners hear of it, and nothing is promised meanwhile."""

import json

import pytest

from tests.payments.shop import wanted_payment
from tests.use_cases.test_refunding import entry
from tests.use_cases.till import Payer, Till, seats_gone
from widget_server.domain.money import Money
from widget_server.domain.payments import AttemptState, DisputeState, OrderPayment
from widget_server.errors import InvalidRequest, PaymentsAway
from widget_server.payments.events import EVENTS
from widget_server.payments.fake_stripe.webhooks import Letter, sign

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
    by_mia = await entry(till)
    with pytest.raises(InvalidRequest, match="disputed"):
        await refunding.refund(site.id, anna.id, Money(100, "EUR"), entry=by_mia)
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
    site, refunding = await till.house.site(), till.house.parts.use_cases.refunding
    assert await refunding.left(site.id, anna.id) == Money(left, "EUR")
    if is_won:
        await refunding.refund(site.id, anna.id, Money(4500, "EUR"), entry=await entry(till))
        await till.work()
        assert await till.refunds(anna) == [(4500, "operator", "done")]


async def refused_refunds(till: Till) -> list[int]:
    refused = await till.house.parts.use_cases.unfinished_payments.refused(await till.house.site())
    return [one.refund.amount.amount_minor for one in refused]


async def test_stripe_refuses_to_give_back_what_is_disputed_and_once_it_is_lost_nobody_owes_it(
    till: Till, anna: Payer
) -> None:
    """Of which nobody had heard yet: the refund says so, and the customer is not told that it is on its way."""
    dispute = till.shop.books.dispute(await till.session_of(anna))
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    await till.work()

    assert await till.refunds(anna) == [(4500, "cancelled", "failed")]
    assert ((await payment_of(till, anna)).refused_minor, await refused_refunds(till)) == (4500, [4500])
    till.shop.books.close_dispute(dispute.id, is_won=False)
    await hear(till)
    assert ((await payment_of(till, anna)).refused_minor, await refused_refunds(till)) == (0, [])


@pytest.mark.parametrize(("is_won", "owed"), [(True, 4500), (False, 2500)], ids=["won", "lost"])
async def test_a_refund_that_a_dispute_about_a_part_keeps_back_is_owed_as_it_was_promised(
    till: Till, anna: Payer, is_won: bool, owed: int
) -> None:
    """Asking Stripe for the rest meanwhile would only be refused, and what was asked for first forgotten."""
    dispute = till.shop.books.dispute(await till.session_of(anna))
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    await hear(till, *(of_a_part(till, letter) for letter in till.shop.letters()))
    await till.work()

    assert await till.refunds(anna) == [(4500, "cancelled", "failed")]
    till.shop.books.close_dispute(dispute.id, is_won=is_won)
    await hear(till, *(of_a_part(till, letter) for letter in till.shop.letters()))
    assert ((await payment_of(till, anna)).refused_minor, await refused_refunds(till)) == (owed, [owed])


def of_a_part(till: Till, letter: Letter) -> Letter:
    """The pretend Stripe knows only disputes about all of a payment."""
    told = json.loads(letter.body)
    told["data"]["object"]["amount"] = 2000
    body = json.dumps(told).encode()
    return Letter(body, sign(body, till.shop.account.webhook_secret, till.shop.books.now()))


async def test_what_was_paid_without_a_booking_is_at_its_end_once_a_bank_has_given_it_back(till: Till) -> None:
    ben = Payer()
    await seats_gone(till, ben)
    dispute = till.shop.books.dispute(await till.session_of(ben))
    assert await till.settle(ben) is AttemptState.RETURNING
    assert await till.refunds(ben) == [(4500, "no_seats", "failed")]

    till.shop.books.close_dispute(dispute.id, is_won=False)
    await hear(till)
    assert (await till.attempt(ben)).state == AttemptState.ENDED
    await till.work()
    assert await till.settle(ben) is AttemptState.ENDED
    assert await refused_refunds(till) == []


async def test_a_dispute_of_which_stripe_tells_before_anything_else_is_not_lost(till: Till) -> None:
    ben = Payer()
    session = await till.at_the_page(ben)
    till.shop.books.pay(session, "ideal")
    till.shop.letters()
    till.shop.books.dispute(session)
    letters = till.shop.letters()
    till.shop.faults.plan("read_intent", "busy")
    with pytest.raises(PaymentsAway):  # Stripe tells it again
        await hear(till, *letters)

    await hear(till, *letters)
    assert await till.settle(ben) is AttemptState.PAID
    assert [dispute.state for dispute in (await payment_of(till, ben)).disputes] == [DisputeState.OPEN]
    assert (await till.messages(ben)).count("disputed") == 1


async def test_a_dispute_about_what_was_charged_without_us_is_nobodys(till: Till, anna: Payer) -> None:
    shop = till.shop
    elsewhere = await shop.gateway.open(shop.keys, wanted_payment())
    shop.books.pay(elsewhere.session_id, "ideal")
    shop.books.dispute(elsewhere.session_id)
    (*_, told) = shop.letters()
    gone = json.loads(told.body)
    gone["data"]["object"]["payment_intent"], gone["id"] = "pi_not_there", "evt_of_another_account"
    unknown = json.dumps(gone).encode()

    await hear(till, told, Letter(unknown, sign(unknown, shop.account.webhook_secret, shop.books.now())))
    assert (await payment_of(till, anna)).disputes == ()


async def test_a_mere_inquiry_is_no_dispute_until_the_bank_has_taken_the_money(till: Till, anna: Payer) -> None:
    inquiry = till.shop.books.dispute(await till.session_of(anna), is_inquiry=True)
    await hear(till)
    assert (await payment_of(till, anna)).disputes == ()

    till.shop.books.withdraw(inquiry.id)
    (withdrawn,) = till.shop.letters()
    assert json.loads(withdrawn.body)["type"] in EVENTS
    await hear(till, withdrawn)
    assert [dispute.state for dispute in (await payment_of(till, anna)).disputes] == [DisputeState.OPEN]
    assert await till.messages(anna) == [*BOOKED, "disputed"]
