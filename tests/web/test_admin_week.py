"""The week of a site over HTTP: what it shows, how it is narrowed down, and where it leads."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from tests.domain.schedules import by_shift
from tests.engine.servers import Valkey
from tests.house import House, opened, slot
from tests.store.studio import TALK
from tests.web.desks import Desk, desk_in
from widget_server.assets import find
from widget_server.domain import week_blocks
from widget_server.domain.blackouts import Blackout
from widget_server.domain.schedule import Opening, Shift, StaffMember
from widget_server.domain.slots import Slot
from widget_server.domain.weeks import week_of
from widget_server.store.blackouts import put_blackout
from widget_server.store.schedule import put_openings, put_service
from widget_server.store.staff import put_member, put_shifts
from widget_server.use_cases import week as weeks
from widget_server.web.admin.week_drawing import LANES_MAX

pytestmark = pytest.mark.anyio

DAY = slot().starts_at.date()
_BLOCK = re.compile(r'<li class="([^"]+)" data-key="([^"]+)"><a href="([^"]+)" title="([^"]+)">(.*?)</a></li>')


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with desk_in(house) as desk:
        yield desk


class Shown(dict[str, str]):
    """What the blocks of a page say, by where they lead; and their classes."""

    def __init__(self, page: str) -> None:
        found = [
            (href, unescape(title).replace("\N{EN DASH}", "-"), kind)
            for kind, _, href, title, _ in _BLOCK.findall(page)
        ]
        super().__init__({href.rpartition("/studio/")[2]: title for href, title, _ in found})
        self.kinds = {href.rpartition("/studio/")[2]: set(kind.split()) for href, _, kind in found}


async def shown(desk: Desk, on: date = DAY, more: str = "") -> Shown:
    answer = await desk.get(f"/week/blocks?on={on}{more}")
    assert answer.status_code == 200, answer.text
    return Shown(answer.text)


def meeting(of: Slot) -> str:
    return f"meetings/{of.id}"


async def test_a_slot_says_how_many_seats_are_booked_held_and_left(house: House, desk: Desk) -> None:
    anna, ben = house.guest(), house.guest()
    await anna.hold((slot(), 3))
    await anna.confirm()
    await ben.hold((slot(), 2))

    page = (await desk.get(f"/week?on={DAY}")).text

    said = Shown(page)
    assert said[meeting(slot())] == "Morning yoga, 08:00-09:00, 3 of 12 booked, 2 held, 7 left"
    assert {"slot", "some", "is-held", "at-h0", "for-h1"} <= said.kinds[meeting(slot())]
    assert said[meeting(slot(number=1))] == "Morning yoga, 09:00-10:00, 0 of 12 booked, 12 left"
    assert {"free", "at-h1", "of-3"} <= said.kinds[meeting(slot(number=1))]
    assert page.count("data-ends=") == 1
    assert f'data-live="/admin/sites/studio/week/blocks?on={DAY}"' in page
    assert f"services/yoga/calendar?week={week_of(DAY, 'en')[0]}" in said


async def test_a_block_lies_beside_those_it_overlaps(house: House, desk: Desk) -> None:
    said = await shown(desk)

    places = {key: kinds for key, kinds in said.kinds.items() if key in (meeting(slot()), meeting(slot(TALK)))}
    lanes = {next(kind for kind in kinds if kind.startswith("lane-")) for kinds in places.values()}
    assert len(lanes) == 2
    assert all("of-3" in kinds for kinds in places.values())


async def test_a_hold_that_ends_leaves_its_block_as_it_was(house: House, desk: Desk) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    assert "is-held" in (await shown(desk)).kinds[meeting(slot())]
    await anna.release()

    async with asyncio.timeout(60):  # the process hears of it by the feed
        while True:
            if "is-held" not in (await shown(desk)).kinds[meeting(slot())]:
                break
            await asyncio.sleep(0.01)
    assert (await shown(desk))[meeting(slot())].endswith("0 of 12 booked, 12 left")


async def staffed(house: House) -> None:
    """Kim and Lu give massages: Kim each day from eight to ten, Lu on this day from nine to eleven."""
    site = await house.site()
    massage = by_shift("massage")

    async def write(session: AsyncSession) -> None:
        await put_service(session, site.id, massage, at=datetime.now(UTC))
        await put_openings(session, site.id, "massage", [Opening("massage", time(8), time(12), day=DAY)])
        for key in ("kim", "lu"):
            await put_member(session, site.id, StaffMember(key, key.title(), services=frozenset({"massage"})))
        kims = [Shift("kim", time(8), time(10), weekday=weekday) for weekday in range(7)]
        await put_shifts(session, site.id, "kim", kims)
        await put_shifts(session, site.id, "lu", [Shift("lu", time(9), time(11), day=DAY)])

    await house.change(write)


def massage(hour: int) -> Slot:
    starts_at = slot().starts_at.replace(hour=hour)
    return Slot("massage", starts_at, starts_at + timedelta(hours=1))


async def test_shifts_have_the_names_of_their_people_and_lead_to_them(house: House, desk: Desk) -> None:
    await staffed(house)

    said = await shown(desk)

    assert said["staff/kim"] == "Kim, 08:00-10:00"
    assert said["staff/lu"] == "Lu, 09:00-11:00"
    assert "of-2" in said.kinds["staff/lu"]
    assert said[meeting(massage(9))] == "Massage, 09:00-10:00, 0 of 2 booked, 2 left"
    assert meeting(massage(11)) not in said


async def test_many_with_the_same_hours_are_shown_together(
    house: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(week_blocks, "SHIFTS_APART_MAX", 1)
    monkeypatch.setattr(week_blocks, "OPENINGS_APART_MAX", 1)
    await staffed(house)
    site = await house.site()
    await house.change(lambda session: put_shifts(session, site.id, "lu", [Shift("lu", time(8), time(10), day=DAY)]))

    page = unescape((await desk.get(f"/week/blocks?on={DAY}")).text).replace("\N{EN DASH}", "-")

    assert page.count('href="/admin/sites/studio/staff" title="2 on shift, 08:00-10:00, Kim, Lu"') == 1
    together = "4 services open, 08:00-12:00, First talk, Massage, Morning yoga, Private lesson"
    assert page.count(f'href="/admin/sites/studio/services" title="{together}"') == 1


async def test_a_week_can_be_narrowed_down_to_a_service_and_to_a_member_of_the_staff(house: House, desk: Desk) -> None:
    await staffed(house)
    anna = house.guest()
    await anna.hold(massage(10))
    await anna.confirm()

    of_yoga, of_lu = await shown(desk, more="&service=yoga"), await shown(desk, more="&staff=lu")

    assert {key.split("/")[1].split(".")[0] for key in of_yoga if key.startswith("meetings")} == {"yoga"}
    assert not any(key.startswith("staff") for key in of_yoga)
    assert {key for key in of_lu if key.startswith("meetings")} == {meeting(massage(hour)) for hour in (9, 10)}
    assert of_lu[meeting(massage(10))] == "Massage, 10:00-11:00, 1 of 1 booked, full, with Lu"
    assert "staff/kim" not in of_lu
    assert await shown(desk, more="&service=chess&staff=nobody") == await shown(desk)


async def test_a_blackout_says_why_and_leads_to_its_form(house: House, desk: Desk) -> None:
    site = await house.site()
    dark = Blackout(DAY, DAY, starts=time(9), ends=time(10), reason="Fire <drill>")
    await house.change(lambda session: put_blackout(session, site.id, dark))

    said = await shown(desk)

    (key,) = [key for key in said if key.startswith("blackouts/")]
    assert said[key] == "Fire <drill>, 09:00-10:00, Nothing can be booked"
    assert "dark" in said.kinds[key]
    assert meeting(slot(number=1)) not in said
    assert (await desk.get(f"/{key}")).status_code == 200


async def test_what_is_booked_stays_in_sight_when_its_time_is_not_offered_any_more(house: House, desk: Desk) -> None:
    await house.guest().confirm_at_once(slot())
    site = await house.site()
    await house.change(lambda session: put_openings(session, site.id, "yoga", []))

    said = await shown(desk)

    assert said[meeting(slot())] == "Morning yoga, 08:00-09:00, 1 of 12 booked, not offered any more"
    assert meeting(slot(number=1)) not in said


async def test_a_week_has_seven_days_from_the_weekday_with_which_weeks_begin_here(house: House, desk: Desk) -> None:
    for locale, begins in (("en-GB", "2026-11-23"), ("en-US", "2026-11-22")):
        await house.change_settings(locale=locale)
        page = (await desk.get("/week?on=2026-11-25")).text

        days = re.findall(r'<section class="day([^"]*)" data-key="([\d-]+)"', page)
        assert days[0][1] == begins
        assert [day for kind, day in days if "chosen" in kind] == ["2026-11-25"]
        assert len(days) == 7


@pytest.mark.parametrize("on", ["", "tomorrow", "2026-02-30", "1999-12-31", "2000-01-01", "2199-12-31", "9999-12-31"])
async def test_what_is_no_day_shows_the_week_of_today(desk: Desk, on: str) -> None:
    page = await desk.get(f"/week?on={on}")

    assert page.status_code == 200
    assert 'class="day today chosen"' in page.text


@pytest.mark.parametrize(
    ("sunday", "note"), [("2026-03-29", "23 hours: clocks go forward"), ("2026-10-25", "25 hours")]
)
async def test_the_days_on_which_clocks_change_say_so(house: House, desk: Desk, sunday: str, note: str) -> None:
    await house.change_settings(zone=ZoneInfo("Europe/Berlin"), locale="de")
    site = await house.site()
    await house.change(
        lambda session: put_openings(session, site.id, "yoga", [Opening("yoga", time(0), time(6), weekday=6)])
    )

    page = (await desk.get(f"/week?on={sunday}&service=yoga")).text

    assert note in page
    assert page.count('class="missing') == (1 if "23" in note else 6)
    of_sunday = [title for key, title in Shown(page).items() if key.startswith("meetings")]
    assert len(of_sunday) == (5 if "23" in note else 7)
    assert any(" 03:00-04:00" in title for title in of_sunday)


async def test_the_days_before_and_after_are_one_step_away_with_all_that_was_chosen(desk: Desk) -> None:
    page = (await desk.get("/week?on=2026-11-25&service=yoga")).text

    steps = re.findall(r'rel="(prev|next)" href="\?([^"]+)"', page)
    assert [(rel, unescape(query)) for rel, query in steps] == [
        ("prev", "on=2026-11-18&service=yoga"),
        ("next", "on=2026-12-02&service=yoga"),
        ("prev", "on=2026-11-24&service=yoga"),
        ("next", "on=2026-11-26&service=yoga"),
    ]


async def test_no_more_is_drawn_than_a_bounded_part_and_the_page_says_so(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weeks, "BLOCKS_MAX", 30)
    page = (await desk.get(f"/week?on={DAY}")).text
    assert len(_BLOCK.findall(page)) == 30
    assert "This week has more than can be drawn" in page

    monkeypatch.setattr(weeks, "BLOCKS_MAX", 2_000)
    monkeypatch.setattr(weeks, "SERVICES_MAX", 1)
    assert "more than can be drawn" in (await desk.get(f"/week?on={DAY}")).text
    assert "more than can be drawn" not in (await desk.get(f"/week?on={DAY}&service=yoga")).text


async def test_a_week_with_nothing_in_it_says_what_to_do(house: House, desk: Desk) -> None:
    site = await house.site()

    async def write(session: AsyncSession) -> None:
        for key in ("yoga", "talk", "private"):
            await put_openings(session, site.id, key, [])

    await house.change(write)

    page = (await desk.get("/week")).text
    assert "Nothing in this week." in page
    assert 'href="/admin/sites/studio/start">Set up' in page


async def test_nothing_of_another_site_is_shown(house: House, desk: Desk) -> None:
    await house.found("other")
    other = house.guest("other")
    await other.hold((slot(), 5))
    await other.confirm()

    assert (await shown(desk))[meeting(slot())] == "Morning yoga, 08:00-09:00, 0 of 12 booked, 12 left"


async def test_without_redis_the_week_shows_what_is_booked_and_says_what_is_not_known(
    sqlite_template: Path, tmp_path: Path
) -> None:
    with TemporaryDirectory(prefix="tenuto-") as folder:
        redis = Valkey(Path(folder))
        redis.start()
        async with opened(redis.url, sqlite_template, tmp_path) as house, desk_in(house) as desk:
            await house.guest().confirm_at_once(slot())
            redis.stop()
            house.parts.use_cases.availability._forget("tenuto")

            page = (await desk.get(f"/week?on={DAY}")).text

    assert "What is held is not known just now" in page
    assert Shown(page)[meeting(slot())] == "Morning yoga, 08:00-09:00, 1 of 12 booked, held: not known"


def test_the_style_sheet_knows_every_place_in_a_week() -> None:
    sheet = (find("widget_static") / "admin" / "week-places.css").read_text("utf-8")
    known = set(re.findall(r"^\.([a-z]+-[hm]?\d+) |(?<=} )\.([a-z]+-[hm]?\d+) ", sheet, re.MULTILINE))
    names = {one or other for one, other in known}

    hours = {f"{kind}-h{n}" for kind in ("at", "for") for n in range(27)}
    minutes = {f"{kind}-m{n}" for kind in ("at", "for") for n in range(60)}
    lanes = {f"lane-{n}" for n in range(LANES_MAX)} | {f"of-{n}" for n in range(LANES_MAX + 1)}
    assert names == hours | minutes | lanes
