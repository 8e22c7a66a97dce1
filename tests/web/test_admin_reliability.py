"""The reliability page and the audit log."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
from httpx2 import Response as Answer
from sqlalchemy import update

from tests.house import House, slot
from tests.web.desks import Desk, desk_in
from tests.web.rooms import fields_of
from tests.web.test_admin_bookings import book, booking_of, link, order_path
from widget_server.domain.audit_log import Deed, Entry
from widget_server.store.audit import Audits, Tally
from widget_server.store.audit_log import AuditLog
from widget_server.store.tables import BookingRow
from widget_server.use_cases.audit_log import PAGE_ENTRIES
from widget_server.web.admin.audit_log import DEEDS
from widget_server.web.admin.reliability import ago

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


def told_with_links(answer: Answer) -> str:
    """What stands on the page, with links below the site's path in brackets."""
    assert answer.status_code == 200, answer.text
    text = re.sub(r'<a href="/admin/sites/studio([^"]*)">', r"[\1] ", answer.text)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


async def figures(desk: Desk) -> dict[str, str]:
    page = (await desk.get("/reliability")).text
    return {name: re.sub(r"<[^>]+>|\s+", " ", told).strip() for name, told in re.findall(FIGURE, page, re.DOTALL)}


FIGURE = r"<dt>([^<]+)</dt><dd>(.*?)</dd>"


async def checked(house: House, *, ago: timedelta = timedelta(0), found: int = 0, mended: int = 0) -> None:
    ended_at = datetime.now(UTC) - ago
    await Audits(house.parts.database).keep(Tally("tenuto", ended_at, ended_at, 1234, found, mended))


async def test_when_all_is_well_the_page_says_so(house: House, desk: Desk) -> None:
    await book(house)
    await house.deliver()
    await checked(house, found=2, mended=2)

    assert "All is well." in (await desk.get("/reliability")).text
    async with asyncio.timeout(60):
        while True:  # the feed is silent for a second, and is heard again
            told = await figures(desk)
            if told["News of seats"] == "Heard a moment ago.":
                break
    assert (told["Oversold"], told["Leaked"]) == ("0", "0")
    assert told["Looked at"] == "1,234 slots, holds and meetings of this server"
    assert told["Found and mended"] == "2 found, 2 mended in the last check; 2 mended ever"
    assert told["Still to be told"].startswith("Nothing")
    assert f"{datetime.now(UTC):%b %Y}" in told["Last rebuild"]


async def test_a_meeting_that_does_not_add_up_is_counted(house: House, desk: Desk) -> None:
    await book(house)
    await book(house, "Ben Oak", slot(day=1))
    await checked(house)
    async with house.parts.database.transaction() as session:
        await session.exec(update(BookingRow).where(BookingRow.id == 1).values(seats=9))  # type: ignore[arg-type]

    assert "1 meeting does not add up" in (await desk.get("/reliability")).text
    assert (await figures(desk))["Oversold"] == "1"


async def test_what_could_not_be_mended_is_counted(house: House, desk: Desk) -> None:
    await checked(house, found=3, mended=1)

    assert "found 2 things that it could not mend" in (await desk.get("/reliability")).text


async def test_a_worker_that_does_not_come_round_is_missed(house: House, desk: Desk) -> None:
    assert "There has not been a check yet." in (await desk.get("/reliability")).text
    await checked(house, ago=timedelta(hours=2))

    assert "The last check was 2 hours ago: perhaps no worker runs." in (await desk.get("/reliability")).text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-3, "0 seconds ago"), (1, "1 second ago"), (119, "1 minute ago"), (7_200, "2 hours ago"), (1e6, "11 days ago")],
)
def test_times_are_told_in_the_largest_unit(seconds: float, told: str) -> None:
    assert ago(timedelta(seconds=seconds)) == told


def test_every_deed_has_its_words() -> None:
    assert set(DEEDS) == set(Deed)
    assert all(re.fullmatch(r"[A-Z][A-Za-z ,:]+", told) for told in DEEDS.values())


async def test_an_empty_log_says_what_will_stand_there(desk: Desk) -> None:
    assert "Nothing yet." in (await desk.get("/audit-log")).text
    assert "Nothing fits." in (await desk.get("/audit-log?deed=hold_released")).text


async def test_what_was_done_is_told_with_its_order_and_without_its_customer(house: House, desk: Desk) -> None:
    number = await book(house, "Anna Berg", (slot(), 2))
    await desk.post(await booking_of(desk, await order_path(desk)))

    page = (await desk.get("/audit-log")).text

    assert "Cancelled a booking" in page
    assert f"Order {number}" in page
    assert "Morning yoga, " in page
    assert "2 seats" in page
    assert desk.operator.email in page
    assert "Anna" not in page


async def test_changed_settings_are_told_as_they_were_and_are(house: House, desk: Desk) -> None:
    site, log = await house.site(), AuditLog(house.parts.database)
    detail = {"holds_on": [True, False], "origins": ["", "https://<b>.example"], "odd": 7, "slot": "odd"}
    await log.keep(Entry(site.id, desk.operator.id, Deed.SETTINGS_CHANGED, datetime.now(UTC), detail=detail))

    page = (await desk.get("/audit-log")).text

    assert "holds on: on \N{RIGHTWARDS ARROW} off" in page
    assert "origins: nothing \N{RIGHTWARDS ARROW} https://&lt;b&gt;.example" in page
    assert "odd: 7" in page


async def test_what_was_chosen_is_told_in_the_words_of_its_list(desk: Desk) -> None:
    await desk.post("/services/yoga", **(fields_of(await desk.get("/services/yoga")) | {"place": "online"}))
    await desk.post("/settings", **(fields_of(await desk.get("/settings")) | {"theme": "dark", "locale": "de-AT"}))

    log = (await desk.get("/audit-log")).text

    assert "place: In person \N{RIGHTWARDS ARROW} Online" in log
    assert "theme: Automatic \N{RIGHTWARDS ARROW} Dark" in log
    assert "\N{RIGHTWARDS ARROW} Deutsch (Österreich)" in log


async def test_what_was_changed_is_named_with_a_link_and_as_it_was_and_is(desk: Desk) -> None:
    day = slot().starts_at.date()
    service = fields_of(await desk.get("/services/yoga"))
    await desk.post("/services/yoga", **(service | {"price": "12.50", "cancel_until_min": "1440"}))
    await desk.post("/services/yoga", **fields_of(await desk.get("/services/yoga")))
    await desk.post("/staff/new", **(fields_of(await desk.get("/staff/new")) | {"name": "Mia Holm"}))
    await desk.post("/blackouts/new", **(fields_of(await desk.get("/blackouts/new")) | {"first_day": str(day)}))
    shown = fields_of(await desk.get("/blackouts"))
    blackout = (await desk.house.parts.use_cases.sites.read(await desk.house.site()))[1].blackouts[0]
    await desk.post(
        f"/blackouts/{blackout.id}", **(fields_of(await desk.get(f"/blackouts/{blackout.id}")) | {"yearly": "on"})
    )
    changed = told_with_links(await desk.get("/audit-log?deed=blackout_changed"))
    await desk.post(f"/blackouts/{blackout.id}/removal", **shown)

    told = told_with_links(await desk.get("/audit-log"))

    when = f"{day.day} {day:%b %Y}"
    for said in (
        "Service changed [/services/yoga] Morning yoga price: nothing \u2192 12.50 EUR "
        "minutes before which it can be cancelled: 0 \u2192 1440",
        "Service changed [/services/yoga] Morning yoga saved: as it was",
        "Staff added [/staff/mia-holm] Mia Holm",
        f"Blackout added for: Everything when: {when}",
        f"Blackout changed for: Everything when: {when} \u2192 {when}, every year",
        f"Blackout removed for: Everything when: {when}, every year",
    ):
        assert said in told
    assert f"Blackout changed [/blackouts/{blackout.id}] This blackout" in changed


async def test_entries_are_filtered_and_paged(house: House, desk: Desk) -> None:
    site, log, now = await house.site(), AuditLog(house.parts.database), datetime.now(UTC)
    for number in range(PAGE_ENTRIES + 2):
        at = now - timedelta(days=30) if number == 0 else now
        await log.keep(Entry(site.id, desk.operator.id, Deed.HOLD_EXTENDED, at, f"{number}", {"seats": number + 1}))

    first = await desk.get("/audit-log?deed=hold_extended")
    there = link(first, "next")
    assert there is not None
    second = await desk.get(there)

    assert (first.text.count('class="row"'), second.text.count('class="row"')) == (PAGE_ENTRIES, 2)
    assert link(second, "next") is None
    assert "Nothing fits." in (await desk.get("/audit-log?deed=hold_released")).text
    long_ago = (now - timedelta(days=29)).date()
    assert (await desk.get(f"/audit-log?to={long_ago}")).text.count('class="row"') == 1
    assert (await desk.get("/audit-log?deed=odd&from=odd&before=odd")).text.count('class="row"') == PAGE_ENTRIES
    beyond = (await desk.get("/audit-log?deed=hold_released&before=9999999999")).text
    assert "Nothing fits." in beyond  # no place in the list: it is looked at from its beginning
