"""What operators see of the money of an order, and how they give it back."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.house import slot
from tests.use_cases.till import LESSON, Payer, Till
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of, path_of
from widget_server.errors import Unavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(till: Till) -> AsyncIterator[Desk]:
    async with desk_in(till.house) as desk:
        yield desk


@pytest.fixture
async def anna(till: Till) -> Payer:
    """She has paid a lesson."""
    anna = Payer()
    await till.paid(anna)
    return anna


def order_of(payer: Payer) -> str:
    return f"/orders/{payer.id}"


async def refund(desk: Desk, payer: Payer, amount: str, form_id: str = "") -> str:
    """Send the form of her order's page, and return the page that follows."""
    form_id = form_id or fields_of(await desk.get(order_of(payer)))["form_id"]
    answer = await desk.post(f"{order_of(payer)}/refunds", amount=amount, form_id=form_id)
    return answer.text if answer.status_code != 303 else (await desk.client.get(path_of(answer))).text


async def test_a_dispute_stands_in_the_order_and_nothing_can_be_given_back_meanwhile(
    till: Till, desk: Desk, anna: Payer
) -> None:
    till.shop.letters()
    till.shop.books.dispute(await till.session_of(anna))
    for letter in till.shop.letters():
        await till.settling.heard("studio", letter.body, letter.signature)

    page = (await desk.get(order_of(anna))).text
    for told in ("Disputed", "product not received", "Not decided yet"):
        assert told in page
    assert "Pay money back" not in page
    told = await refund(desk, anna, "10,00", "a form that was open before")
    assert "This payment is disputed" in told


async def test_an_order_shows_what_was_paid_by_which_attempt_and_what_went_back(
    till: Till, desk: Desk, anna: Payer
) -> None:
    page = (await desk.get(order_of(anna))).text
    assert "45.00 EUR" in page
    assert (await till.attempt(anna)).public_id in page

    told = await refund(desk, anna, "10,00")
    await till.work()

    assert "On its way." in told
    page = (await desk.get(order_of(anna))).text
    assert re.search(r"<strong>10\.00 EUR</strong>.*as an operator decided", page)
    assert "up to 35.00" in page
    assert await till.refunds(anna) == [(1000, "operator", "done")]
    entry = (await desk.entries())[0]
    assert (entry.deed, entry.about, dict(entry.detail)) == ("refunded", anna.id, {"amount": "10.00 EUR"})
    assert "Paid money back" in (await desk.get("/audit-log")).text


async def test_a_form_that_is_sent_twice_pays_back_once(till: Till, desk: Desk, anna: Payer) -> None:
    form_id = fields_of(await desk.get(order_of(anna)))["form_id"]

    for _ in range(2):
        assert "On its way." in await refund(desk, anna, "45", form_id)

    assert [amount for amount, *_ in await till.refunds(anna)] == [4500]
    assert "Pay money back" not in (await desk.get(order_of(anna))).text


async def test_a_form_nobody_knows_the_end_of_is_shown_again_and_pays_back_once(
    till: Till, desk: Desk, anna: Payer, monkeypatch: pytest.MonkeyPatch
) -> None:
    refunding = till.house.parts.use_cases.refunding
    add = refunding.refund

    async def lost_after_the_commit(*args: Any, **named: Any) -> None:
        await add(*args, **named)
        raise Unavailable("The database is not there just now. Please try again.")

    with monkeypatch.context() as patched:
        patched.setattr(refunding, "refund", lost_after_the_commit)
        form_id = fields_of(await desk.get(order_of(anna)))["form_id"]
        answer = await desk.post(f"{order_of(anna)}/refunds", amount="10.00", form_id=form_id)

    assert answer.status_code == 503
    assert fields_of(answer) | {"amount": "10.00", "form_id": form_id} == fields_of(answer)
    assert "On its way." in await refund(desk, anna, "10.00", fields_of(answer)["form_id"])
    assert [amount for amount, *_ in await till.refunds(anna)] == [1000]


async def test_more_than_is_left_or_no_amount_is_refused_and_what_was_typed_stays(
    till: Till, desk: Desk, anna: Payer
) -> None:
    beside = 'aria-describedby="amount-error" aria-invalid="true"'
    for typed, told in (("45.01", "more than is left"), ("0", "Say how much"), ("", "Say how much"), ("-5", "Say how")):
        page = await refund(desk, anna, typed)

        assert told in page
        assert f'value="{typed}"' in page
        assert beside in page
    assert await till.refunds(anna) == []


@pytest.mark.parametrize(("goes_back", "refunds"), [("", [4500]), ("nothing", [])])
async def test_whoever_cancels_for_a_customer_says_whether_the_money_goes_back(
    till: Till, desk: Desk, anna: Payer, goes_back: str, refunds: list[int]
) -> None:
    page = (await desk.get(order_of(anna))).text
    (cancelling,) = re.findall(r'action="/admin/sites/studio(/orders/[^"]*/cancellation)"', page)
    assert "45.00 EUR go back to them" in page

    answer = await desk.post(cancelling, message="", goes_back=goes_back)

    assert answer.status_code == 303
    assert [amount for amount, *_ in await till.refunds(anna)] == refunds
    entry = (await desk.entries())[0]
    assert entry.detail["goes_back"] == {"amount": sum(refunds), "currency": "EUR"}
    assert f"goes back: {'45.00 EUR' if refunds else 'nothing'}" in (await desk.get("/audit-log")).text


async def test_what_is_free_has_no_payment_and_nothing_to_pay_back(till: Till, desk: Desk, anna: Payer) -> None:
    ben = till.house.guest()
    await ben.hold(slot())
    await ben.confirm()

    assert "Payment" not in (await desk.get(f"/orders/{ben.id}")).text.split("<main")[1]
    answer = await desk.post(f"/orders/{ben.id}/refunds", amount="1.00", form_id="")
    assert answer.status_code == 404
    listed = (await desk.get("/bookings")).text
    assert "1 seat, 45.00 EUR" in listed


async def test_nobody_pays_back_what_another_site_has_sold(till: Till, anna: Payer) -> None:
    await till.house.found("other")

    async with desk_in(till.house, "other") as desk:
        answer = await desk.post(f"{order_of(anna)}/refunds", amount="45.00", form_id="")

    assert answer.status_code == 404
    assert await till.refunds(anna) == []


assert LESSON.service == "private", "these figures are of its price"
