"""Other lines for a hold: one swap, all or none, in which its own seats never stand in the way."""

import asyncio
from datetime import timedelta

import pytest

from tests.engine.box import CAPACITY, HOLD_LENGTH, LATE_YOGA, MASSAGE, YOGA, Box
from widget_server.domain.events import SeatsMoved
from widget_server.domain.holds import HoldState, Line
from widget_server.errors import Changed, HoldEnded, NotYours, Paying, SlotClosed, SlotFull

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]


async def test_a_hold_gets_other_slots_and_keeps_its_deadline(box: Box) -> None:
    before = await box.hold("anna", YOGA, LATE_YOGA)
    await box.advance(timedelta(minutes=3))

    after = await box.change("anna", LATE_YOGA, Line(MASSAGE, 2))

    assert [(line.slot, line.seats) for line in after.lines] == [(LATE_YOGA, 1), (MASSAGE, 2)]
    assert (after.state, after.version) == (HoldState.HELD, 2)
    assert (after.expires_at, after.limit_at) == (before.expires_at, before.limit_at)
    assert (await box.find("anna"))._replace(now=after.now) == after
    assert [(await box.seats(slot)).held for slot in (YOGA, LATE_YOGA, MASSAGE)] == [0, 1, 2]
    await box.counts_are_right()


async def test_the_last_seats_may_be_swapped_for_more_of_the_same(box: Box) -> None:
    await box.hold("anna", Line(YOGA, CAPACITY - 1))

    await box.change("anna", Line(YOGA, CAPACITY))

    assert (await box.seats()).held == CAPACITY
    with pytest.raises(SlotFull) as refused:
        await box.change("anna", Line(YOGA, CAPACITY + 1), version=2)
    assert refused.value.details == {"slot": YOGA.id, "left": CAPACITY}
    await box.counts_are_right()


async def test_all_lines_change_or_none(box: Box) -> None:
    await box.hold("ben", Line(MASSAGE, CAPACITY))
    before = await box.hold("anna", YOGA)

    with pytest.raises(SlotFull):
        await box.change("anna", LATE_YOGA, MASSAGE)

    assert (await box.find("anna")).lines == before.lines
    assert [(await box.seats(slot)).held for slot in (YOGA, LATE_YOGA, MASSAGE)] == [1, 0, CAPACITY]


async def test_the_same_change_again_gets_the_same_answer(box: Box) -> None:
    await box.hold("anna", YOGA)
    once = await box.change("anna", MASSAGE)

    assert (await box.change("anna", MASSAGE))._replace(now=once.now) == once
    with pytest.raises(Changed):
        await box.change("anna", LATE_YOGA)
    assert (await box.seats(MASSAGE)).held == 1


async def test_a_hold_changes_as_long_as_it_runs_and_nobody_pays(box: Box) -> None:
    await box.hold("anna", YOGA)
    await box.pin("anna")
    with pytest.raises(Paying):
        await box.change("anna", MASSAGE, version=2)
    await box.hold("ben", YOGA)
    await box.advance(HOLD_LENGTH)

    with pytest.raises(HoldEnded):
        await box.change("ben", MASSAGE)
    assert (await box.seats(MASSAGE)).held == 0


async def test_only_who_took_a_hold_changes_it(box: Box) -> None:
    await box.hold("anna", YOGA)

    with pytest.raises(NotYours):
        await box.engine.change(
            box.site, "anna", "a guess", [Line(MASSAGE, 1)], box.offer(MASSAGE), schedule_version=1, version=1
        )


async def test_a_line_that_stays_keeps_its_seats_though_capacity_was_lowered_or_it_has_begun(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 3))
    box.capacity = 2
    await box.change("anna", Line(YOGA, 3), MASSAGE)
    await box.release("anna")
    box.capacity = CAPACITY
    await box.advance(YOGA.starts_at - await box.now() - timedelta(minutes=1))
    await box.hold("ben", YOGA)
    await box.advance(timedelta(minutes=2))

    await box.change("ben", YOGA, MASSAGE)

    with pytest.raises(SlotClosed):
        await box.change("ben", Line(YOGA, 2), version=2)
    await box.counts_are_right()


async def test_what_has_expired_makes_room_for_a_change(box: Box) -> None:
    await box.hold("ben", Line(MASSAGE, CAPACITY))
    await box.advance(HOLD_LENGTH)
    await box.hold("anna", YOGA)

    await box.change("anna", Line(MASSAGE, 2))

    assert (await box.seats(MASSAGE)).held == 2
    await box.counts_are_right()


async def test_the_feed_tells_all_slots_of_a_change_at_once(box: Box) -> None:
    hold = await box.hold("anna", YOGA, LATE_YOGA)
    await box.change("anna", LATE_YOGA, MASSAGE)

    (told,) = await box.feed.tail("tenuto", 1)

    assert isinstance(told, SeatsMoved)
    assert (told.cause, told.hold_ids, told.deadline) == ("change", ("anna",), hold.expires_at)
    assert {slot_id: seats.held for slot_id, seats in told.seats} == {YOGA.id: 0, LATE_YOGA.id: 1, MASSAGE.id: 1}


async def test_many_who_change_to_the_same_slot_get_as_many_seats_as_there_are(box: Box) -> None:
    box.capacity = 20
    for number in range(12):
        await box.hold(f"visitor-{number}", YOGA if number % 2 else LATE_YOGA)
    box.capacity = 5

    answers = await asyncio.gather(
        *(box.change(f"visitor-{number}", MASSAGE) for number in range(12)), return_exceptions=True
    )

    assert sum(isinstance(answer, SlotFull) for answer in answers) == 7
    assert (await box.seats(MASSAGE)).held == 5
    assert (await box.seats(YOGA)).held + (await box.seats(LATE_YOGA)).held == 7
    await box.counts_are_right()
