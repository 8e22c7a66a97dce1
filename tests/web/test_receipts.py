"""Receipts: what was sold, for how much, by whom; for whoever has the order's secret, once it was sold."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from httpx2 import Response as Answer

from tests.house import PRIVATE, SITE, Guest, House, refused, slot
from tests.use_cases.till import LESSON, Till
from tests.web.desks import desk_in
from tests.web.rooms import fields_of
from tests.web.test_coupons import GIFT, TENTH, held, make, send
from widget_server.domain.messages import Role
from widget_server.ids import new_id
from widget_server.store.attempts import Attempts
from widget_server.store.messages import Messages

pytestmark = pytest.mark.anyio

SELLER, TAX = "Elm Street 12\nBerlin", "Includes 19 % VAT"


@pytest.fixture
def house(till: Till) -> House:
    return till.house


async def receipt_of(guest: Guest) -> Answer:
    return await guest.send("GET", f"/orders/{guest.id}/receipt", secret=guest.order_secret)


async def paid(till: Till, code: str | None = None) -> Guest:
    """Two seats of a lesson."""
    anna = await held(till.house, (LESSON, 2))
    await send(anna, "checkout", code, (LESSON, 2))
    till.shop.books.pay(till.shop.only_session.id)
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)
    return anna


def eur(amount: int) -> dict[str, object]:
    return {"amount": amount, "currency": "EUR"}


async def test_it_says_what_was_sold_by_whom_and_what_was_paid(till: Till, house: House) -> None:
    await house.change_settings(receipt_seller=SELLER, receipt_tax=TAX)
    await make(house, TENTH)
    anna = await paid(till, "tenth")

    answer = await receipt_of(anna)

    receipt = answer.json()["receipt"]
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    number = (await anna.order()).json()["order"]["number"]
    assert (receipt["number"], receipt["receipt_number"]) == (number, f"{number}-1")
    assert receipt["seller"] == {"name": "The studio", "about": SELLER}
    assert receipt["customer"] == {"name": "Anna Berg", "email": "anna@example.org"}
    (line,) = receipt["lines"]
    assert (line["service_name"], line["seats"]) == ("Private lesson", 2)
    assert (line["unit_price"], line["price"]) == (eur(4500), eur(9000))
    assert receipt["coupon"] == {"code": "Tenth", "discount": eur(900)}
    assert (receipt["total"], receipt["paid"], receipt["tax"]) == (eur(8100), eur(8100), TAX)
    assert (receipt["paid_by"], receipt["refunds"], receipt["test"]) == ("Visa •••• 4242", [], False)


async def test_how_it_was_paid_stands_on_the_page_of_operators_too_until_it_is_erased(till: Till, house: House) -> None:
    anna = await paid(till)
    async with desk_in(house) as desk:
        before = (await desk.get(f"/orders/{anna.id}")).text

        async with house.parts.database.transaction() as session:
            await Attempts.erase(session, (await house.site()).id, anna.id)
        assert "Visa •••• 4242" in before
        assert "Visa ••••" not in (await desk.get(f"/orders/{anna.id}")).text
    assert (await receipt_of(anna)).json()["receipt"]["paid_by"] is None


async def test_what_goes_back_stands_on_it(till: Till, house: House) -> None:
    anna = await paid(till)
    await anna.cancel()
    waiting = (await receipt_of(anna)).json()["receipt"]
    await till.work()

    after = (await receipt_of(anna)).json()["receipt"]
    assert [(one["amount"], one["state"]) for one in waiting["refunds"]] == [(eur(9000), "waiting")]
    assert waiting["receipt_number"] == after["receipt_number"] == f"{waiting['number']}-2"
    assert [(one["amount"], one["state"]) for one in after["refunds"]] == [(eur(9000), "done")]
    assert [line["state"] for line in after["lines"]] == ["cancelled"]


async def test_no_two_that_say_something_else_have_one_number(till: Till) -> None:
    anna = await paid(till)
    await anna.reschedule((slot(PRIVATE, day=1), 2))
    moved = (await receipt_of(anna)).json()["receipt"]
    dispute = till.shop.books.dispute(till.shop.only_session.id)
    await anna.cancel()
    waiting = (await receipt_of(anna)).json()["receipt"]
    await till.work()
    kept = (await receipt_of(anna)).json()["receipt"]
    till.shop.books.close_dispute(dispute.id, is_won=False)
    for letter in till.shop.letters():
        await till.settling.heard(SITE, letter.body, letter.signature)

    lost = (await receipt_of(anna)).json()["receipt"]
    told = [[len(one["refunds"]), one["disputed"]] for one in (moved, waiting, kept, lost)]
    assert told == [[0, eur(0)], [1, eur(0)], [0, eur(0)], [0, eur(9000)]]
    numbers = [one["receipt_number"] for one in (moved, waiting, kept, lost)]
    assert numbers == [f"{lost['number']}-{place}" for place in (2, 3, 4, 5)]


async def test_what_a_code_made_free_has_one_too(till: Till, house: House) -> None:
    await make(house, GIFT)
    anna = await held(house)
    await send(anna, "confirmation", "gift")

    receipt = (await receipt_of(anna)).json()["receipt"]
    assert (receipt["total"], receipt["coupon"]["discount"]) == (eur(0), eur(4500))


async def test_before_it_is_paid_and_for_everybody_else_there_is_none(till: Till, house: House) -> None:
    anna = await held(house)
    await send(anna, "checkout", None)
    refused(await receipt_of(anna), 404, "not_found")
    till.shop.books.pay(till.shop.only_session.id)
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)
    await house.found("other")

    refused(await receipt_of(replace(anna, order_secret=new_id())), 404, "not_found")
    refused(await receipt_of(replace(anna, site="other")), 404, "not_found")
    refused(await receipt_of(replace(anna, id=new_id())), 404, "not_found")
    refused(await anna.send("POST", f"/orders/{anna.id}/receipt", secret=anna.order_secret), 405, "method_not_allowed")
    unsigned = await house.client.get(f"/v1/sites/{SITE}/orders/{anna.id}/receipt")
    refused(unsigned, 401, "sign_in_needed")
    assert (await receipt_of(anna)).status_code == 200


async def test_its_page_holds_nothing_of_the_order(till: Till, house: House) -> None:
    anna = await paid(till)

    page = await house.client.get(f"/o/{SITE}/{anna.id}/receipt")

    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert not re.search("Anna|anna@|9000|Private", page.text)
    assert (await house.client.get(f"/o/nowhere/{anna.id}/receipt")).status_code == 404


async def test_owners_say_in_the_settings_what_stands_on_it(house: House) -> None:
    async with desk_in(house) as desk:
        form = fields_of(await desk.get("/settings")) | {"receipt_seller": SELLER, "receipt_tax": TAX}
        assert (await desk.post("/settings", **form)).status_code == 303
        site = await house.site()
        assert (site.receipt_seller, site.receipt_tax) == (SELLER, TAX)
        assert fields_of(await desk.get("/settings"))["receipt_seller"] == SELLER

        for name, length in (("receipt_seller", 501), ("receipt_tax", 201)):
            typed = fields_of(await desk.get("/settings")) | {name: "x" * length}
            answer = await desk.post("/settings", **typed)
            assert answer.status_code == 422
            assert fields_of(answer)[name] == "x" * length


async def test_the_mail_says_what_was_paid_and_leads_to_it(till: Till, house: House) -> None:
    await make(house, TENTH)
    anna = await paid(till, "tenth")
    while await house.parts.posting.post():
        pass

    async with desk_in(house) as desk:
        page = (await desk.get("/messages")).text
        numbers = sorted({int(number) for number in re.findall(r"/messages/(\d+)", page)})
        bodies = [(await desk.get(f"/messages/{number}/body")).text for number in numbers]
    (mail,) = [body for body in bodies if "/receipt#" in body]
    assert "81,00 €" in mail
    assert "Gutschein Tenth: 9,00 € Nachlass" in mail
    (link,) = re.findall(r'href="([^"]+/receipt#[^"]+)"', mail)
    assert urlsplit(link).path == f"/o/{SITE}/{anna.id}/receipt"
    assert (await receipt_of(replace(anna, order_secret=urlsplit(link).fragment))).status_code == 200


async def test_whoever_comes_to_what_was_paid_hears_of_it_once_it_is_paid(till: Till, house: House) -> None:
    await house.change_service(replace(PRIVATE, attendee_emails=True))
    anna = await held(house, (LESSON, 2))
    await send(anna, "checkout", None, (LESSON, 2), attendee_emails=[["", "cleo@example.org"]])
    assert await coming(house) == []

    till.shop.books.pay(till.shop.only_session.id)
    await anna.send("POST", f"/orders/{anna.id}/payment", secret=anna.order_secret)

    (mail,) = await coming(house)
    assert "Anna hat bei The studio einen Platz für Sie gebucht." in mail
    assert not re.search("45,00|90,00|/receipt", mail), "what it cost is for who has paid"


async def coming(house: House) -> list[str]:
    """What those who come are written."""
    while await house.parts.posting.post():
        pass
    kept = await Messages(house.parts.database).listed((await house.site()).id, limit=100)
    return [one.mail.plain for one in kept if one.role is Role.ATTENDEE and one.mail]
