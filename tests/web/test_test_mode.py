"""In test mode everything happens as in real life, and everybody is told that nothing is meant."""

from collections.abc import AsyncIterator

import pytest

from tests.house import House, slot
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from tests.web.test_admin_bookings import book, names, order_path, table
from widget_server.domain.audit_log import Deed

pytestmark = pytest.mark.anyio

RIBBON = "Test mode: bookings are not real."
MARK = '<span class="badge warn">Test</span>'


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def test_an_operator_turns_it_on_and_every_page_of_theirs_says_so(house: House, desk: Desk) -> None:
    assert RIBBON not in (await desk.get("/settings")).text
    form = fields_of(await desk.get("/settings"))
    assert "is_test" not in form, "new sites are live"

    await desk.post("/settings", **form, is_test="on")

    assert (await house.site()).is_test
    for page in ("", "/bookings", "/settings", "/services"):
        assert f'<aside class="ribbon" aria-label="Test mode"><strong>{RIBBON}' in (await desk.get(page)).text
    (entry,) = await desk.entries()
    assert (entry.deed, entry.detail) == (Deed.SETTINGS_CHANGED, {"is_test": [False, True]})


async def test_what_is_booked_in_test_mode_takes_seats_and_stays_marked(house: House, desk: Desk) -> None:
    await house.change_settings(is_test=True)
    await book(house, "Anna Berg")
    await house.change_settings(is_test=False)
    await book(house, "Ben Oak", slot(day=1))

    page = await desk.get("/bookings?sort=soonest")

    assert names(page) == ["Anna Berg", "Ben Oak"]
    assert page.text.count(MARK) == 1
    assert page.text.index("Anna Berg") < page.text.index(MARK) < page.text.index("Ben Oak")
    assert MARK in (await desk.get(f"/meetings/{slot().id}")).text
    assert MARK not in (await desk.get(f"/meetings/{slot(day=1).id}")).text
    assert (await desk.get("/attendees")).text.count(MARK) == 1
    assert MARK not in (await desk.get(await order_path(desk))).text, "the newest order is real"
    assert (await house.seats()).booked == await house.booked_in_sql() == 1


async def test_files_and_the_first_page_are_without_what_is_not_meant(house: House, desk: Desk) -> None:
    await house.change_settings(is_test=True)
    await book(house, "Anna Berg")
    await house.change_settings(is_test=False)
    await book(house, "Ben Oak")

    for page in ("/bookings.csv", "/attendees.csv"):
        _, *rows = table(await desk.get(page))
        assert len(rows) == 1
        assert "Ben Oak" in rows[0]
    today = (await desk.get("")).text
    assert "Ben Oak" in today
    assert "Anna Berg" not in today


async def test_the_first_page_has_test_bookings_marked_while_the_site_is_in_test_mode(house: House, desk: Desk) -> None:
    await house.change_settings(is_test=True)
    await book(house, "Anna Berg")

    today = (await desk.get("")).text

    assert RIBBON in today
    assert today.index("Anna Berg") < today.index(MARK)


async def test_the_api_says_it_of_the_site_and_of_each_order(house: House) -> None:
    assert (await house.client.get("/v1/sites/studio/services")).json()["site"]["test"] is False
    await house.change_settings(is_test=True)
    guest = house.guest()
    await guest.hold()

    answer = await guest.confirm()
    await house.change_settings(is_test=False)

    assert answer.json()["order"]["test"] is True
    order = await guest.send("GET", f"/orders/{guest.id}", secret=guest.order_secret)
    assert order.json()["order"]["test"] is True
    other = house.guest()
    await other.hold()
    assert (await other.confirm()).json()["order"]["test"] is False


async def test_test_bookings_are_cancelled_together_and_no_others(house: House, desk: Desk) -> None:
    await book(house, "Ben Oak")
    await house.change_settings(is_test=True)
    await book(house, "Anna Berg", (slot(), 2), slot(day=1))
    assert (await house.seats()).booked == 3

    for told in ("Cancelled: 2 test bookings.", "There is no test booking left to cancel."):
        answer = await desk.post("/test-bookings/cancellation")
        assert answer.status_code == 303
        assert told in (await desk.client.get(answer.headers["location"])).text

    assert (await house.seats()).booked == await house.booked_in_sql() == 1
    assert await house.booked_in_sql(slot(day=1)) == 0
    assert names(await desk.get("/bookings?state=confirmed")) == ["Ben Oak"]
    assert [entry.deed for entry in await desk.entries()] == [Deed.BOOKING_CANCELLED] * 2


async def test_test_bookings_are_not_cancelled_without_the_token_nor_at_another_site(house: House, desk: Desk) -> None:
    await house.found("other")
    await house.change_settings(is_test=True)
    await book(house, "Anna Berg")

    assert (await desk.post("/test-bookings/cancellation", form_token="")).status_code == 403
    async with desk_in(house, "other") as elsewhere:
        await elsewhere.post("/test-bookings/cancellation")

    assert await house.booked_in_sql() == 1
