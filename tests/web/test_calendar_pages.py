"""The calendar of a service, as operators fill it in: what is typed is saved or shown again, never lost."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.house import House, slot
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import CALENDAR, DAY, HOME, Desk, add_time, blank_row, desk_at, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> Desk:
    return await desk_at(house)


async def test_a_new_time_can_be_booked_at_once(desk: Desk) -> None:
    answer = await add_time(desk, "15:00", "16:30")

    assert path_of(answer) == f"{CALENDAR}&saved=1"
    desk.forget()
    added = slot(number=7)
    (opening,) = [o for o in (await desk.schedule()).openings if o.day == DAY]
    assert opening.whole
    offered = [
        each.slot for each in (await desk.schedule()).slots_on("yoga", DAY) if each.slot.starts_at == added.starts_at
    ]
    assert (await desk.house.guest().hold(offered[0])).status_code == 201
    page = text_of(await desk.get(CALENDAR))
    assert "1 held" in page


async def test_on_a_day_that_is_over_a_new_time_is_meant_for_those_to_come(desk: Desk) -> None:
    last_week, next_week = DAY - timedelta(days=10), DAY + timedelta(days=7)

    past, future = [await desk.get(f"{HOME}/services/yoga/calendar?week={week}") for week in (last_week, next_week)]

    assert [page.text.count('<option value="once" selected>') for page in (past, future)] == [0, 7]
    assert past.text.count(", over</small>") == 7
    assert "free slots: close one" not in past.text
    assert "free slots: close one" in future.text
    assert ", over</small>" not in future.text


async def test_hours_are_cut_into_slots_and_repeat_weekly(desk: Desk) -> None:
    fields = fields_of(await desk.get(CALENDAR))
    row = blank_row(fields, DAY)

    typed = {f"{row}-starts": "14:00", f"{row}-ends": "17:00", f"{row}-kind": "hours", f"{row}-repeat": "weekly"}
    await desk.post(CALENDAR, fields | typed)

    schedule = await desk.schedule()
    for day in (DAY, DAY + timedelta(days=7)):
        assert [each.slot.starts_at.hour for each in schedule.slots_on("yoga", day)] == [8, 9, 10, 11, 14, 15, 16]


async def test_a_row_that_goes_takes_its_slots_with_it_but_not_those_that_are_taken(desk: Desk) -> None:
    await desk.house.guest().hold(slot(number=1))
    fields = fields_of(await desk.get(CALENDAR))
    rows = {name.removesuffix("-day") for name, value in fields.items() if value == str(DAY) and name.startswith("t-")}

    asked = await desk.post(CALENDAR, fields | {f"{row}-gone": "on" for row in rows})
    assert asked.status_code == 422
    assert "no opening hours then" in text_of(asked)
    await desk.post(CALENDAR, fields_of(asked) | {"choice": "keep"})

    assert [each.slot for each in (await desk.schedule()).slots_on("yoga", DAY)] == [slot(number=1)]
    assert "1 held kept for those who have it, nobody else can book" in text_of(await desk.get(CALENDAR))


@pytest.mark.parametrize(
    ("starts", "ends", "told"),
    [
        ("15:00", "", "Enter when it starts and when it ends"),
        ("late", "16:00", "Enter when it starts and when it ends"),
        ("15:00", "15:00", "Start and end are the same"),
        ("11:30", "12:30", "before the one from 08:00 ends"),
    ],
)
async def test_a_time_that_makes_no_sense_is_told_and_stays_as_typed(
    desk: Desk, starts: str, ends: str, told: str
) -> None:
    answer = await add_time(desk, starts, ends)

    assert answer.status_code == 422
    assert told in text_of(answer)
    typed = fields_of(answer)
    assert (starts, ends) in {
        (typed[f"t-{n}-starts"], typed[f"t-{n}-ends"]) for n in range(20) if f"t-{n}-ends" in typed
    }
    assert all(opening.day is None for opening in (await desk.schedule()).openings)


async def test_a_taken_slot_can_be_closed_and_given_more_seats(desk: Desk) -> None:
    await desk.house.guest().hold((slot(), 2))

    answer = await desk.fill_in(CALENDAR, **{f"closed-{slot().id}": "on", f"seats-{slot().id}": "20", "choice": "keep"})

    assert path_of(answer) == f"{CALENDAR}&saved=1"
    rule = (await desk.schedule()).rule_of(slot())
    assert (rule.is_closed, rule.capacity) == (True, 20)
    fields = fields_of(await desk.get(CALENDAR))
    assert (fields[f"closed-{slot().id}"], fields[f"seats-{slot().id}"]) == ("on", "20")


async def test_a_calendar_left_open_does_not_undo_fewer_seats_that_the_service_has_by_now(desk: Desk) -> None:
    left_open = fields_of(await desk.get(CALENDAR))
    await desk.fill_in(f"{HOME}/services/yoga", capacity="4")

    told = await desk.post(CALENDAR, left_open)
    again = await desk.post(CALENDAR, fields_of(told))

    assert told.status_code == 422
    assert path_of(again) == f"{CALENDAR}&saved=1"
    schedule = await desk.schedule()
    assert schedule.slot_rules == ()
    assert [offered.capacity for offered in schedule.slots_on("yoga", DAY)] == [4, 4, 4, 4]


async def test_seats_that_were_typed_stay_typed_when_the_service_has_others_by_now(desk: Desk) -> None:
    left_open = fields_of(await desk.get(CALENDAR)) | {f"seats-{slot().id}": "6"}
    await desk.fill_in(f"{HOME}/services/yoga", capacity="4")

    await desk.post(CALENDAR, fields_of(await desk.post(CALENDAR, left_open)))

    assert [offered.capacity for offered in (await desk.schedule()).slots_on("yoga", DAY)] == [6, 4, 4, 4]


async def test_a_calendar_left_open_does_not_open_what_was_frozen_meanwhile_nor_close_it_again(desk: Desk) -> None:
    async def freeze(frozen: str) -> None:
        form = {"form_token": left_open["form_token"], "frozen": frozen, "back": "meeting"}
        await desk.post(f"{HOME}/meetings/{slot().id}/freezing", form)

    for frozen, ticked in (("yes", dict[str, str]()), ("no", {f"closed-{slot(number=1).id}": "on"})):
        left_open = fields_of(await desk.get(CALENDAR)) | ticked
        await freeze(frozen)
        told = await desk.post(CALENDAR, left_open)

        assert told.status_code == 422
        assert path_of(await desk.post(CALENDAR, fields_of(told))) == f"{CALENDAR}&saved=1"
        offered = (await desk.schedule()).slots_on("yoga", DAY)
        assert [each.is_closed for each in offered] == [frozen == "yes", bool(ticked), False, False]


@pytest.mark.parametrize("week", ["2199-12-25", "2199-12-31"])
async def test_a_week_at_the_end_of_all_years_is_not_shown_but_the_present_one(desk: Desk, week: str) -> None:
    fields = fields_of(await desk.get(f"{HOME}/services/yoga/calendar?week={week}"))

    assert {f"{slot().starts_at:%Y}", f"{slot().starts_at - timedelta(days=7):%Y}"} >= {
        name.split(".")[1][:4] for name in fields if name.startswith("slot-")
    }
    last = fields_of(await desk.get(f"{HOME}/services/yoga/calendar?week=2199-12-24"))
    assert any(name.startswith("slot-yoga.21991230") for name in last)


@pytest.mark.parametrize(("locale", "weekday"), [("de", 0), ("en-US", 6), ("ar", 5)])
async def test_a_week_begins_as_the_sites_readers_know_it(desk: Desk, locale: str, weekday: int) -> None:
    await desk.house.change_settings(locale=locale)

    first = fields_of(await desk.get(f"{HOME}/services/yoga/calendar"))["week"]

    blackout = (await desk.get(f"{HOME}/blackouts/new")).text
    assert re.findall(r'name="weekday-(\d)"', blackout)[0] == str(weekday)
    days = (datetime.now(UTC).date() - date.fromisoformat(first)).days
    assert (date.fromisoformat(first).weekday(), days in range(7)) == (weekday, True)


async def test_a_day_is_copied_to_others_before_anything_is_saved(desk: Desk) -> None:
    other = DAY + timedelta(days=2)
    fields = fields_of(await desk.get(CALENDAR))
    row = blank_row(fields, DAY)
    typed = {f"{row}-starts": "20:00", f"{row}-ends": "21:00", "copy_from": str(DAY), f"copy_to-{other}": "on"}

    shown = await desk.post(CALENDAR, fields | typed | {"action": "copy_day"})

    assert shown.status_code == 200
    assert all(opening.day is None for opening in (await desk.schedule()).openings)
    await desk.post(CALENDAR, fields_of(shown))
    assert {opening.day for opening in (await desk.schedule()).openings if opening.day} == {DAY, other}


async def test_a_week_is_copied_to_those_that_follow_and_not_twice(desk: Desk) -> None:
    await add_time(desk, "20:00", "21:00", copies="2")

    again = await desk.fill_in(CALENDAR, copies="2")

    assert path_of(again) == f"{CALENDAR}&saved=1"

    days = sorted(opening.day for opening in (await desk.schedule()).openings if opening.day)
    assert days == [DAY, DAY + timedelta(days=7), DAY + timedelta(days=14)]
