"""Paying over HTTP: the checkout of a hold, the ways back from it, and all that is refused on the way."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog
from httpx2 import Response as Answer

from tests.house import PRIVATE, SITE, URL, Guest, House, refused, slot
from tests.use_cases.till import LESSON, Till
from widget_server.domain.bookings import Customer
from widget_server.domain.holds import Line
from widget_server.domain.money import Money
from widget_server.domain.payments import MIN_LEFT, PAYMENT_WINDOW
from widget_server.domain.questions import Question, QuestionKind
from widget_server.errors import InvalidRequest
from widget_server.ids import is_id, new_id
from widget_server.use_cases.operations import ForCustomer

pytestmark = pytest.mark.anyio

ANNA = {"name": "Anna Berg", "email": "anna@example.org", "zone": "Europe/Berlin", "locale": "de"}
WRONG: list[dict[str, Any]] = [
    {"price": 1},
    {"total": {"amount": 1, "currency": "EUR"}},
    {"currency": "JPY"},
    {"customer": {"name": "Anna Berg"}},
    {"customer": {**ANNA, "email": ""}},
    {"customer": {**ANNA, "email": "anna"}},
    {"customer": {**ANNA, "name": 1}},
    {"lines": None},
    {"lines": []},
    {"lines": [{"slot": LESSON.id, "seats": 0}]},
    {"lines": [{"slot": LESSON.id, "seats": 1, "price": 1}]},
    {"lines": [{"slot": LESSON.id, "seats": "1"}]},
    {"attendees": "Anna"},
]
EUR_0, EUR_45 = {"amount": 0, "currency": "EUR"}, {"amount": 4500, "currency": "EUR"}


@pytest.fixture
def house(till: Till) -> House:
    return till.house


async def check_out(guest: Guest, **changes: Any) -> Answer:
    """The lesson that she holds, unless told otherwise. What is None is not sent."""
    body = {"customer": ANNA, "lines": guest.wanted_hold(LESSON)["lines"], "visitor": guest.visitor, **changes}
    sent = {name: value for name, value in body.items() if value is not None}
    answer = await guest.send("POST", f"/holds/{guest.id}/checkout", sent)
    if answer.status_code == 201:
        guest.order_secret = answer.json()["order_secret"]
    return answer


async def checkout_of(guest: Guest) -> Answer:
    return await guest.send("GET", f"/holds/{guest.id}/checkout")


async def go_back(guest: Guest) -> Answer:
    return await guest.send("DELETE", f"/holds/{guest.id}/checkout")


async def ask(guest: Guest) -> Answer:
    return await guest.send("POST", f"/orders/{guest.id}/payment", secret=guest.order_secret)


async def at_the_page(house: House) -> Guest:
    anna = house.guest()
    await anna.hold(LESSON)
    assert (await check_out(anna)).status_code == 201
    return anna


async def test_a_checkout_opens_a_pay_page_and_keeps_the_seats_for_its_window(till: Till, house: House) -> None:
    anna = house.guest()
    await anna.hold(LESSON)

    answer = await check_out(anna)

    body = answer.json()
    order, payment = body["order"], body["order"]["payment"]
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert (order["id"], order["state"], order["total"]) == (anna.id, "open", EUR_45)
    assert (payment["state"], payment["paid"], payment["refunded"]) == ("open", EUR_0, EUR_0)
    assert [(b["state"], b["access"], b["seats"]) for b in order["bookings"]] == [("confirming", "", 1)]
    assert body["pay_url"] == payment["pay_url"] == till.shop.only_session.url
    assert body["order_url"] == f"{URL}/o/{SITE}/{anna.id}#{body['order_secret']}"
    assert is_id(body["order_secret"])
    hold = (await anna.look()).json()["hold"]
    assert hold["state"] == "paying"
    left = datetime.fromisoformat(hold["expires_at"]) - datetime.fromisoformat(body["server_now"])
    assert PAYMENT_WINDOW - timedelta(minutes=1) < left <= PAYMENT_WINDOW
    assert abs(datetime.fromisoformat(body["pay_until"]) - datetime.fromisoformat(hold["expires_at"])) < MIN_LEFT


async def test_the_same_checkout_again_gets_the_same_page_and_so_does_whoever_lost_the_answer(
    till: Till, house: House
) -> None:
    anna = house.guest()
    await anna.hold(LESSON)
    first = (await check_out(anna)).json()

    again, found = (await check_out(anna)).json(), (await checkout_of(anna)).json()

    assert len(till.shop.account.sessions) == 1
    changing = {"server_now": None}
    assert first | changing == again | changing == found | changing


async def test_what_is_paid_becomes_a_booking_when_its_page_asks(till: Till, house: House) -> None:
    anna = await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)

    answer = await ask(anna)

    order = answer.json()["order"]
    assert (order["state"], order["payment"]["state"], order["payment"]["paid"]) == ("paid", "paid", EUR_45)
    assert order["payment"]["pay_url"] is None
    assert [(b["state"], b["access"] != "") for b in order["bookings"]] == [("confirmed", True)]
    assert (await anna.look()).json()["hold"]["state"] == "confirmed"
    found = (await checkout_of(anna)).json()
    assert (found["order"], found["pay_url"]) == (order, None)
    assert (await anna.order()).json()["order"] == (await ask(anna)).json()["order"] == order
    assert (await check_out(anna)).json()["order"]["state"] == "paid"
    assert till.shop.taken_minor == 4500


async def test_what_its_service_asks_is_answered_before_it_is_paid_and_kept_with_the_booking(
    till: Till, house: House
) -> None:
    mat = Question("mat", "Do you bring a mat?", QuestionKind.YES_NO, is_required=True)
    await house.change_service(replace(PRIVATE, questions=(mat,)))
    anna = house.guest()
    await anna.hold(LESSON)

    assert refused(await check_out(anna), 400, "invalid_request") == {"question": "mat"}
    assert (await anna.look()).json()["hold"]["state"] == "held"
    assert (await check_out(anna, answers=[{"mat": False}])).status_code == 201
    till.shop.books.pay(till.shop.only_session.id)

    (booking,) = (await ask(anna)).json()["order"]["bookings"]
    assert (booking["state"], booking["answers"]) == (
        "confirmed",
        [{"question": "Do you bring a mat?", "answer": False}],
    )


async def test_whoever_goes_back_has_the_seats_and_can_pay_once_more(till: Till, house: House) -> None:
    anna = await at_the_page(house)
    first = till.shop.only_session

    answer = await go_back(anna)

    hold = answer.json()["hold"]
    assert (answer.status_code, hold["state"]) == (200, "held")
    left = datetime.fromisoformat(hold["expires_at"]) - datetime.fromisoformat(answer.json()["server_now"])
    assert left > MIN_LEFT - timedelta(seconds=5)
    assert first.status == "expired"
    assert (await anna.order()).json()["order"]["state"] == "expired"
    assert (await go_back(anna)).json()["hold"] == hold
    again = (await check_out(anna, customer={**ANNA, "name": "Anna Oak"})).json()
    assert again["order"]["customer"]["name"] == "Anna Oak"
    assert again["pay_url"] not in (None, first.url)


async def test_whoever_has_paid_cannot_go_back_and_is_told_to_look_at_the_order(till: Till, house: House) -> None:
    anna = await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)

    refused(await go_back(anna), 409, "paying")

    assert (await checkout_of(anna)).json()["order"]["state"] == "paid"


@pytest.mark.parametrize(("method", "goes_back"), [("card", EUR_0), ("ideal", EUR_45)])
async def test_whoever_has_paid_when_the_seats_were_gone_gets_the_money_back_and_is_told(
    till: Till, house: House, method: str, goes_back: dict[str, Any]
) -> None:
    """A card was only authorised; what was charged at once goes back. There is no other lesson to be had."""
    anna, ben = await at_the_page(house), house.guest()
    session = till.shop.only_session
    await till.offer_only(LESSON)
    site, pin = await house.site(), await house.engine.pinned(await house.site(), anna.id)
    assert pin is not None
    await house.engine.unpin(site, anna.id, fence=pin.fence, release=True)
    await ben.hold((LESSON, PRIVATE.seats_per_booking_max))
    while (await house.guest().hold(LESSON)).status_code == 201:
        pass
    till.shop.books.pay(session.id, method)

    order = (await ask(anna)).json()["order"]

    back = [order["payment"][state]["amount"] for state in ("refunding", "refunded")]
    assert sum(back) == goes_back["amount"]
    assert (order["state"], order["payment"]["paid"], order["payment"]["pay_url"]) == ("voided", EUR_45, None)
    assert [(b["state"], b["access"]) for b in order["bookings"]] == [("cancelled", "")]
    assert (await checkout_of(anna)).json()["order"]["state"] == "voided"
    assert till.shop.taken_minor == 0


async def test_several_lines_are_paid_together_at_the_price_of_each(house: House) -> None:
    anna = house.guest()
    lines = [(LESSON, 1), (slot(PRIVATE, number=1), 1)]
    await anna.hold(*lines)

    answer = await check_out(anna, lines=anna.wanted_hold(*lines)["lines"])

    assert answer.json()["order"]["total"] == {"amount": 9000, "currency": "EUR"}


async def test_a_body_that_is_wrong_or_names_a_price_is_refused(till: Till, house: House) -> None:
    anna = house.guest()
    await anna.hold(LESSON)

    for changes in WRONG:
        refused(await check_out(anna, **changes), 400, "invalid_request")
    refused(await anna.send("POST", f"/holds/{anna.id}/checkout", "no JSON"), 400, "invalid_request")

    assert (await anna.look()).json()["hold"]["state"] == "held"
    assert not till.shop.account.sessions


async def test_other_seats_than_are_held_are_not_paid(house: House) -> None:
    anna = house.guest()
    await anna.hold(LESSON)

    refused(await check_out(anna, lines=anna.wanted_hold(slot(PRIVATE, number=1))["lines"]), 409, "changed")
    refused(await check_out(anna, lines=anna.wanted_hold((LESSON, 2))["lines"]), 409, "changed")

    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_what_is_free_is_confirmed_and_what_has_a_price_is_paid(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold(slot())
    await ben.hold(LESSON)

    refused(await check_out(anna, lines=anna.wanted_hold(slot())["lines"]), 400, "invalid_request")
    refused(await ben.confirm(lines=ben.wanted_hold(LESSON)["lines"]), 400, "invalid_request")

    assert (await anna.look()).json()["hold"]["state"] == (await ben.look()).json()["hold"]["state"] == "held"
    assert (await anna.confirm()).json()["order"]["payment"] is None
    refused(await checkout_of(anna), 404, "not_found")
    refused(await ask(anna), 404, "not_found")


async def test_an_operator_who_would_book_it_for_its_visitor_takes_nothing_away(till: Till, house: House) -> None:
    anna = house.guest()
    await anna.hold(LESSON)
    operations, seen = house.parts.use_cases.operations, [Line(LESSON, 1)]

    with pytest.raises(InvalidRequest):
        await operations.book_hold(
            await house.site(), anna.id, seen, ForCustomer(Customer("Anna", "", "UTC", "en"), ()), operator_id=1
        )

    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_nobody_pays_looks_at_or_leaves_the_checkout_of_somebody_else(till: Till, house: House) -> None:
    anna, ben = await at_the_page(house), house.guest()
    await house.found("other")
    ben.id = anna.id

    refused(await check_out(ben), 403, "not_yours")
    refused(await checkout_of(ben), 404, "not_found")
    refused(await go_back(ben), 403, "not_yours")
    refused(await ask(ben), 404, "not_found")
    elsewhere = Guest(house.client, "other", anna.id, anna.secret, anna.visitor, anna.order_secret)
    for call in (checkout_of, go_back, ask):
        refused(await call(elsewhere), 404, "not_found")
    for path in (f"/holds/{new_id()}/checkout", "/holds/x/checkout", "/holds/%00/checkout"):
        for method in ("GET", "DELETE"):
            refused(await anna.send(method, path), 404, "not_found")
    without = await house.client.post(f"/v1/sites/{SITE}/orders/{anna.id}/payment")
    refused(without, 401, "sign_in_needed")
    assert till.shop.only_session.status == "open"


async def test_too_large_a_body_and_other_methods_are_refused(house: House) -> None:
    anna = await at_the_page(house)

    refused(await anna.send("POST", f"/holds/{anna.id}/checkout", " " * 140_000), 413, "too_large")
    refused(await anna.send("PUT", f"/holds/{anna.id}/checkout", {}), 405, "method_not_allowed")
    refused(await anna.send("GET", f"/orders/{anna.id}/payment"), 405, "method_not_allowed")


async def test_a_hold_that_was_given_back_is_not_paid(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold(LESSON)
    await anna.release()
    await ben.hold(LESSON)

    assert (await check_out(anna)).status_code in (409, 410)


async def test_where_stripe_is_away_the_same_again_goes_on(till: Till, house: House) -> None:
    anna = house.guest()
    await anna.hold(LESSON)
    till.shop.faults.plan("open", "broken")

    answer = await check_out(anna)
    refused(answer, 503, "payments_away")

    assert "retry-after" in answer.headers
    assert (await check_out(anna)).json()["pay_url"] == till.shop.only_session.url


async def test_a_site_without_an_account_says_so_before_anything_is_held(till: Till, house: House) -> None:
    services = await house.client.get(f"/v1/sites/{SITE}/services")
    assert services.json()["site"]["payments"] is True
    await house.found("other")

    services = await house.client.get("/v1/sites/other/services")

    assert services.json()["site"]["payments"] is False
    refused(await house.guest("other").hold(LESSON), 409, "payments_not_set_up")


async def test_from_the_pay_page_customers_come_back_to_their_order(till: Till, house: House) -> None:
    anna = await at_the_page(house)

    session = till.shop.only_session
    assert session.cancel_url is not None
    for url, mark in ((session.success_url, "done"), (session.cancel_url, "back")):
        page, _, code = url.partition("#return=")
        assert page == f"{URL}/o/{SITE}/{anna.id}?lang=de&paying={mark}"
        refused(await replace(anna, order_secret=code).order(), 404, "not_found")  # it is no secret of the order
        answers = [await anna.send("POST", f"/orders/{anna.id}/return", secret=code) for _ in range(2)]
        for answer in answers:
            body = answer.json()
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
            assert (body["order"]["id"], body["order"]["state"]) == (anna.id, "open")
            assert body["order_url"] == f"{URL}/o/{SITE}/{anna.id}#{body['order_secret']}"
            assert (await replace(anna, order_secret=body["order_secret"]).order()).status_code == 200


async def test_only_the_code_of_that_page_is_exchanged_and_for_its_own_order(till: Till, house: House) -> None:
    anna, ben = await at_the_page(house), house.guest()
    code = till.shop.only_session.success_url.partition("#return=")[2]
    await ben.hold(slot(PRIVATE, number=1))
    await check_out(ben, lines=[{"slot": slot(PRIVATE, number=1).id, "seats": 1}])

    async def come_back(order: str, code: str) -> Answer:
        return await anna.send("POST", f"/orders/{order}/return", secret=code)

    refused(await come_back(ben.id, code), 404, "not_found")
    refused(await come_back(new_id(), code), 404, "not_found")
    refused(await come_back("nothing", code), 404, "not_found")
    refused(await come_back(anna.id, anna.order_secret), 404, "not_found")
    refused(await come_back(anna.id, code[:-1]), 401, "sign_in_needed")
    refused(await anna.send("GET", f"/orders/{anna.id}/return", secret=code), 405, "method_not_allowed")


async def test_before_cancelling_an_order_says_how_much_of_it_comes_back(till: Till, house: House) -> None:
    await house.change_service(replace(PRIVATE, refund_percent=33))
    anna = await at_the_page(house)
    assert (await anna.order()).json()["order"]["payment"]["refund_if_cancelled"] == EUR_0
    till.shop.books.pay(till.shop.only_session.id)
    paid = (await ask(anna)).json()["order"]
    await house.change_service(replace(PRIVATE, refund_percent=100))  # it was sold otherwise

    cancelled = (await anna.cancel()).json()["order"]

    assert paid["payment"]["refund_if_cancelled"] == {"amount": 1485, "currency": "EUR"}
    assert cancelled["payment"]["refunding"] == {"amount": 1485, "currency": "EUR"}
    assert cancelled["payment"]["refund_if_cancelled"] == EUR_0


async def test_before_cancelling_one_booking_it_says_how_much_of_it_comes_back(till: Till, house: House) -> None:
    anna, lines = house.guest(), ((LESSON, 2), (slot(PRIVATE, number=1), 1))
    await anna.hold(*lines)
    await check_out(anna, lines=anna.wanted_hold(*lines)["lines"])
    unpaid = (await anna.order()).json()["order"]
    till.shop.books.pay(till.shop.only_session.id)
    paid = (await ask(anna)).json()["order"]

    only = {"slot": LESSON.id}
    cancelled = await anna.send("POST", f"/orders/{anna.id}/cancellation", only, secret=anna.order_secret)

    assert [back_of(order) for order in (unpaid, paid, cancelled.json()["order"])] == [[0, 0], [9000, 4500], [0, 4500]]
    assert cancelled.json()["order"]["payment"]["refunding"]["amount"] == 9000


def back_of(order: dict[str, Any]) -> list[int]:
    return [booking["refund_if_cancelled"]["amount"] for booking in order["bookings"]]


async def test_what_was_paid_and_goes_back_stands_in_the_order(till: Till, house: House) -> None:
    anna = await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)
    await ask(anna)

    cancelled = (await anna.cancel()).json()["order"]["payment"]
    await till.work()

    assert (cancelled["paid"], cancelled["refunding"], cancelled["refunded"]) == (EUR_45, EUR_45, EUR_0)
    order = (await anna.order()).json()["order"]
    assert order["state"] == "refunded"
    assert (order["payment"]["refunding"], order["payment"]["refunded"]) == (EUR_0, EUR_45)


async def test_no_secret_is_logged_however_it_ends(till: Till, house: House) -> None:
    with structlog.testing.capture_logs() as logs:
        anna = await at_the_page(house)
        till.shop.books.pay(till.shop.only_session.id)
        await ask(anna)
        ben = house.guest()
        till.shop.faults.plan("open", "broken")
        await ben.hold(slot(PRIVATE, number=1))
        await check_out(ben, lines=ben.wanted_hold(slot(PRIVATE, number=1))["lines"])

    told = str(logs)
    assert "attempt_moved" in told
    for secret in (anna.secret, anna.order_secret, ben.secret, "anna@example.org", till.shop.keys.secret_key):
        assert secret not in told


assert PRIVATE.price == Money(4500, "EUR"), "these figures are of that price"
