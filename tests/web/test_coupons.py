"""Codes over HTTP: what they take off, how a price is paid or not with them, and all that is refused on the way."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from httpx2 import Response as Answer

from tests.house import PRIVATE, SITE, Guest, House, refused, slot
from tests.store.studio import NOW, YOGA
from tests.use_cases.till import LESSON, Till
from tests.web.desks import desk_in
from tests.web.test_admin_bookings import table
from widget_server.domain.coupons import Coupon
from widget_server.domain.money import Money
from widget_server.errors import CouponRefused, TooManyTries
from widget_server.store.coupons import Coupons, put_coupon
from widget_server.use_cases.coupons import WRONG_CODES_PER_NETWORK_MAX

pytestmark = pytest.mark.anyio

ANNA = {"name": "Anna Berg", "email": "anna@example.org", "zone": "Europe/Berlin", "locale": "de"}
TENTH, GIFT = Coupon("Tenth", percent=10), Coupon("GIFT", percent=100, uses_max=1)
WRONG: list[dict[str, Any]] = [
    {"coupon": 5},
    {"coupon": None},
    {"coupon": "x" * 101},
    {"coupon": "a\u0007b"},
    {"lines": []},
    {"lines": [{"slot": LESSON.id, "seats": "1"}]},
    {"lines": [{"slot": LESSON.id, "seats": 1, "price": 1}]},
    {"total": 1},
]


@pytest.fixture
def house(till: Till) -> House:
    return till.house


async def make(house: House, coupon: Coupon) -> None:
    site = await house.site()
    await house.change(lambda session: put_coupon(session, site.id, coupon, at=NOW))


async def used(house: House, code: str) -> int:
    found = await Coupons(house.parts.database).find((await house.site()).id, code)
    assert found is not None
    return found.used


async def quote(guest: Guest, code: Any = "tenth", **changes: Any) -> Answer:
    body = {"coupon": code, "lines": guest.wanted_hold(LESSON)["lines"], **changes}
    return await guest.client.post(f"/v1/sites/{guest.site}/quotes", json=body)


async def send(guest: Guest, what: str, code: str | None, *lines: Any, **changes: Any) -> Answer:
    wanted = guest.wanted_hold(*lines or (LESSON,))["lines"]
    body = {"customer": ANNA, "lines": wanted, "visitor": guest.visitor, "coupon": code, **changes}
    sent = {name: value for name, value in body.items() if value is not None}
    answer = await guest.send("POST", f"/holds/{guest.id}/{what}", sent)
    if answer.status_code == 201:
        guest.order_secret = answer.json()["order_secret"]
    return answer


async def held(house: House, *lines: Any) -> Guest:
    guest = house.guest()
    assert (await guest.hold(*lines or (LESSON,))).status_code == 201
    return guest


async def test_a_site_says_whether_there_are_codes(house: House) -> None:
    async def has_coupons() -> bool:
        return bool((await house.client.get(f"/v1/sites/{SITE}/services")).json()["site"]["coupons"])

    assert not await has_coupons()
    await make(house, replace(TENTH, last_day=date(2020, 1, 1)))
    assert not await has_coupons()
    await make(house, GIFT)
    assert await has_coupons()


async def test_a_quote_says_what_it_costs_with_a_code(house: House) -> None:
    await make(house, TENTH)

    answer = await quote(house.guest(), " \u2068TENTH\u2069 ")

    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "coupon": "Tenth",
        "full": {"amount": 4500, "currency": "EUR"},
        "discount": {"amount": 450, "currency": "EUR"},
        "total": {"amount": 4050, "currency": "EUR"},
    }


async def test_a_code_that_does_not_count_is_refused_with_the_reason(house: House) -> None:
    await make(house, replace(TENTH, code="OVER", last_day=date(2020, 1, 1)))
    await make(house, replace(TENTH, code="SOON", first_day=date(2120, 1, 1)))
    await make(house, replace(TENTH, code="OFF", is_active=False))
    await make(house, replace(TENTH, code="YOGA", services=frozenset({"yoga"})))
    await make(house, replace(GIFT, code="USED"))
    ben = await held(house)
    assert (await send(ben, "confirmation", "USED")).status_code == 201

    whys = {"NONE": "unknown", "OVER": "over", "OFF": "over", "SOON": "not_yet", "USED": "used_up"}
    for code, reason in {**whys, "YOGA": "not_for_this"}.items():
        assert refused(await quote(house.guest(), code), 409, "coupon_refused") == {"reason": reason}
        anna = await held(house, slot(PRIVATE, number=1))
        for what in ("checkout", "confirmation"):
            answer = await send(anna, what, code, slot(PRIVATE, number=1))
            if (code, what) != ("USED", "checkout"):  # there it would be more than enough
                assert refused(answer, 409, "coupon_refused") == {"reason": reason}
        assert (await anna.look()).json()["hold"]["state"] == "held", "nothing is lost"
        await anna.release()


async def test_what_is_no_quote_is_refused(house: House) -> None:
    for wrong in WRONG:
        body = {"coupon": "tenth", "lines": house.guest().wanted_hold(LESSON)["lines"], **wrong}
        refused(await house.client.post(f"/v1/sites/{SITE}/quotes", json=body), 400, "invalid_request")


async def test_what_is_not_offered_has_no_price(house: House) -> None:
    await make(house, TENTH)

    unknown = [{"slot": "nothing.20261121T0800Z.60", "seats": 1}]
    refused(await quote(house.guest(), lines=unknown), 409, "slot_closed")
    refused(await quote(house.guest("nowhere")), 404, "not_found")
    refused(await quote(house.guest(), lines=[{"slot": LESSON.id, "seats": 7}]), 422, "too_many_seats")
    too_large = await house.client.post(f"/v1/sites/{SITE}/quotes", content=b" " * 20_000)
    refused(too_large, 413, "too_large")


async def test_nobody_finds_a_code_by_trying_and_right_ones_are_no_tries(house: House) -> None:
    await make(house, TENTH)
    anna = await held(house)

    for number in range(WRONG_CODES_PER_NETWORK_MAX - 1):
        assert (await quote(anna)).status_code == 200
        refused(await quote(anna, f"guess {number}"), 409, "coupon_refused")
    refused(await send(anna, "checkout", "guess"), 409, "coupon_refused")

    refused(await quote(anna), 429, "too_many_tries")
    refused(await send(anna, "checkout", "tenth"), 429, "too_many_tries")
    assert (await send(anna, "checkout", None)).status_code == 201


async def test_who_has_tried_too_much_at_one_site_may_still_try_at_another(house: House) -> None:
    coupons, site = house.parts.use_cases.coupons, await house.site()

    for number in range(WRONG_CODES_PER_NETWORK_MAX):
        with pytest.raises(CouponRefused):
            await coupons.find(site, f"guess {number}", network="10.0.0.0")
    with pytest.raises(TooManyTries):
        await coupons.find(site, "guess", network="10.0.0.0")
    with pytest.raises(CouponRefused):
        await coupons.find(replace(site, key="other"), "guess", network="10.0.0.0")


async def test_stripe_is_asked_for_what_is_left_and_no_more_than_that_comes_back(till: Till, house: House) -> None:
    await make(house, TENTH)
    anna = await held(house)

    order = (await send(anna, "checkout", "tenth")).json()["order"]
    assert order["total"] == {"amount": 4050, "currency": "EUR"}
    assert order["coupon"] == {"code": "Tenth", "discount": {"amount": 450, "currency": "EUR"}}
    assert till.shop.only_session.amount == 4050
    till.shop.books.pay(till.shop.only_session.id)
    paid = (await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)).json()["order"]
    assert (paid["state"], paid["coupon"]["code"], paid["payment"]["paid"]["amount"]) == ("paid", "Tenth", 4050)
    assert paid["payment"]["refund_if_cancelled"]["amount"] == 4050
    await anna.cancel()
    await till.work()
    assert (till.shop.taken_minor, await used(house, "tenth")) == (0, 1)


async def test_an_amount_that_is_no_price_of_a_seat_is_paid_for_all_of_them(till: Till, house: House) -> None:
    await make(house, Coupon("TEN", amount=Money(1000, "EUR")))
    anna = await held(house, (LESSON, 3))

    assert (await send(anna, "checkout", "ten", (LESSON, 3))).status_code == 201

    session = till.shop.only_session
    assert session.amount == 12_500
    assert [(one.unit_amount, one.quantity) for one in session.lines] == [(12_500, 1)]
    assert session.lines[0].name.startswith("3 \u00d7 Private lesson, ")


async def test_whoever_goes_back_can_use_the_code_again_or_pay_without(till: Till, house: House) -> None:
    await make(house, replace(TENTH, uses_max=1))
    anna = await held(house)
    await send(anna, "checkout", "tenth")
    assert await used(house, "tenth") == 1

    await anna.send("DELETE", f"/holds/{anna.id}/checkout")
    assert await used(house, "tenth") == 0
    again = await send(anna, "checkout", "TENTH")
    assert (again.json()["order"]["total"]["amount"], await used(house, "tenth")) == (4050, 1)
    without = await send(anna, "checkout", None)
    assert (without.json()["order"]["total"]["amount"], await used(house, "tenth")) == (4500, 0)


async def test_what_a_code_makes_free_is_booked_at_once(till: Till, house: House) -> None:
    await make(house, GIFT)
    anna = await held(house)
    refused(await send(anna, "checkout", "gift"), 400, "invalid_request")
    refused(await send(anna, "confirmation", None), 400, "invalid_request")

    first, again = await send(anna, "confirmation", "gift"), await send(anna, "confirmation", "gift")

    order = first.json()["order"]
    assert (first.status_code, again.status_code, again.json()["order"]["id"]) == (201, 201, anna.id)
    assert (order["state"], order["payment"], order["total"]["amount"]) == ("paid", None, 0)
    assert order["coupon"] == {"code": "GIFT", "discount": {"amount": 4500, "currency": "EUR"}}
    assert (await used(house, "gift"), await house.booked_in_sql(LESSON)) == (1, 1)
    assert not till.shop.account.sessions
    other = slot(PRIVATE, number=2)
    moved = await anna.reschedule(other)
    assert (moved.status_code, moved.json()["order"]["bookings"][0]["slot"]) == (200, other.id)


async def test_a_code_that_takes_only_some_of_it_off_books_nothing(house: House) -> None:
    await make(house, TENTH)
    anna = await held(house)

    refused(await send(anna, "confirmation", "tenth"), 400, "invalid_request")

    assert ((await anna.look()).json()["hold"]["state"], await used(house, "tenth")) == ("held", 0)


async def test_who_finds_the_code_used_up_at_the_last_moment_keeps_the_seats(till: Till, house: House) -> None:
    await make(house, GIFT)
    anna, ben = await held(house), await held(house)
    assert (await send(ben, "confirmation", "gift")).status_code == 201

    assert refused(await send(anna, "confirmation", "gift"), 409, "coupon_refused") == {"reason": "used_up"}

    assert (await anna.look()).json()["hold"]["state"] == "held"
    answer = await send(anna, "checkout", None)
    assert (answer.status_code, answer.json()["order"]["total"]["amount"]) == (201, 4500)


async def test_a_code_for_each_address_once_needs_an_address(house: House) -> None:
    await make(house, replace(GIFT, uses_max=None, uses_per_address_max=1))
    anna, again = await held(house), await held(house)

    nobody = await send(anna, "confirmation", "gift", customer={"name": "Anna Berg"})
    assert refused(nobody, 400, "invalid_request")["fields"][0]["field"] == "customer.email"
    assert (await send(anna, "confirmation", "gift")).status_code == 201
    assert refused(await send(again, "confirmation", "gift"), 409, "coupon_refused") == {"reason": "used_by_you"}


async def test_a_code_for_what_is_free_is_refused(house: House) -> None:
    await make(house, TENTH)
    anna = await held(house, slot(YOGA))

    answer = await send(anna, "confirmation", "tenth", slot(YOGA))
    assert refused(answer, 409, "coupon_refused") == {"reason": "not_for_this"}


async def test_the_file_of_bookings_says_what_was_taken_off_paid_and_given_back(till: Till, house: House) -> None:
    await make(house, TENTH)
    anna = await held(house, (LESSON, 2))
    await send(anna, "checkout", "tenth", (LESSON, 2))
    till.shop.books.pay(till.shop.only_session.id)
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)
    ben = await held(house, slot(PRIVATE, number=1))
    await make(house, GIFT)
    await send(ben, "confirmation", "gift", slot(PRIVATE, number=1))
    await anna.cancel()
    await till.work()

    async with desk_in(house) as desk:
        head, *rows = table(await desk.get("/bookings.csv?sort=newest"))
        pages = [(await desk.get(f"/orders/{guest.id}")).text for guest in (anna, ben)]
    money = ("Price", "Discount", "Coupon", "Order paid", "Order refunded")
    assert [[row[head.index(name)] for name in money] for row in rows] == [
        ["0.00", "45.00", "GIFT", "0.00", "0.00"],
        ["81.00", "9.00", "Tenth", "81.00", "81.00"],
    ]
    assert "Tenth, 9.00 EUR off" in pages[0]
    assert "GIFT has taken 45.00 EUR off" in pages[1]
