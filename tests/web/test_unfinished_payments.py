"""What operators see of payments that did not go as they should: without an order, stuck, and not paid back."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.use_cases.till import LESSON, Payer, Till, seats_gone, take_payments
from tests.web.desks import Desk, desk_in
from widget_server.domain.payments import PAYMENT_WINDOW
from widget_server.errors import PaymentsNotSetUp

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(till: Till) -> AsyncIterator[Desk]:
    async with desk_in(till.house) as desk:
        yield desk


async def test_whoever_wanted_to_pay_and_got_no_order_stands_there_with_what_became_of_it(
    till: Till, desk: Desk
) -> None:
    assert "None yet." in (await desk.get("/payments/without-order")).text
    anna, ben = Payer(), Payer(name="Ben Oak")
    await till.at_the_page(anna)
    till.shop.books.pay(await till.at_the_page(ben))
    await till.lose_seats(ben, LESSON)
    await till.settle(ben)
    await till.later(PAYMENT_WINDOW)
    await till.settle(anna)
    await till.choose(ben, None)

    page = (await desk.get("/payments/without-order")).text
    assert page.count("<strong>45.00 EUR</strong>") == 2
    for told in ("Anna Berg", "Not paid", "not paid", "Ben Oak", "anna@example.org", "Paid back, or given up"):
        assert told in page
    assert "the customer wanted no other time" in page
    assert "Payments without an order" in (await desk.get("/payments")).text
    log = (await desk.get("/audit-log")).text
    for told in ("By itself", "Paid too late: no other time was wanted", "The time to pay was over", "45.00 EUR"):
        assert told in log
    assert (await desk.get("/payments/without-order?before=1")).text.count("Nothing else.") == 1
    assert (await desk.get("/payments/without-order?before=x")).status_code == 200


async def test_an_order_is_no_payment_without_one(till: Till, desk: Desk) -> None:
    await till.paid(Payer())

    assert "None yet." in (await desk.get("/payments/without-order")).text


async def test_a_refund_that_stripe_refuses_stands_on_the_first_page_until_it_is_made_up_for(
    till: Till, desk: Desk
) -> None:
    anna = Payer()
    await till.paid(anna)
    till.shop.account.refunds_wait = True
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    await till.work()
    (waiting,) = till.shop.account.refunds.values()
    till.shop.books.finish_refund(waiting.id, why_not="declined")
    await till.later(timedelta(hours=2))
    await till.house.parts.use_cases.refunding.refund_due()

    assert "1 refund was refused by Stripe." in (await desk.get("")).text
    page = (await desk.get("/payments")).text
    number = (await till.order(anna)).number
    for told in ("Refunds that Stripe has refused", f"Order {number}", "declined", "Anna Berg"):
        assert told in page
    till.shop.account.refunds_wait = False
    await desk.post(f"/orders/{anna.id}/refunds", amount="45.00", form_id="again")
    await till.work()
    assert "refused by Stripe" not in (await desk.get("")).text


async def test_payments_that_wait_for_other_keys_stand_on_the_first_page_and_in_their_room(
    till: Till, desk: Desk
) -> None:
    anna = Payer()
    till.shop.books.pay(await till.at_the_page(anna))
    till.shop.faults.plan("capture", "forbidden")
    with pytest.raises(PaymentsNotSetUp):
        await till.settle(anna)

    assert "1 payment waits for other keys at Stripe." in (await desk.get("")).text
    assert "1 payment waits for other keys: 45.00 EUR." in (await desk.get("/payments")).text
    await till.settle(anna)
    assert "for other keys" not in (await desk.get("")).text
    assert "for other keys" not in (await desk.get("/payments")).text


async def test_refunds_that_wait_for_other_keys_stand_there_until_they_are_done(till: Till, desk: Desk) -> None:
    """Their customers have been told that the money comes back, and nobody else would notice."""
    anna = Payer()
    await till.paid(anna)
    await desk.post("/payments/live/removal")
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    await till.house.parts.use_cases.refunding.refund_due()

    for page in ("", "/payments"):
        assert "1 refund waits for other keys" in (await desk.get(page)).text
    await take_payments(till.house, till.shop)
    await till.work()
    assert till.shop.taken_minor == 0
    assert "waits for other keys" not in (await desk.get("")).text


async def test_what_goes_back_of_a_payment_that_waits_is_not_counted_once_more(till: Till, desk: Desk) -> None:
    """Its customer has been told nothing yet."""
    ben, refunding = Payer(), till.house.parts.use_cases.refunding
    await seats_gone(till, ben)
    till.shop.faults.plan("refund", "forbidden", times=2)
    with pytest.raises(PaymentsNotSetUp):
        await till.settle(ben)
    await refunding.refund_due()

    page = (await desk.get("/payments")).text
    assert "1 payment waits for other keys: 45.00 EUR." in page
    assert "refund waits" not in page


async def test_a_refund_that_stripe_has_already_does_not_wait_for_keys(till: Till, desk: Desk) -> None:
    anna, refunding = Payer(), till.house.parts.use_cases.refunding
    await till.paid(anna)
    till.shop.account.refunds_wait = True
    await till.house.parts.use_cases.bookings.cancel(anna.order_ref)
    await refunding.refund_due()
    await till.later(timedelta(hours=2))
    till.shop.faults.plan("read_refund", "forbidden")
    await refunding.refund_due()

    assert "waits for other keys" not in (await desk.get("/payments")).text


async def test_of_test_cards_nothing_waits_once_the_site_is_live(till: Till, desk: Desk) -> None:
    """Test bookings are to be cancelled by then, and their keys may be gone."""
    house, anna = till.house, Payer()
    await take_payments(house, till.shop, is_test=True)
    await house.change_settings(is_test=True)
    await till.paid(anna)
    await desk.post("/payments/test/removal")
    await house.parts.use_cases.bookings.cancel(anna.order_ref)
    await house.parts.use_cases.refunding.refund_due()

    assert "1 refund waits for other keys" in (await desk.get("")).text
    await house.change_settings(is_test=False)
    assert "waits for other keys" not in (await desk.get("")).text
