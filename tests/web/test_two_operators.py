"""Two operators with the same page open: neither undoes what the other has saved, and nobody loses what they typed."""

from datetime import timedelta

import pytest

from tests.house import House, slot
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import CALENDAR, DAY, HOME, Desk, add_time, blank_row, desk_at, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> Desk:
    return await desk_at(house)


async def test_of_two_operators_in_a_calendar_each_keeps_the_days_that_they_have_changed(desk: Desk) -> None:
    mine, theirs, gone = (DAY + timedelta(days=n) for n in (1, 2, 3))
    await add_time(desk, "06:00", "07:00", gone)
    slower = fields_of(await desk.get(CALENDAR))
    row, single = blank_row(slower, mine), next(name for name, value in slower.items() if value == "06:00")
    await add_time(desk, "20:00", "21:00", theirs, **{single.replace("starts", "gone"): "on"})

    told = await desk.post(CALENDAR, slower | {f"{row}-starts": "14:00", f"{row}-ends": "15:00"})

    assert told.status_code == 422
    assert "Somebody saved other times meanwhile" in text_of(told)
    assert "as well" not in text_of(told), "no day was changed by both"
    assert path_of(await desk.post(CALENDAR, fields_of(told))) == f"{CALENDAR}&saved=1"
    added = [(o.day, o.starts.hour) for o in (await desk.schedule()).openings if o.day]
    assert sorted(added) == [(mine, 14), (theirs, 20)]


async def test_of_a_day_that_both_have_changed_the_slower_sees_both_and_loses_nothing(desk: Desk) -> None:
    slower = fields_of(await desk.get(CALENDAR))
    row = blank_row(slower, DAY)
    copy = {"action": "copy_day", "copy_from": str(DAY), f"copy_to-{DAY + timedelta(days=1)}": "on"}
    copied = await desk.post(CALENDAR, slower | copy)
    await add_time(desk, "20:00", "21:00")
    await desk.fill_in(CALENDAR, **{f"closed-{slot(number=1).id}": "on"})

    told = await desk.post(CALENDAR, fields_of(copied) | {f"{row}-starts": "14:00", f"{row}-ends": "15:00"})

    assert told.status_code == 422
    assert "On days that you have changed as well, they saved:" in text_of(told)
    assert "20:00" in text_of(told)
    assert fields_of(told)[f"{row}-starts"] == "14:00"
    assert path_of(await desk.post(CALENDAR, fields_of(told))) == f"{CALENDAR}&saved=1"
    schedule = await desk.schedule()
    assert [o.starts.hour for o in schedule.openings if o.day == DAY] == [14]
    assert [offered.is_closed for offered in schedule.slots_on("yoga", DAY)][1]


async def test_a_calendar_that_does_not_say_what_it_showed_tells_all_that_is_other_by_now(desk: Desk) -> None:
    """It was opened before a newer version was there."""
    slower = fields_of(await desk.get(CALENDAR)) | {"was": ""}
    await add_time(desk, "20:00", "21:00")

    told = await desk.post(CALENDAR, slower)

    said = [f"{day:%A} {day.day} {day:%B}: " for day in (DAY, DAY + timedelta(days=1))]
    assert [one in text_of(told) for one in said] == [True, False]
    assert "20:00" in text_of(told)


async def test_of_two_operators_in_one_form_each_keeps_what_they_have_changed(desk: Desk) -> None:
    yoga, asked = (
        f"{HOME}/services/yoga",
        {"questions": "1", "question_1_text": "Which mat?", "question_1_kind": "text"},
    )
    for path, mine, theirs in (
        (f"{HOME}/settings", {"accent": "#123456"}, {"name": "Studio Due", "origins": "https://due.example"}),
        (yoga, {"description": "Slow.", "is_offered": ""}, {"price": "12.00", "attendee_emails": "on"} | asked),
        (yoga, asked | {"question_1_text": "Which level?"}, {"length_min": "45"}),
        (yoga, {"length_min": "50"}, {"questions": "0"}),
    ):
        slower = fields_of(await desk.get(path))
        saved = await desk.post(path, slower | theirs)
        told = fields_of(await desk.post(path, slower | mine))

        assert saved.status_code == 303, text_of(saved)
        assert {name: told.get(name, "") for name in mine} == mine
        assert {name: told[name] for name in theirs} == theirs
        assert (await desk.post(path, told)).status_code == 303


async def test_of_two_operators_each_keeps_what_they_have_changed_also_in_rows_and_ticks(desk: Desk) -> None:
    shift = {"w-0-day": "1", "w-0-starts": "08:00", "w-0-ends": "12:00"}
    single = {"d-0-day": "2031-01-03", "d-0-starts": "10:00", "d-0-ends": "11:00"}
    await desk.fill_in(f"{HOME}/staff/new", name="Anna Berg")
    await desk.fill_in(f"{HOME}/blackouts/new", first_day="2031-01-01", last_day="2031-01-19", **{"weekday-3": "on"})
    await desk.fill_in(f"{HOME}/coupons/new", code="HALF-26", worth="50")

    for what, mine, theirs in (
        ("staff/anna-berg", {"name": "Anna Lind", **single}, {"serves-yoga": "on", "off-0-day": "2031-01-01", **shift}),
        ("staff/anna-berg", {"serves-yoga": "", "w-0-ends": "13:00"}, {"d-0-gone": "on", "off-1-day": "2031-01-02"}),
        ("blackouts/1", {"weekday-3": "", "weekday-4": "on"}, {"last_day": "", "for_ever": "on", "weekday-0": "on"}),
        ("coupons/1", {"takes": "amount", "worth": "20.00"}, {"uses_max": "7", "is_active": ""}),
    ):
        path = f"{HOME}/{what}"
        slower = fields_of(await desk.get(path))
        saved = await desk.post(path, slower | theirs)
        told = await desk.post(path, slower | mine)

        assert (saved.status_code, told.status_code) == (303, 422), text_of(saved)
        fields, shown = fields_of(told), mine | theirs
        shown.pop("d-0-gone", None)  # the row is not there any more
        assert {name: fields.get(name, "") for name in shown} == shown
        assert (await desk.post(path, fields)).status_code == 303

    assert [shift.day for shift in (await desk.schedule()).shifts if shift.day] == []


async def test_no_blackout_begins_as_one_operator_typed_and_ends_as_the_other(desk: Desk) -> None:
    """From half past eight until eight would be nearly all day."""
    path, times = f"{HOME}/blackouts/1", {"span-starts": "08:00", "span-ends": "09:00"}
    await desk.post(
        f"{HOME}/blackouts/new",
        fields_of(await desk.get(f"{HOME}/blackouts/new")) | times | {"first_day": "2031-01-01"},
    )
    slower = fields_of(await desk.get(path))
    await desk.post(path, slower | {"span-starts": "07:00", "span-ends": "08:00", "reason": "Paint"})

    told = fields_of(await desk.post(path, slower | {"span-starts": "08:30"}))

    assert (told["span-starts"], told["span-ends"], told["reason"]) == ("08:30", "09:00", "Paint")


@pytest.mark.parametrize(
    ("what", "field", "wrong", "theirs"),
    [
        ("services/yoga", "length_min", "0", {"capacity": "14"}),
        ("staff/anna-berg", "name", "", {"email": "anna@example.org"}),
        ("blackouts/1", "first_day", "", {"reason": "Paint"}),
        (f"services/yoga/calendar?week={DAY}", "copies", "many", {f"closed-{slot().id}": "on"}),
    ],
)
async def test_a_mistake_does_not_hide_what_somebody_else_saved_meanwhile(
    desk: Desk, what: str, field: str, wrong: str, theirs: dict[str, str]
) -> None:
    await desk.fill_in(f"{HOME}/staff/new", name="Anna Berg")
    await desk.fill_in(f"{HOME}/blackouts/new", first_day="2031-01-01")
    path = f"{HOME}/{what}"
    slower = fields_of(await desk.get(path))
    await desk.post(path, slower | theirs)

    mistaken = await desk.post(path, slower | {field: wrong})
    told = await desk.post(path, fields_of(mistaken) | {field: slower[field]})

    assert mistaken.status_code == 422
    assert "Somebody saved" not in text_of(mistaken), "that is told once it would be lost"
    assert "Somebody saved" in text_of(told)
    assert (await desk.post(path, fields_of(told))).status_code == 303
