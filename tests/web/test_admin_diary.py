"""Staff see whom they serve, and enter their own shifts where the site allows it; owners see every diary."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from httpx2 import Response as Answer

from tests.house import House, slot
from tests.store.studio import YOGA
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from tests.web.teams import desk_of_staff, hire
from tests.web.test_admin_bookings import book
from tests.web.test_admin_people import said
from widget_server.domain.audit_log import Deed
from widget_server.domain.schedule import CapacityRule
from widget_server.domain.staffing import DayOff

pytestmark = pytest.mark.anyio

DAY = slot().starts_at.date()


@pytest.fixture
async def desks(house: House) -> AsyncIterator[tuple[Desk, Desk, Desk]]:
    """The owner's, and those of Mia and Noah. Yoga goes by shift: one seat for each of them."""
    async with AsyncExitStack() as open_desks:
        owner = await open_desks.enter_async_context(desk_in(house))
        await hire(house)
        await house.change_service(replace(YOGA, capacity_rule=CapacityRule.BY_SHIFT, capacity=1))
        mia = await open_desks.enter_async_context(desk_of_staff(owner))
        noah = await open_desks.enter_async_context(desk_of_staff(owner, "noah@example.org", "noah"))
        yield owner, mia, noah


async def diary(desk: Desk, week: str = str(DAY), **more: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in {"week": week, **more}.items())
    answer = await desk.get(f"/diary?{query}")
    assert answer.status_code == 200, answer.text
    return said(answer).replace("\N{EN DASH}", "-")


async def diaries(*desks: Desk) -> list[str]:
    return [await diary(desk) for desk in desks]


async def test_everybody_sees_whom_they_serve_and_nobody_else(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    owner, mia, noah = desks
    await book(house, "Anna Berg", email="anna@example.org")
    await book(house, "Ben Oak")

    theirs = await diaries(mia, noah)

    for page in theirs:
        assert ("Anna, 1 seat" in page) != ("Ben, 1 seat" in page)
        assert "08:00-09:00 Morning yoga" in page
        assert "Shift 08:00-12:00" in page
        assert "anna@example.org" not in page
        assert "Berg" not in page
    assert ("Anna, 1 seat" in theirs[0]) != ("Anna, 1 seat" in theirs[1])
    for key, page in (("mia", theirs[0]), ("noah", theirs[1])):
        assert ("Anna, 1 seat" in await diary(owner, staff=key)) == ("Anna, 1 seat" in page)
    assert (await diary(mia, staff="noah")) == theirs[0], "whatever she asks for, it is hers"


async def test_a_cancelled_booking_leaves_the_diary(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    _, mia, noah = desks
    guest = house.guest()
    await guest.hold()
    await guest.confirm()
    assert sum("Anna, 1 seat" in page for page in await diaries(mia, noah)) == 1

    await guest.cancel()

    assert sum("Anna, 1 seat" in page for page in await diaries(mia, noah)) == 0


async def test_what_was_booked_in_test_mode_stands_there_and_says_so(
    house: House, desks: tuple[Desk, Desk, Desk]
) -> None:
    _, mia, noah = desks
    await house.change_settings(is_test=True)
    await book(house, "Anna Berg")

    theirs = [page for page in await diaries(mia, noah) if "Anna, 1 seat" in page]

    assert len(theirs) == 1
    assert "Anna, 1 seat Test" in theirs[0]


@pytest.mark.parametrize("week", ["", "soon", "2026-13-01", "0001-01-01", "9999-12-31", "1' OR 1"])
async def test_a_week_that_makes_no_sense_is_this_one(desks: tuple[Desk, Desk, Desk], week: str) -> None:
    _, mia, _ = desks

    assert "Today" in await diary(mia, week)


@pytest.mark.parametrize(("locale", "begins"), [("de", "Mon 23 Nov 2026"), ("en-US", "Sun 22 Nov 2026")])
async def test_a_week_begins_as_the_sites_readers_know_it(
    house: House, desks: tuple[Desk, Desk, Desk], locale: str, begins: str
) -> None:
    _, mia, _ = desks
    await house.change_settings(locale=locale)

    page = await diary(mia, "2026-11-24")

    assert f"Your diary {begins} - " in page


async def test_an_owner_looks_at_nobody_elses_diary(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    owner, _, _ = desks

    for staff in ("", "nobody", "x" * 500):
        assert (await owner.get(f"/diary?staff={staff}")).status_code == 404


async def test_shifts_are_entered_where_the_site_allows_it(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    owner, mia, _ = desks
    assert (await mia.get("/shifts")).status_code == 404
    assert 'href="/admin/sites/studio/shifts"' not in (await mia.get("/diary")).text
    await house.change_settings(staff_enter_shifts=True)
    assert 'href="/admin/sites/studio/shifts"' in (await mia.get("/diary")).text
    assert (await owner.get("/shifts")).status_code == 404, "owners have the page of each member"

    typed = {"d-0-day": str(DAY), "d-0-starts": "14:00", "d-0-ends": "16:00", "off-0-day": str(DAY + timedelta(days=7))}
    answer = await send(mia, fields_of(await mia.get("/shifts")) | typed)

    assert answer.headers["location"] == mia.path("/shifts?saved=1"), said(answer)
    schedule = (await house.parts.use_cases.sites.read(await house.site()))[1]
    mias = [shift for shift in schedule.shifts if shift.staff == "mia"]
    assert len(mias) == 8
    assert [(shift.day, shift.starts.hour) for shift in mias if shift.day] == [(DAY, 14)]
    assert [replace(off, id=None) for off in schedule.days_off] == [DayOff("mia", DAY + timedelta(days=7))]
    assert "Shift 14:00-16:00" in await diary(mia)
    assert "Day off" in await diary(mia, str(DAY + timedelta(days=7)))
    newest, *_ = await owner.entries()
    assert (newest.deed, newest.operator) == (Deed.STAFF_CHANGED, mia.operator.email)


async def test_who_they_are_is_the_owners_to_say(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    _, mia, _ = desks
    await house.change_settings(staff_enter_shifts=True)
    sent = {
        "name": "Queen Mia",
        "email": "queen@example.org",
        "is_active": "",
        "serves-private": "on",
        "serves-yoga": "",
    }

    await send(mia, fields_of(await mia.get("/shifts")) | sent | {"w-0-gone": "on", "choice": "keep"})

    schedule = (await house.parts.use_cases.sites.read(await house.site()))[1]
    assert schedule.staff["mia"].name == "Mia Lind"
    assert schedule.staff["mia"].services == {"yoga"}
    assert schedule.staff["mia"].is_active
    assert schedule.staff["mia"].email is None
    assert len([shift for shift in schedule.shifts if shift.staff == "mia"]) == 6


async def test_what_is_taken_is_shown_without_who_has_booked_it(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    _, mia, _ = desks
    await house.change_settings(staff_enter_shifts=True)
    for name in ("Anna Berg", "Ben Oak"):
        await book(house, name, email="secret@example.org")
    off = {"off-0-day": str(DAY)}

    refused = await send(mia, fields_of(await mia.get("/shifts")) | off)
    cancelling = await send(mia, fields_of(refused) | off | {"choice": "cancel"})

    for answer in (refused, cancelling):
        assert answer.status_code == 422
        page = said(answer)
        assert "Before this is saved" in page
        assert "Morning yoga" in page
        assert "Cancel them" not in page
        assert not any(secret in page for secret in ("Anna", "Ben", "Berg", "secret@example.org"))
        assert fields_of(answer)["off-0-day"] == str(DAY)
    assert await house.booked_in_sql() == 2
    kept = await send(mia, fields_of(cancelling) | off | {"choice": "keep"})
    assert kept.headers["location"] == mia.path("/shifts?saved=1")
    assert await house.booked_in_sql() == 2


async def test_who_has_left_enters_no_shifts(house: House, desks: tuple[Desk, Desk, Desk]) -> None:
    owner, mia, _ = desks
    await house.change_settings(staff_enter_shifts=True)
    fields = fields_of(await mia.get("/shifts"))
    left = fields_of(await owner.get("/staff/mia"))
    left.pop("is_active", None)
    await owner.post("/staff/mia", **left)

    assert (await send(mia, fields)).status_code == 404
    assert "Your diary" in await diary(mia)


async def send(desk: Desk, fields: dict[str, str]) -> Answer:
    """The shifts as they stand in the form."""
    return await desk.client.post(desk.path("/shifts"), data=fields, headers={"sec-fetch-site": "same-origin"})
