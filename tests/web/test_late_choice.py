"""Choosing over HTTP what is held for whoever has paid too late, and all that is refused there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response as Answer

from tests.engine.servers import Valkey
from tests.house import PRIVATE, Guest, refused, slot
from tests.payments.shop import opened_shop
from tests.use_cases.till import LESSON, Payer, Till, opened_till
from widget_server.domain.alternatives import OFFERED_FOR
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio


@pytest.fixture
async def till(empty_valkey: Valkey, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Till]:
    async with opened_shop() as shop, opened_till(empty_valkey.url, sqlite_template, tmp_path, shop) as till:
        yield till


@pytest.fixture
async def anna(till: Till) -> Guest:
    """She has paid for seats that others have by now."""
    payer = Payer()
    till.shop.books.pay(await till.at_the_page(payer))
    await till.lose_seats(payer, LESSON)
    await till.settle(payer)
    return Guest(till.house.client, id=payer.id, secret=payer.secret, order_secret=payer.order_secret)


async def choose(guest: Guest, body: Any) -> Answer:
    return await guest.send("POST", f"/orders/{guest.id}/choice", body, secret=guest.order_secret)


async def test_what_is_held_stands_in_the_order_and_one_call_takes_it(till: Till, anna: Guest) -> None:
    order = (await anna.order()).json()["order"]
    assert (order["state"], order["payment"]["state"], order["payment"]["pay_url"]) == ("open", "offering", None)
    assert order["payment"]["paid"] == {"amount": 4500, "currency": "EUR"}
    offered = order["payment"]["offered"]
    assert [[time["slot"] for time in each["times"]] for each in offered] == [
        [slot(PRIVATE, number=number).id] for number in (1, 2, 3)
    ]
    assert (await anna.order()).json()["order"] == order  # to look changes nothing

    answers = [await choose(anna, {"alternative": offered[1]["id"]}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    for answer in answers:
        booked = answer.json()["order"]
        assert (booked["id"], booked["number"], booked["state"]) == (anna.id, order["number"], "paid")
        assert [one["slot"] for one in booked["bookings"]] == [slot(PRIVATE, number=2).id]
        assert (booked["payment"]["offered"], booked["payment"]["offered_until"]) == ([], None)
    refused(await choose(anna, {"alternative": offered[0]["id"]}), 409, "changed")
    refused(await choose(anna, {"alternative": None}), 409, "changed")
    assert (await anna.cancel()).status_code == 200


async def test_who_wants_none_of_them_says_so(till: Till, anna: Guest) -> None:
    for _ in range(2):
        order = (await choose(anna, {"alternative": None})).json()["order"]
        assert (order["state"], order["payment"]["state"]) == ("voided", "ended")
    refused(await choose(anna, {"alternative": new_id()}), 409, "too_late")
    assert till.shop.taken_minor == 0


async def test_what_cannot_be_chosen_is_refused(till: Till, anna: Guest) -> None:
    for wrong in (None, "", "[]", "{}", {"alternative": 1}, {"alternative": "x"}, {"alternative": None, "price": 0}):
        refused(await choose(anna, wrong), 400, "invalid_request")
    refused(await choose(anna, {"alternative": "x" * 20_000}), 413, "too_large")
    refused(await choose(anna, {"alternative": new_id()}), 409, "slot_full")
    refused(await choose(Guest(anna.client, id=anna.id), {"alternative": None}), 404, "not_found")
    refused(await choose(Guest(anna.client, id=new_id()), {"alternative": None}), 404, "not_found")
    refused(await choose(Guest(anna.client, id="x"), {"alternative": None}), 404, "not_found")
    ben = Payer(name="Ben Oak")
    await till.paid(ben, (slot(PRIVATE, day=1), 1))
    paid = Guest(anna.client, id=ben.id, order_secret=ben.order_secret)
    refused(await choose(paid, {"alternative": None}), 409, "too_late")
    refused(await choose(paid, {"alternative": new_id()}), 409, "too_late")
    assert len((await anna.order()).json()["order"]["payment"]["offered"]) == 3


async def test_once_the_time_is_over_nothing_can_be_chosen(till: Till, anna: Guest) -> None:
    offered = (await anna.order()).json()["order"]["payment"]["offered"]
    await till.later(OFFERED_FOR)

    refused(await choose(anna, {"alternative": offered[0]["id"]}), 409, "too_late")
    order = (await anna.order()).json()["order"]
    assert (order["state"], order["payment"]["offered"]) == ("voided", [])
