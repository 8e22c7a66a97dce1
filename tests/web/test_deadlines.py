"""Until when customers can cancel and move what they have booked, over HTTP."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.house import Guest, House, refused, slot
from tests.store.studio import TALK, YOGA

pytestmark = pytest.mark.anyio

DAY_MIN = 24 * 60


async def booking(house: House) -> Guest:
    """Yoga and a talk, both the day after tomorrow."""
    anna = house.guest()
    await anna.hold(slot(), slot(TALK, number=1))
    assert (await anna.confirm()).status_code == 201
    return anna


async def set_deadline(house: House, minutes: int) -> None:
    await house.change_service(replace(TALK, cancel_until_min=minutes))


def told(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


async def test_an_order_tells_until_when_it_can_be_cancelled_and_moved(house: House) -> None:
    anna = await booking(house)
    await set_deadline(house, DAY_MIN)

    order = (await anna.order()).json()["order"]
    until = slot(TALK, number=1).starts_at - timedelta(days=1)
    assert order["cancel_until"] == told(until), "the first of its bookings decides"
    assert [each["move_until"] for each in order["bookings"]] == [told(slot().starts_at), told(until)]
    assert (await anna.cancel()).json()["order"]["cancel_until"] is None


async def test_after_the_deadline_nothing_is_cancelled_and_the_answer_names_it(house: House) -> None:
    anna = await booking(house)
    await set_deadline(house, 5 * DAY_MIN)

    until = told(slot(TALK, number=1).starts_at - timedelta(days=5))
    assert refused(await anna.cancel(), 409, "too_late") == {"until": until}
    order = (await anna.order()).json()["order"]
    assert {each["state"] for each in order["bookings"]} == {"confirmed"}
    assert (await house.seats(slot(TALK, number=1))).booked == 1


async def test_after_the_deadline_only_what_it_is_not_for_moves(house: House) -> None:
    anna = await booking(house)
    await set_deadline(house, 5 * DAY_MIN)

    to_other_talk = await anna.reschedule(slot(), slot(TALK, day=9))
    assert refused(to_other_talk, 409, "too_late") == {
        "until": told(slot(TALK, number=1).starts_at - timedelta(days=5))
    }
    assert (await anna.reschedule(slot(day=1), slot(TALK, number=1))).status_code == 200


async def test_a_deadline_in_the_future_is_in_nobodys_way(house: House) -> None:
    anna = await booking(house)
    await set_deadline(house, DAY_MIN // 2)

    assert (await anna.reschedule(slot(), slot(TALK, day=9))).status_code == 200
    assert (await anna.cancel()).status_code == 200


async def test_what_is_cancelled_already_may_be_cancelled_again_after_the_deadline(house: House) -> None:
    anna = await booking(house)
    before = (await anna.cancel()).json()["order"]
    await set_deadline(house, 5 * DAY_MIN)
    await house.change_service(replace(YOGA, cancel_until_min=5 * DAY_MIN))

    again = await anna.cancel()
    assert (again.status_code, again.json()["order"]["cancel_until"]) == (200, before["cancel_until"])
