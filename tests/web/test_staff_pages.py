"""The pages about who serves when: what is typed is saved or shown again, never lost."""

import pytest

from tests.house import House, slot
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import DAY, HOME, Desk, desk_at, let_anna_serve, text_of
from widget_server.domain.schedule import CapacityRule

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> Desk:
    return await desk_at(house)


async def test_staff_are_added_with_their_shifts_and_changed(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna Berg", "serves-yoga": "on"}
    weekly = {"w-0-day": str(DAY.weekday()), "w-0-starts": "08:00", "w-0-ends": "12:00"}

    answer = await desk.post(f"{HOME}/staff/new", fields | weekly | {"off-0-day": "2030-01-01"})

    assert path_of(answer) == f"{HOME}/staff/anna-berg?saved=1"
    schedule = await desk.schedule()
    assert schedule.staff["anna-berg"].services == {"yoga"}
    assert [(s.weekday, s.starts.hour) for s in schedule.shifts] == [(DAY.weekday(), 8)]
    assert [str(off.day) for off in schedule.days_off] == ["2030-01-01"]
    gone = await desk.fill_in(f"{HOME}/staff/anna-berg", w_0_gone="on", off_0_gone="on", email="anna@example.org")
    assert path_of(gone) == f"{HOME}/staff/anna-berg?saved=1"
    assert ((await desk.schedule()).shifts, (await desk.schedule()).days_off) == ((), ())
    assert "No shifts yet" in text_of(await desk.get(f"{HOME}/staff"))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"name": ""}, "Give a name"),
        ({"email": "nobody"}, "not an e-mail address"),
        ({"w-0-starts": "08:00"}, "Enter when it starts"),
        ({"d-0-starts": "08:00", "d-0-ends": "09:00"}, "Choose a date"),
        ({"d-0-day": "2030-01-01"}, "Enter when it starts"),
        ({"off-0-day": "tomorrow"}, "Choose a date"),
        ({"d-0-day": "2030-01-01", "d-0-starts": "08:00", "d-0-ends": "08:00"}, "Start and end are the same"),
    ],
)
async def test_what_is_wrong_about_staff_is_told(desk: Desk, typed: dict[str, str], told: str) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna"} | typed

    answer = await desk.post(f"{HOME}/staff/new", fields)

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert {name: fields_of(answer)[name] for name in typed} == typed
    assert (await desk.schedule()).staff == {}


async def test_a_shift_for_one_service_goes_with_it_and_is_not_for_all_others_then(desk: Desk) -> None:
    await let_anna_serve(desk)
    fields = fields_of(await desk.get(f"{HOME}/staff/anna")) | {"serves-talk": "on"}
    await desk.post(
        f"{HOME}/staff/anna", fields | {f"w-{n}-only-talk": "on" for n in range(7)} | {"w-6-only-yoga": "on"}
    )
    assert len((await desk.schedule()).shifts) == 7

    without_talks = fields_of(await desk.get(f"{HOME}/staff/anna"))
    del without_talks["serves-talk"]
    answer = await desk.post(f"{HOME}/staff/anna", without_talks)

    assert path_of(answer) == f"{HOME}/staff/anna?saved=1"
    assert [(shift.weekday, shift.services) for shift in (await desk.schedule()).shifts] == [(6, frozenset({"yoga"}))]


async def test_a_shift_is_not_for_what_its_member_has_never_served(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna", "serves-yoga": "on"}
    shift = {"w-0-day": "0", "w-0-starts": "08:00", "w-0-ends": "12:00", "w-0-only-talk": "on"}

    answer = await desk.post(f"{HOME}/staff/new", fields | shift)

    assert answer.status_code == 422
    assert "They do not serve this: First talk." in text_of(answer)
    assert fields_of(answer)["w-0-only-talk"] == "on"
    assert (await desk.schedule()).staff == {}


async def test_the_form_says_which_services_a_shift_is_for(desk: Desk) -> None:
    fields = fields_of(await desk.get(f"{HOME}/staff/new")) | {"name": "Anna", "serves-yoga": "on", "serves-talk": "on"}
    await desk.post(f"{HOME}/staff/new", fields | {"w-0-starts": "08:00", "w-0-ends": "12:00", "w-0-only-talk": "on"})

    page = await desk.get(f"{HOME}/staff/anna")

    assert "For First talk" in text_of(page)
    assert "For all that they serve" in text_of(page)
    assert [name for name in fields_of(page) if "only" in name] == ["w-0-only-talk"]
    assert path_of(await desk.post(f"{HOME}/staff/anna", fields_of(page))) == f"{HOME}/staff/anna?saved=1"
    assert [shift.services for shift in (await desk.schedule()).shifts] == [frozenset({"talk"})]


async def test_a_day_off_asks_what_becomes_of_who_has_booked(desk: Desk) -> None:
    await let_anna_serve(desk)
    assert (await desk.schedule()).services["yoga"].capacity_rule is CapacityRule.BY_SHIFT
    ben = desk.house.guest()
    await ben.hold((slot(), 2))

    asked = await desk.fill_in(f"{HOME}/staff/anna", off_0_day=str(DAY))

    assert asked.status_code == 422
    assert "What shall become of them?" in text_of(asked)
    assert "nobody would be there" in text_of(asked)
    answer = await desk.post(f"{HOME}/staff/anna", fields_of(asked) | {"choice": "keep"})
    assert path_of(answer) == f"{HOME}/staff/anna?saved=1"
    assert len((await desk.schedule()).days_off) == 1


async def test_a_day_off_that_is_to_go_still_goes_after_something_else_was_asked(desk: Desk) -> None:
    await let_anna_serve(desk)
    await desk.fill_in(f"{HOME}/staff/anna", off_0_day="2030-01-01")
    desk.forget()
    await desk.house.guest().hold((slot(), 2))

    asked = await desk.fill_in(f"{HOME}/staff/anna", off_0_gone="on", off_1_day=str(DAY))
    assert "What shall become of them?" in text_of(asked)
    await desk.post(f"{HOME}/staff/anna", fields_of(asked) | {"choice": "keep"})

    assert [off.day for off in (await desk.schedule()).days_off] == [DAY]
