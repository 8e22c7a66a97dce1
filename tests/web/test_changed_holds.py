"""Other lines for a hold over HTTP, and everything that is refused on the way."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.house import PRIVATE, House, refused, slot
from tests.store.studio import TALK, YOGA
from widget_server.ids import new_id

pytestmark = pytest.mark.anyio

LATER = slot(day=1)


async def test_a_hold_has_other_lines_and_runs_as_long_as_before(house: House) -> None:
    anna = house.guest()
    before = (await anna.hold((slot(), 2), slot(TALK))).json()["hold"]
    await house.advance(timedelta(minutes=2))

    answer = await anna.change((slot(), 3), LATER)
    lines = [{"slot": slot().id, "seats": 3}, {"slot": LATER.id, "seats": 1}]
    assert answer.status_code == 200
    assert answer.json()["hold"] == {**before, "lines": lines, "version": 2}
    assert (await anna.look()).json()["hold"] == answer.json()["hold"]
    assert [(await house.seats(each)).held for each in (slot(), LATER, slot(TALK))] == [3, 1, 0]
    assert (await anna.confirm()).status_code == 201


async def test_the_same_change_again_gets_the_same_answer_and_another_from_then_is_refused(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    first = (await anna.change((slot(), 3))).json()["hold"]

    assert (await anna.change((slot(), 3))).json()["hold"] == first
    refused(await anna.change((slot(), 4)), 409, "changed")
    refused(await anna.renew(), 409, "changed")
    assert (await anna.change((slot(), 4), version=2)).json()["hold"]["version"] == 3
    assert (await house.seats()).held == 4


async def test_of_several_changes_at_once_one_is_made(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    answers = await asyncio.gather(*(anna.change((slot(), seats)) for seats in (2, 3, 4, 5)))
    made = [answer.json()["hold"] for answer in answers if answer.status_code == 200]
    assert len(made) == 1
    assert (await house.seats()).held == made[0]["lines"][0]["seats"]


async def test_a_hold_that_cannot_have_all_it_wants_keeps_what_it_has(house: House) -> None:
    anna = house.guest()
    before = (await anna.hold((slot(), 2))).json()["hold"]
    await house.guest().hold(slot(TALK))

    refused(await anna.change(LATER, slot(TALK)), 409, "slot_full")
    refused(await anna.change(slot(day=-30)), 409, "slot_closed")
    refused(await anna.change((slot(), 7)), 422, "too_many_seats")
    refused(await anna.change(slot(PRIVATE)), 409, "payments_not_set_up")
    refused(await anna.change(slot(), slot()), 400, "invalid_request")
    assert (await anna.look()).json()["hold"] == before
    assert [(await house.seats(each)).held for each in (slot(), LATER)] == [2, 0]


async def test_a_hold_that_is_somebody_elses_ended_or_being_confirmed_does_not_change(house: House) -> None:
    anna = house.guest()
    await anna.hold()

    refused(await replace(anna, secret=new_id()).change(LATER), 403, "not_yours")
    refused(await house.guest().change(LATER), 404, "not_found")
    await house.pin(anna)
    refused(await anna.change(LATER), 409, "paying")
    await anna.confirm()
    refused(await anna.change(LATER), 410, "hold_ended")
    assert (await house.seats(LATER)).taken == 0


async def test_what_was_held_in_time_stays_while_others_come_and_go_and_is_no_way_to_more_of_it(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2), LATER)
    await house.change_service(replace(YOGA, notice_min=20 * 24 * 60))
    ben = house.guest()
    refused(await ben.hold(), 409, "too_soon")

    assert (await anna.change((slot(), 2))).status_code == 200
    assert (await anna.change((slot(), 1), slot(TALK), version=2)).status_code == 200
    assert refused(await anna.change((slot(), 2), version=3), 409, "too_soon") == {"slot": slot().id}
    assert refused(await anna.change(slot(), LATER, version=3), 409, "too_soon") == {"slot": LATER.id}
    assert [(await house.seats(each)).held for each in (slot(), LATER, slot(TALK))] == [1, 0, 1]
    assert (await anna.confirm()).status_code == 201


async def test_with_holds_switched_off_a_hold_from_before_stays_as_it_is(house: House) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    await house.change_settings(holds_on=False)

    refused(await anna.change((slot(), 3)), 409, "holds_off")
    assert (await anna.renew()).status_code == 200
    assert (await anna.confirm()).status_code == 201


async def test_either_a_renewal_is_sent_or_lines(house: House) -> None:
    anna = house.guest()
    await anna.hold()
    lines = anna.wanted_hold(LATER)["lines"]
    wrong: list[dict[str, Any]] = [
        {"version": 1},
        {"version": 1, "renew": True, "lines": lines},
        {"version": 1, "renew": False},
        {"version": 1, "renew": None},
        {"version": 1, "renew": None, "lines": lines},
        {"version": 1, "renew": True, "lines": None},
        {"version": 1, "lines": []},
        {"version": 0, "lines": lines},
        {"lines": lines},
        {"version": 1, "lines": lines, "id": anna.id},
    ]
    for body in wrong:
        refused(await anna.send("PATCH", f"/holds/{anna.id}", body), 400, "invalid_request")
    assert (await anna.look()).json()["hold"]["version"] == 1
