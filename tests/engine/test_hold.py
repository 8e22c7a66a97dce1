from datetime import timedelta

import pytest

from tests.engine.box import CAPACITY, HOLD_LENGTH, LATE_YOGA, LIMIT, MASSAGE, YOGA, Box
from widget_server.domain.events import ScheduleMoved, SeatsMoved
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import UNTOUCHED
from widget_server.errors import (
    HoldBudgetSpent,
    HoldEnded,
    IdConflict,
    Loading,
    NotFound,
    NotYours,
    SlotClosed,
    SlotFull,
    StaleSchedule,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]


async def test_a_hold_sets_its_seats_aside(box: Box) -> None:
    hold = await box.hold("anna", Line(YOGA, 3))

    assert hold.state is HoldState.HELD
    assert hold.expires_at == hold.now + HOLD_LENGTH
    assert hold.limit_at == hold.now + LIMIT
    seats = await box.seats()
    assert (seats.held, seats.booked, seats.version) == (3, 0, 1)
    assert seats.frees_at == hold.expires_at


async def test_holding_again_with_the_same_id_and_lines_gets_the_same_hold(box: Box) -> None:
    first = await box.hold("anna", Line(YOGA, 2), MASSAGE)

    again = await box.hold("anna", Line(YOGA, 2), MASSAGE)

    assert (again.expires_at, again.limit_at, again.version) == (first.expires_at, first.limit_at, first.version)
    assert (await box.seats()).version == 1


async def test_an_id_belongs_to_its_lines(box: Box) -> None:
    await box.hold("anna", YOGA)

    with pytest.raises(IdConflict):
        await box.hold("anna", MASSAGE)
    assert await box.seats(MASSAGE) == UNTOUCHED


async def test_the_id_of_an_ended_hold_gets_no_other(box: Box) -> None:
    await box.hold("anna")
    await box.release("anna")

    with pytest.raises(HoldEnded):
        await box.hold("anna")


async def test_a_hold_that_has_run_out_is_not_given_again(box: Box) -> None:
    await box.hold("anna")
    await box.advance(HOLD_LENGTH)

    with pytest.raises(HoldEnded):
        await box.hold("anna")


async def test_a_full_slot_is_refused_and_says_what_is_left(box: Box) -> None:
    await box.hold("anna", Line(YOGA, CAPACITY - 1))

    with pytest.raises(SlotFull) as refused:
        await box.hold("ben", Line(YOGA, 2))
    assert refused.value.details == {"slot": YOGA.id, "left": 1}


async def test_all_lines_are_held_or_none(box: Box) -> None:
    await box.hold("anna", Line(MASSAGE, CAPACITY))

    with pytest.raises(SlotFull) as refused:
        await box.hold("ben", YOGA, LATE_YOGA, MASSAGE)
    assert refused.value.details["slot"] == MASSAGE.id
    assert await box.seats(YOGA) == UNTOUCHED
    assert await box.seats(LATE_YOGA) == UNTOUCHED


async def test_a_seat_is_free_again_when_its_hold_runs_out_though_nobody_swept(box: Box) -> None:
    await box.hold("anna", Line(YOGA, CAPACITY))
    await box.advance(HOLD_LENGTH)

    await box.hold("ben", YOGA)

    assert (await box.seats()).held == 1
    assert (await box.find("anna")).state is HoldState.EXPIRED


async def test_no_more_expired_lines_are_dropped_than_a_hold_needs(box: Box) -> None:
    for name in ("anna", "ben", "cleo", "dora"):
        await box.hold(name, YOGA)
    await box.advance(HOLD_LENGTH)

    await box.hold("emil", Line(YOGA, 2))

    assert (await box.seats()).held == CAPACITY
    assert (await box.sweep()).ended == 4
    assert (await box.seats()).held == 2


async def test_expired_lines_count_as_left_for_whoever_wants_too_much(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 1))
    await box.hold("ben", Line(YOGA, 2))
    await box.advance(HOLD_LENGTH)

    with pytest.raises(SlotFull) as refused:
        await box.hold("cleo", Line(YOGA, CAPACITY + 1))
    assert refused.value.details["left"] == CAPACITY


async def test_a_slot_that_has_begun_is_closed_on_redis_clock(box: Box) -> None:
    await box.advance(timedelta(days=2))

    with pytest.raises(SlotClosed) as refused:
        await box.hold("anna", YOGA)
    assert refused.value.details == {"slot": YOGA.id}


async def test_a_visitor_has_a_budget_of_live_holds(box: Box) -> None:
    for name in ("one", "two", "three"):
        await box.hold(name, YOGA, visitor="anna")

    with pytest.raises(HoldBudgetSpent) as refused:
        await box.hold("four", YOGA, visitor="anna")
    assert refused.value.details == {"whose": "visitor"}


async def test_an_expired_hold_spends_no_budget(box: Box) -> None:
    for name in ("one", "two", "three"):
        await box.hold(name, YOGA, visitor="anna")
    await box.advance(HOLD_LENGTH)

    assert (await box.hold("four", YOGA, visitor="anna")).state is HoldState.HELD


async def test_a_network_has_a_budget_of_live_holds(box: Box) -> None:
    box.capacity = 100
    for number in range(50):
        await box.hold(f"visitor {number}", YOGA, network="bots")

    with pytest.raises(HoldBudgetSpent) as refused:
        await box.hold("one more", YOGA, network="bots")
    assert refused.value.details == {"whose": "network"}
    assert (await box.hold("anna", YOGA, network="elsewhere")).state is HoldState.HELD


async def test_capacity_of_an_older_schedule_is_not_believed(box: Box) -> None:
    await box.engine.raise_schedule(box.site, 2)

    with pytest.raises(StaleSchedule) as refused:
        await box.hold("anna", schedule_version=1)
    assert refused.value.version == 2


async def test_a_newer_schedule_raises_the_gate_and_says_so(box: Box) -> None:
    await box.hold("anna", schedule_version=3)

    schedule, seats = await box.feed.tail("tenuto", 2)
    assert isinstance(schedule, ScheduleMoved)
    assert isinstance(seats, SeatsMoved)
    assert (schedule.version, schedule.settled) == (3, True)
    with pytest.raises(StaleSchedule):
        await box.hold("ben", schedule_version=2)


async def test_seats_that_a_slot_gains_while_it_is_held_can_be_had_at_once_on_the_newer_schedule(box: Box) -> None:
    await box.hold("anna", Line(YOGA, CAPACITY - 1))
    await box.hold("ben")
    await box.pin("ben")
    with pytest.raises(SlotFull):
        await box.hold("cleo")
    await box.engine.raise_schedule(box.site, 2)
    box.capacity = CAPACITY + 2

    with pytest.raises(StaleSchedule):
        await box.hold("cleo", Line(YOGA, 2))
    await box.hold("cleo", Line(YOGA, 2), schedule_version=2)
    with pytest.raises(SlotFull) as refused:
        await box.hold("dora", schedule_version=2)
    assert refused.value.details["left"] == 0
    assert (await box.seats()).held == CAPACITY + 2


async def test_nobody_loses_what_they_hold_when_a_slot_has_less_room_than_is_held(box: Box) -> None:
    anna = await box.hold("anna", Line(YOGA, CAPACITY - 1))
    await box.hold("ben")
    await box.engine.raise_schedule(box.site, 2)
    box.capacity = 2

    with pytest.raises(SlotFull):
        await box.hold("cleo", schedule_version=2)
    await box.renew("anna", version=anna.version)
    await box.pin("anna", schedule_version=2)
    await box.release("ben")
    assert (await box.seats()).held == CAPACITY - 1
    with pytest.raises(SlotFull):
        await box.hold("cleo", schedule_version=2)
    await box.unpin("anna", fence=1, release=True)
    await box.hold("cleo", Line(YOGA, 2), schedule_version=2)


async def test_finding_a_hold_needs_its_secret(box: Box) -> None:
    await box.hold("anna")

    with pytest.raises(NotYours):
        await box.engine.find(box.site, "anna", "a guess")
    with pytest.raises(NotFound):
        await box.find("ben")


async def test_a_redis_that_was_wiped_knows_nothing(box: Box) -> None:
    await box.hold("anna")
    await box.connection.read(("FLUSHALL",))

    with pytest.raises(Loading):
        await box.hold("ben")
    with pytest.raises(Loading):
        await box.find("anna")
    with pytest.raises(Loading):
        await box.seats()


async def test_the_days_of_a_service_come_in_one_read(box: Box) -> None:
    hold = await box.hold("anna", Line(YOGA, 2), LATE_YOGA, MASSAGE)

    days = [YOGA.starts_at.date() + timedelta(days=n) for n in range(32)]
    reading = await box.engine.seats_of_days(box.site, "yoga", days)

    assert {slot: seats.held for slot, seats in reading.seats.items()} == {YOGA.id: 2, LATE_YOGA.id: 1}
    assert reading.seats[YOGA.id].frees_at == hold.expires_at
    assert (reading.schedule_version, reading.epoch) == (1, 1)
    assert reading.feed_id == await box.feed.last_id("tenuto")


async def test_seats_are_forgotten_a_week_after_their_day(box: Box) -> None:
    await box.hold("anna")

    day = f"{{tenuto}}:studio:day:yoga:{YOGA.starts_at:%Y%m%d}"
    ends_at, set_ends_at = await box.connection.read(
        ("EXPIRETIME", day), ("EXPIRETIME", f"{{tenuto}}:studio:slot:{YOGA.id}")
    )
    midnight = YOGA.starts_at.replace(hour=0, minute=0)
    assert ends_at == (midnight + timedelta(days=8)).timestamp()
    assert set_ends_at == -1
