"""The difference between two prices over HTTP: told before a move, agreed to with it, refused where it is another."""

from dataclasses import replace
from typing import Any

import pytest

from tests.house import PRIVATE, Guest, House, refused, slot
from tests.use_cases.till import LESSON, Till
from tests.web.desks import desk_in
from tests.web.test_receipts import eur, paid, receipt_of
from widget_server.domain.money import Money
from widget_server.web.admin.writing import money

pytestmark = pytest.mark.anyio
THERE = slot(PRIVATE, day=1)


@pytest.fixture
def house(till: Till) -> House:
    return till.house


@pytest.fixture
async def anna(till: Till) -> Guest:
    """She has paid 90.00 for two seats of a lesson; by now a seat costs 40.00."""
    anna = await paid(till)
    await till.house.change_service(replace(PRIVATE, price=Money(4000, "EUR")))
    return anna


async def test_it_is_told_agreed_to_and_settled(house: House, anna: Guest) -> None:
    before = (await anna.order()).json()["order"]
    assert before["bookings"][0]["move_difference"] == eur(-1000)

    answer = await anna.reschedule((THERE, 2), difference=eur(-1000))
    after = answer.json()["order"]
    assert (answer.status_code, after["bookings"][0]["slot"], after["total"]) == (200, THERE.id, eur(8000))
    assert after["bookings"][0]["move_difference"] == eur(0)
    payment = after["payment"]
    assert (payment["paid"], payment["refunding"]) == (eur(9000), eur(1000))
    assert payment["refund_if_cancelled"] == eur(8000)
    receipt = (await receipt_of(anna)).json()["receipt"]
    assert (receipt["lines"][0]["price"], receipt["total"], receipt["paid"]) == (eur(8000), eur(8000), eur(9000))
    assert [one["amount"] for one in receipt["refunds"]] == [eur(1000)]


async def test_another_one_is_refused_with_what_it_is(anna: Guest) -> None:
    for agreed in (None, eur(0), eur(-999), eur(1000), {"amount": -1000, "currency": "CHF"}):
        details = refused(await anna.reschedule((THERE, 2), difference=agreed), 409, "price_changed")
        assert details == {"difference": eur(-1000)}
    assert (await anna.order()).json()["order"]["bookings"][0]["slot"] == LESSON.id


async def test_what_is_no_difference_is_named(anna: Guest) -> None:
    wrong: list[Any] = [5, "5", {"amount": -1000}, {"amount": "-1000", "currency": "EUR"}]
    for difference in [*wrong, {"amount": -(10**12), "currency": "EUR"}, {"amount": 1, "currency": "euro"}]:
        answer = await anna.reschedule((THERE, 2), difference=difference)
        fields = refused(answer, 400, "invalid_request")["fields"]
        assert fields[0]["field"].startswith("difference"), difference


async def test_operators_see_what_was_paid_and_why_some_of_it_went_back(house: House, anna: Guest) -> None:
    await anna.reschedule((THERE, 2), difference=eur(-1000))

    async with desk_in(house) as desk:
        text = (await desk.get(f"/orders/{anna.id}")).text
        for told in (*(money(Money(paid, "EUR")) for paid in (8000, 9000, 1000)), "as it moved, and costs less by now"):
            assert told in text, told
        assert "goes_back" in {name for entry in await desk.entries() for name in entry.detail}


async def test_a_receipt_names_every_payment(till: Till, house: House, anna: Guest) -> None:
    """A seat has become dearer again: what its two seats cost more is paid with another card page."""
    await house.change_service(replace(PRIVATE, price=Money(5000, "EUR")))
    begun = (await anna.reschedule((THERE, 2), difference=eur(1000))).json()["order"]
    assert begun["bookings"][0]["slot"] == LESSON.id
    assert begun["payment"]["move"]["amount"] == eur(1000)

    till.shop.books.pay(list(till.shop.account.sessions)[-1])
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)
    receipt = (await receipt_of(anna)).json()["receipt"]
    assert ([one["amount"] for one in receipt["payments"]], receipt["paid"]) == ([eur(9000), eur(1000)], eur(10000))
    assert (receipt["total"], receipt["receipt_number"][-2:]) == (eur(10000), "-2")
