"""The pages about when nothing can be booked: what is typed is saved or shown again, never lost."""

from dataclasses import replace
from datetime import time, timedelta

import pytest

from tests.house import House, slot
from tests.web.rooms import fields_of, path_of
from tests.web.schedule_rooms import DAY, HOME, Desk, desk_at, text_of
from widget_server.domain.blackouts import Blackout
from widget_server.web.admin.blackouts import is_over

pytestmark = pytest.mark.anyio


@pytest.fixture
async def desk(house: House) -> Desk:
    return await desk_at(house)


async def test_a_blackout_shows_who_has_booked_and_cancels_them_if_wanted(desk: Desk) -> None:
    anna = desk.house.guest()
    await anna.hold((slot(), 2))
    await anna.confirm("Anna Berg")

    asked = await desk.fill_in(f"{HOME}/blackouts/new", first_day=str(DAY), reason="Paint")

    assert asked.status_code == 422
    assert "Anna Berg" in text_of(asked)
    assert (await desk.schedule()).blackouts == ()
    assert fields_of(asked)["reason"] == "Paint"
    saved = await desk.post(f"{HOME}/blackouts/new", fields_of(asked) | {"choice": "cancel"})
    assert path_of(saved) == f"{HOME}/blackouts?saved=1"
    assert (await anna.order()).json()["order"]["bookings"][0]["state"] == "cancelled"


async def test_a_blackout_with_all_there_is_comes_back_as_typed_and_goes(desk: Desk) -> None:
    typed = {
        "whose": "service:yoga",
        "first_day": "2030-12-24",
        "last_day": "2030-12-26",
        "yearly": "on",
        "span-starts": "08:00",
        "span-ends": "09:00",
        "weekday-1": "on",
        "reason": "Christmas",
    }
    await desk.fill_in(f"{HOME}/blackouts/new", **typed)
    (stored,) = (await desk.schedule()).blackouts
    path = f"{HOME}/blackouts/{stored.id}"

    fields = fields_of(await desk.get(path))

    assert {name: fields[name] for name in typed} == typed
    assert path_of(await desk.fill_in(path, reason="Xmas")) == f"{HOME}/blackouts?saved=1"
    assert "Xmas" in text_of(await desk.get(f"{HOME}/blackouts"))


def test_a_blackout_past_midnight_is_not_over_at_midnight() -> None:
    by_day = Blackout(DAY, DAY, starts=time(8), ends=time(9))
    by_night = Blackout(DAY, DAY, starts=time(22), ends=time(6))

    assert [is_over(one, DAY + timedelta(days=1)) for one in (by_day, by_night)] == [True, False]
    assert [is_over(one, DAY + timedelta(days=2)) for one in (by_day, by_night)] == [True, True]


async def test_a_blackout_that_was_taken_away_comes_back_as_it_was(desk: Desk) -> None:
    typed = {"first_day": "2030-12-24", "last_day": "2030-12-26", "weekday-1": "on", "reason": "Christmas"}
    await desk.fill_in(f"{HOME}/blackouts/new", **typed)
    (stored,) = (await desk.schedule()).blackouts
    shown = fields_of(await desk.get(f"{HOME}/blackouts"))

    removals = [await desk.post(f"{HOME}/blackouts/{stored.id}/removal", shown) for _ in range(2)]
    assert (await desk.schedule()).blackouts == ()
    for removed in removals:
        assert "Taken away." in text_of(removed)
        assert path_of(await desk.post(f"{HOME}/blackouts/new", fields_of(removed))) == f"{HOME}/blackouts?saved=1"

    (again,) = (await desk.schedule()).blackouts
    assert replace(again, id=stored.id) == stored
    unknown = await desk.post(f"{HOME}/blackouts/{again.id}0/removal", {"form_token": shown["form_token"]})
    assert unknown.status_code == 404


async def test_who_has_booked_meanwhile_is_shown_before_a_blackout_comes_back(desk: Desk) -> None:
    await desk.fill_in(f"{HOME}/blackouts/new", first_day=str(DAY))
    (stored,) = (await desk.schedule()).blackouts
    shown = fields_of(await desk.get(f"{HOME}/blackouts"))
    removed = await desk.post(f"{HOME}/blackouts/{stored.id}/removal", shown)
    desk.forget()
    anna = desk.house.guest()
    await anna.hold()
    await anna.confirm("Anna Berg")

    asked = await desk.post(f"{HOME}/blackouts/new", fields_of(removed))

    assert asked.status_code == 422
    assert "Anna Berg" in text_of(asked)
    for said in (
        "Undo: put the blackout back",
        "You have taken this blackout away, and wanted it back.",
        "Put the blackout back",
    ):
        assert said in text_of(asked)
    nobody_chose = await desk.post(f"{HOME}/blackouts/new", fields_of(asked))
    assert "Before it is back" in text_of(nobody_chose), "it is the undo still"
    await desk.post(f"{HOME}/blackouts/new", fields_of(asked) | {"choice": "keep"})
    assert len((await desk.schedule()).blackouts) == 1
    assert "bookings kept: 1" in text_of(await desk.get(f"{HOME}/audit-log"))
    assert "taken this blackout away" not in text_of(await desk.get(f"{HOME}/blackouts/new"))


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"first_day": ""}, "Choose the day on which it begins"),
        ({"last_day": "2029-12-31"}, "not before the first one"),
        ({"whose": "service:golf"}, "Choose one from the list"),
        ({"span-starts": "8"}, "Enter when it starts"),
        ({"yearly": "on", "last_day": "2031-06-01"}, "lasts less than a year"),
        ({"yearly": "on", "for_ever": "on"}, "cannot come back every year"),
        ({"reason": "x" * 201}, "at most 200 characters"),
        ({"last_day": "2030-01-06", "weekday-0": "on"}, "None of its days is one of these weekdays"),
    ],
)
async def test_what_is_wrong_about_a_blackout_is_told(desk: Desk, typed: dict[str, str], told: str) -> None:
    answer = await desk.fill_in(f"{HOME}/blackouts/new", **{"first_day": "2030-01-01"} | typed)

    assert answer.status_code == 422
    assert told in text_of(answer)
    assert (await desk.schedule()).blackouts == ()
