"""Operators see who serves a booking wherever it stands, and find the bookings of a person."""

from collections.abc import AsyncIterator

import pytest

from tests.house import House, slot
from tests.store.studio import TALK
from tests.use_cases.test_assignments import hire
from tests.web.desks import Desk, desk_in
from tests.web.test_admin_bookings import book, booking_of, names, order_path, table

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def test_who_serves_a_booking_stands_on_every_page_about_it(house: House, desk: Desk) -> None:
    await hire(house, "pia")
    await book(house, "Anna Berg")

    assert "<div><dt>Served by</dt><dd>Pia</dd></div>" in (await desk.get(await order_path(desk))).text
    assert "Served by Pia" in (await desk.get(f"/meetings/{slot().id}")).text
    for page in ("/bookings", "/attendees", ""):
        assert "with Pia" in (await desk.get(page)).text


async def test_of_several_who_serve_a_meeting_each_booking_has_its_own(house: House, desk: Desk) -> None:
    await hire(house, "pia", "quinn")
    for name in ("Anna Berg", "Ben Oak"):
        await book(house, name, (slot(), 3))

    text = (await desk.get(f"/meetings/{slot().id}")).text

    assert text.count("Served by Pia</div>") == text.count("Served by Quinn</div>") == 1


async def test_bookings_and_attendees_are_found_by_who_serves_them(house: House, desk: Desk) -> None:
    await hire(house, "pia")
    await book(house, "Anna Berg")
    await hire(house, "quinn")
    await book(house, "Ben Oak", slot(TALK, day=1))

    for page in ("/bookings", "/attendees"):
        assert names(await desk.get(f"{page}?staff=pia")) == ["Anna Berg"]
        assert names(await desk.get(f"{page}?staff=quinn")) == ["Ben Oak"]
        assert names(await desk.get(f"{page}?staff=nobody")) == []
    assert '<option value="quinn" selected>Quinn</option>' in (await desk.get("/bookings?staff=quinn")).text


async def test_files_say_who_serves(house: House, desk: Desk) -> None:
    await hire(house, "pia")
    await book(house, "Anna Berg")

    for page in ("/bookings.csv", "/attendees.csv"):
        head, row = table(await desk.get(page))
        assert row[head.index("Served by")] == "Pia"


async def test_nobody_serves_what_is_cancelled_or_needs_nobody(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg")
    assert "Served by" not in (await desk.get("/bookings")).text
    await hire(house, "pia")
    await book(house, "Ben Oak", slot(day=1))

    await desk.post(await booking_of(desk, await order_path(desk)))

    assert names(await desk.get("/bookings?staff=pia")) == []
    assert "Served by" not in (await desk.get(f"/meetings/{slot(day=1).id}")).text
