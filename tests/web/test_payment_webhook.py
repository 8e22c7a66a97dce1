"""What Stripe tells over HTTP: believed if it is signed, done once, and asked for again where nobody could look."""

import time

import pytest
from httpx2 import Response as Answer

from tests.house import SITE, House, refused
from tests.use_cases.till import Till
from tests.web.test_checkout import at_the_page

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(till: Till) -> House:
    return till.house


async def told(house: House, body: bytes, signature: str | None, site: str = SITE) -> Answer:
    headers = {b"stripe-signature": signature.encode()} if signature else {}
    return await house.client.post(f"/stripe/webhook/{site}", content=body, headers=headers)


async def test_what_stripe_tells_is_done_and_doubled_late_or_out_of_order_it_is_the_same(
    till: Till, house: House
) -> None:
    anna = await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)
    letters = till.shop.letters()

    for letter in (*reversed(letters), *letters):
        answer = await told(house, letter.body, letter.signature)
        assert (answer.status_code, answer.content) == (204, b"")

    assert (await anna.order()).json()["order"]["state"] == "paid"
    assert till.shop.taken_minor == 4500


async def test_what_is_not_signed_or_signed_by_somebody_else_is_refused(till: Till, house: House) -> None:
    anna = await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)
    (letter, *_) = till.shop.letters()

    for body, signature in (
        (letter.body, None),
        (letter.body, "t=1,v1=00"),
        (letter.body, f"t={int(time.time())},v1=é"),
        (letter.body + b" ", letter.signature),
        (b"{}", letter.signature),
    ):
        refused(await told(house, body, signature), 400, "bad_signature")

    assert (await anna.order()).json()["order"]["state"] == "open"


async def test_unknown_sites_too_large_events_and_other_methods_are_refused(till: Till, house: House) -> None:
    await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)
    (letter, *_) = till.shop.letters()

    refused(await told(house, letter.body, letter.signature, site="nowhere"), 404, "not_found")
    refused(await told(house, b" " * 300_000, letter.signature), 413, "too_large")
    refused(await house.client.get(f"/stripe/webhook/{SITE}"), 405, "method_not_allowed")


async def test_while_stripe_cannot_be_asked_it_is_to_tell_again(till: Till, house: House) -> None:
    anna = await at_the_page(house)
    till.shop.books.pay(till.shop.only_session.id)
    (letter, *_) = till.shop.letters()
    till.shop.faults.plan("read", "broken")

    refused(await told(house, letter.body, letter.signature), 503, "payments_away")
    assert (await told(house, letter.body, letter.signature)).status_code == 204

    assert (await anna.order()).json()["order"]["state"] == "paid"
