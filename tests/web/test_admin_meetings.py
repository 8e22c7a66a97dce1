"""The page of a meeting, and all attendees of all meetings."""

import re
from collections.abc import AsyncIterator
from html import unescape

import pytest

from tests.house import House, slot
from tests.store.studio import TALK, YOGA
from tests.web.desks import Desk, desk_in
from tests.web.test_admin_bookings import book, booking_of, names, order_path, table
from widget_server.use_cases import dashboard

pytestmark = pytest.mark.anyio

FIGURES = re.compile(r"<dt>(\w+)</dt><dd>([^<]+)</dd>")


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


async def figures(desk: Desk) -> dict[str, str]:
    answer = await desk.get(f"/meetings/{slot().id}")
    assert answer.status_code == 200, answer.text
    return dict(FIGURES.findall(answer.text))


async def test_a_meeting_counts_its_seats_and_names_who_comes(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg", (slot(), 2), attendees=[["Anna Berg", "Kim"]])
    await house.guest().hold((slot(), 3))

    answer = await desk.get(f"/meetings/{slot().id}")

    assert names(answer) == ["Anna Berg"]
    assert "With: Anna Berg, Kim" in answer.text
    assert await figures(desk) == {"Seats": "12", "Booked": "2", "Held": "3", "Left": "7"}


async def test_a_time_that_nobody_has_booked_is_an_empty_meeting(desk: Desk) -> None:
    answer = await desk.get(f"/meetings/{slot().id}")

    assert "Nobody yet." in answer.text
    assert await figures(desk) == {"Seats": "12", "Booked": "0", "Held": "0", "Left": "12"}


@pytest.mark.parametrize("of", ["odd", slot().id.replace("yoga", "chess"), slot().id.replace("T08", "T03"), "..%2f.."])
async def test_what_is_no_time_of_the_site_is_not_found(desk: Desk, of: str) -> None:
    assert (await desk.get(f"/meetings/{of}")).status_code == 404


async def test_cancelled_bookings_stand_apart(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg")
    await desk.post(await booking_of(desk, await order_path(desk)))
    await book(house, "Ben Oak")

    answer = await desk.get(f"/meetings/{slot().id}")

    assert names(answer) == ["Ben Oak", "Anna Berg"]
    assert answer.text.index("Ben Oak") < answer.text.index("Cancelled") < answer.text.index("Anna Berg")


async def test_of_very_many_cancelled_bookings_the_last_are_shown(
    house: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboard, "CANCELLED_SHOWN", 2)
    for name in ("Anna Berg", "Ben Oak", "Kim Lee"):
        await book(house, name)
        await desk.post(await booking_of(desk, await order_path(desk)))

    answer = await desk.get(f"/meetings/{slot().id}")

    assert names(answer) == ["Kim Lee", "Ben Oak"]
    link = re.search(r'href="/admin/sites/studio(/bookings\?[^"]*state=cancelled)"', answer.text)
    assert link is not None
    assert names(await desk.get(unescape(link[1]))) == ["Kim Lee", "Ben Oak", "Anna Berg"]


async def test_who_comes_is_shown_also_while_seats_cannot_be_counted(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg")
    await house.redis.read(("HSET", "{tenuto}:studio:gate", "state", "REBUILDING", "rebuilder", "x" * 22))
    house.parts.use_cases.availability._forget("tenuto")

    answer = await desk.get(f"/meetings/{slot().id}")

    assert names(answer) == ["Anna Berg"]
    assert "What is held is not known just now" in answer.text


async def test_attendees_of_all_meetings_are_listed_by_date(house: House, desk: Desk) -> None:
    await book(house, "Ben Oak", slot(TALK, day=1), attendees=[["Ben Oak"]])
    await book(house, "Anna Berg", (slot(YOGA), 2), email="anna@example.org", attendees=[["Kim Lee"]])

    answer = await desk.get("/attendees")

    assert names(answer) == ["Kim Lee", "Anna Berg", "Ben Oak"]
    assert "a guest of Anna Berg, no name given · anna@example.org" in answer.text
    assert "booked by Anna Berg · anna@example.org" in answer.text
    assert '<span class="soft">no e-mail</span>' in answer.text, "of Ben"
    await book(house, "Eve Ash", slot(YOGA, day=2))
    assert "a guest of Eve Ash" not in (await desk.get("/attendees")).text, "nobody was asked who comes"
    assert "Eve Ash,Morning yoga" in (await desk.get("/attendees.csv")).text
    assert names(await desk.get("/attendees?text=kim")) == ["Kim Lee"]
    assert names(await desk.get("/attendees?service=talk")) == ["Ben Oak"]
    assert "Nobody in these days." in (await desk.get("/attendees?text=nobody")).text


async def test_attendees_are_exported_as_they_were_found(house: House, desk: Desk) -> None:
    await book(house, "Anna Berg", (slot(), 2), email="anna@example.org", attendees=[["=cmd()", "Kim"]])

    head, *rows = table(await desk.get("/attendees.csv?text=anna"))

    assert [row[head.index("Attendee")] for row in rows] == ["'=cmd()", "Kim"]
    assert {row[head.index("E-mail")] for row in rows} == {"anna@example.org"}
