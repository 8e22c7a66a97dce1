"""Bookings in calendar programs: an address of one's own, which shows what its member may see, and nothing else."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from httpx2 import Response as Answer
from icalendar import Calendar

from tests.house import House, slot
from tests.store.studio import TALK, YOGA
from tests.web.desks import Desk, desk_in
from tests.web.teams import desk_of_staff, hire
from tests.web.test_admin_bookings import book
from widget_server.domain.schedule import CapacityRule
from widget_server.ids import new_id
from widget_server.use_cases import subscriptions

pytestmark = pytest.mark.anyio


@pytest.fixture
async def owner(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


@pytest.fixture
async def team(house: House, owner: Desk) -> AsyncIterator[tuple[Desk, Desk]]:
    """Mia and Noah. Yoga goes by shift: one seat for each of them."""
    async with AsyncExitStack() as desks:
        await hire(house)
        await house.change_service(replace(YOGA, capacity_rule=CapacityRule.BY_SHIFT, capacity=1))
        mia = await desks.enter_async_context(desk_of_staff(owner))
        noah = await desks.enter_async_context(desk_of_staff(owner, "noah@example.org", "noah"))
        yield mia, noah


async def shown_address(desk: Desk) -> str | None:
    """Without its host, as the page shows it."""
    page = await desk.get("/subscription")
    assert page.status_code == 200, page.text
    found = re.search(r'id="address">https?://[^/]+(/[^<]+)<', page.text)
    return found[1] if found else None


async def subscribe(desk: Desk) -> str:
    assert (await desk.post("/subscription")).status_code == 303
    found = await shown_address(desk)
    assert found is not None
    return found


async def ask(house: House, address: str) -> Answer:
    """As a calendar program does, which is signed in nowhere."""
    return await house.client.get(address)


async def events(house: House, address: str) -> dict[str, str]:
    """Titles and descriptions, by their order in time."""
    answer = await ask(house, address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/calendar")
    assert "no-store" in answer.headers["cache-control"]
    return {str(one["summary"]): str(one["description"]) for one in Calendar.from_ical(answer.text).walk("VEVENT")}


async def test_an_owner_has_all_of_the_site_in_their_calendar(house: House, owner: Desk) -> None:
    await book(house, "Anna Berg", (slot(), 2), email="anna@example.org")
    await book(house, "Ben Oak", slot())
    await book(house, "Cleo Marsh", slot(TALK, day=1))
    assert await shown_address(owner) is None

    address = await subscribe(owner)
    assert await events(house, address) == {
        "Morning yoga (3 seats)": "Anna: 2 seats\nBen: 1 seat",
        "First talk (1 seat)": "Cleo: 1 seat",
    }
    told = (await ask(house, address)).text
    assert "\r\nREFRESH-INTERVAL;VALUE=DURATION:PT15M\r\n" in told
    assert "\r\nX-PUBLISHED-TTL;VALUE=DURATION:PT15M\r\n" in told
    assert "anna@example.org" not in told
    assert "Berg" not in told
    (first, _) = Calendar.from_ical(told).walk("VEVENT")
    assert (first.decoded("dtstart"), first.decoded("dtend")) == (slot().starts_at, slot().ends_at)
    assert str(first["url"]).endswith(f"/admin/sites/studio/meetings/{slot().id}")


async def test_a_meeting_is_shown_with_all_of_its_bookings_or_not_at_all(
    house: House, owner: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await book(house, "Anna Berg", slot())
    await book(house, "Ben Oak", slot(YOGA, day=1))
    await book(house, "Cleo Marsh", slot(YOGA, day=1))
    address = await subscribe(owner)

    shown = {}
    for bookings_max in (1, 2, 3):
        monkeypatch.setattr(subscriptions, "BOOKINGS_MAX", bookings_max)
        shown[bookings_max] = list((await events(house, address)).values())
    assert shown == {1: ["Anna: 1 seat"], 2: ["Anna: 1 seat"], 3: ["Anna: 1 seat", "Ben: 1 seat\nCleo: 1 seat"]}


async def test_a_booking_comes_and_goes_under_the_same_name(house: House, owner: Desk) -> None:
    address = await subscribe(owner)
    assert await events(house, address) == {}
    guest = house.guest()
    await guest.hold()
    await guest.confirm()

    (before,) = Calendar.from_ical((await ask(house, address)).text).walk("VEVENT")
    await book(house, "Ben Oak")
    (after,) = Calendar.from_ical((await ask(house, address)).text).walk("VEVENT")
    assert before["uid"] == after["uid"]
    await guest.cancel()
    assert list(await events(house, address)) == ["Morning yoga (1 seat)"]


async def test_staff_have_what_they_serve_and_nothing_else(house: House, owner: Desk, team: tuple[Desk, Desk]) -> None:
    await book(house, "Anna Berg")
    await book(house, "Ben Oak")
    addresses = [await subscribe(desk) for desk in team]

    theirs = [list((await events(house, address)).values()) for address in addresses]
    assert sorted(theirs) == [["Anna: 1 seat"], ["Ben: 1 seat"]]
    (all_of_it,) = (await events(house, await subscribe(owner))).values()
    assert {"Mia Lind", "Noah Ross"} == set(all_of_it.rpartition("With ")[2].split(" and "))


async def test_who_has_no_access_any_more_has_no_calendar(house: House, owner: Desk, team: tuple[Desk, Desk]) -> None:
    mia, _ = team
    address = await subscribe(mia)

    assert (await owner.post(f"/people/{mia.operator.id}/removal")).status_code == 303
    assert (await ask(house, address)).status_code == 404


@pytest.mark.parametrize("path", ["/subscription", "/subscription/removal"])
async def test_an_address_that_was_renewed_or_taken_away_works_no_longer(house: House, owner: Desk, path: str) -> None:
    address = await subscribe(owner)

    for _ in range(2):
        assert (await owner.post(path)).status_code == 303
    assert (await ask(house, address)).status_code == 404
    assert await shown_address(owner) != address
    deeds = [entry.deed for entry in await owner.entries()]
    assert deeds[-1] == "calendar_address_made"
    assert deeds.count("calendar_address_removed") == (1 if path.endswith("removal") else 0)


async def test_no_other_secret_opens_it(house: House, owner: Desk, team: tuple[Desk, Desk]) -> None:
    address, mias = await subscribe(owner), await subscribe(team[0])
    home, _, file_name = address.rpartition("/")

    for wrong in (new_id(), mias.rpartition("/")[2].removesuffix(".ics"), "x", "%00", "ä" * 400):
        answer = await ask(house, f"{home}/{wrong}.ics")
        assert answer.status_code == 404, answer.text
        assert answer.json()["error"]["message"] == "There is no such calendar."
    for nobody in (0, 99_999, 10**30):
        assert (await ask(house, f"/calendar/{nobody}/{file_name}")).status_code == 404


async def test_a_program_that_asks_all_the_time_is_told_to_wait(
    house: House, owner: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "READS_MAX", 2)
    address = await subscribe(owner)

    assert [(await ask(house, address)).status_code for _ in range(3)] == [200, 200, 429]
