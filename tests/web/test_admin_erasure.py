"""Erasing personal data from the page of an order: once nobody is to come, after a second look, and for good."""

from collections.abc import AsyncIterator

import pytest

from tests.house import Guest, House
from tests.web.desks import Desk, desk_in
from tests.web.teams import desk_of_staff, hire
from tests.web.test_admin_bookings import table
from widget_server.domain.audit_log import Deed

pytestmark = pytest.mark.anyio

ANNA = {"name": "Anna Berg", "email": "anna@example.org", "zone": "UTC", "locale": "en-GB"}
PAGES = ("/bookings", "/bookings.csv", "/attendees", "/attendees.csv", "/messages", "/audit-log", "")


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def booked(house: House) -> Guest:
    anna = house.guest()
    await anna.hold()
    assert (await anna.confirm(customer=ANNA, attendees=[["Cleo Ek"]])).status_code == 201
    while await house.parts.posting.post():
        pass
    return anna


async def cancelled(house: House) -> Guest:
    anna = await booked(house)
    assert (await anna.send("POST", f"/orders/{anna.id}/cancellation", secret=anna.order_secret)).status_code == 200
    while await house.parts.posting.post():
        pass
    return anna


async def test_an_owner_erases_who_it_was_and_the_booking_stays(house: House, desk: Desk) -> None:
    anna = await cancelled(house)
    before = (await desk.get(f"/orders/{anna.id}")).text
    assert "Yes, erase it" in before

    answer = await desk.post(f"/orders/{anna.id}/erasure")

    order = await desk.client.get(answer.headers["location"])
    assert (answer.status_code, order.status_code) == (303, 200)
    assert "Personal data was erased on" in order.text
    assert "Yes, erase it" not in order.text
    assert table(await desk.get("/bookings.csv"))[1][7:9] == ["erased", ""]
    pages = [order.text, *[(await desk.get(page)).text for page in PAGES]]
    assert [word for word in ("Anna", "anna@", "Cleo") if any(word in page for page in pages)] == []
    assert "Morning yoga" in order.text
    assert [entry.deed for entry in await desk.entries()] == [Deed.PERSONAL_DATA_ERASED]


async def test_erasing_twice_is_noted_once(house: House, desk: Desk) -> None:
    anna = await cancelled(house)

    for _ in range(2):
        answer = await desk.post(f"/orders/{anna.id}/erasure")
        assert answer.headers["location"].endswith("?done=erased")

    assert len(await desk.entries()) == 1


async def test_while_somebody_is_to_come_nothing_is_erased(house: House, desk: Desk) -> None:
    anna = await booked(house)

    page = await desk.get(f"/orders/{anna.id}")
    answer = await desk.post(f"/orders/{anna.id}/erasure")

    assert "erasure" not in page.text.replace("erasure-title", "")
    assert "once no booking of this order is to come any more" in page.text
    assert answer.status_code == 409
    assert "still to come: cancel it first, or wait until it is over" in answer.text
    assert "Anna Berg" in answer.text
    assert await desk.entries() == []


async def test_the_customers_link_shows_the_booking_without_names(house: House, desk: Desk) -> None:
    anna = await cancelled(house)
    before = (await anna.order()).json()["order"]

    await desk.post(f"/orders/{anna.id}/erasure")

    order = (await anna.order()).json()["order"]
    assert before["erased_at"] is None
    assert order["erased_at"] is not None
    assert order["customer"] == {"name": "", "email": ""}
    changed = {"customer", "erased_at"}
    assert {key: order[key] for key in order.keys() - changed} == {key: before[key] for key in before.keys() - changed}


async def test_the_confirmation_sent_again_brings_nothing_back(house: House, desk: Desk) -> None:
    anna = await cancelled(house)
    await desk.post(f"/orders/{anna.id}/erasure")

    again = await anna.confirm(customer=ANNA, attendees=[["Cleo Ek"]])

    assert (again.status_code, again.json()["error"]["code"]) == (409, "id_conflict")
    assert (await anna.order()).json()["order"]["customer"]["name"] == ""


async def test_only_owners_of_the_site_erase_and_only_what_is_there(house: House, desk: Desk) -> None:
    anna = await cancelled(house)
    await hire(house)
    await house.found("other")

    async with desk_of_staff(desk) as mia, desk_in(house, "other") as elsewhere:
        for who, order in ((mia, anna.id), (elsewhere, anna.id), (desk, "A" * 22), (desk, "nonsense")):
            assert (await who.post(f"/orders/{order}/erasure")).status_code == 404
    assert (await desk.post(f"/orders/{anna.id}/erasure", form_token="")).status_code == 403
    assert (await anna.order()).json()["order"]["customer"]["name"] == "Anna Berg"
