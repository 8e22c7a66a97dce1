from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.engine.box import CAPACITY, HOLD_LENGTH, LATE_YOGA, LIMIT, MASSAGE, WINDOW, YOGA, Box
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Seats
from widget_server.engine import calls, kept, keys
from widget_server.errors import (
    Changed,
    HoldBudgetSpent,
    HoldEnded,
    IdConflict,
    NotFound,
    NotYours,
    Paying,
    SlotClosed,
    SlotFull,
    StaleSchedule,
)

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]


async def test_a_pinned_hold_outlives_its_deadline(box: Box) -> None:
    await box.hold("anna", Line(YOGA, CAPACITY))

    pin = await box.pin("anna")

    assert pin.resolve_by == pin.now + WINDOW
    assert pin.lines == (Line(YOGA, CAPACITY),)
    assert (await box.seats()).frees_at is None
    await box.advance(HOLD_LENGTH)
    assert (await box.sweep()).ended == 0
    with pytest.raises(SlotFull):
        await box.hold("ben")
    assert (await box.find("anna")).state is HoldState.PAYING


async def test_the_same_attempt_gets_the_same_pin(box: Box) -> None:
    await box.hold("anna")
    first = await box.pin("anna", attempt="card")

    again = await box.pin("anna", attempt="card")

    assert (again.fence, again.resolve_by) == (first.fence, first.resolve_by)


async def test_another_attempt_has_to_wait(box: Box) -> None:
    await box.hold("anna")
    await box.pin("anna", attempt="card")

    with pytest.raises(Paying):
        await box.pin("anna", attempt="other card")


async def test_holding_again_while_paying_says_that_it_is_being_paid(box: Box) -> None:
    await box.hold("anna")
    pin = await box.pin("anna")

    hold = await box.hold("anna")

    assert (hold.state, hold.expires_at) == (HoldState.PAYING, pin.resolve_by)


async def test_only_who_took_a_hold_may_pay_it(box: Box) -> None:
    await box.hold("anna")

    with pytest.raises(NotYours):
        await box.engine.pin(
            box.site, "anna", "a guess", lambda _: None, schedule_version=1, attempt="a", window=WINDOW
        )


@pytest.mark.parametrize("swept", [False, True])
async def test_of_an_expired_hold_the_seats_are_taken_again(box: Box, swept: bool) -> None:
    await box.hold("anna", Line(YOGA, 2), MASSAGE)
    await box.advance(HOLD_LENGTH)
    if swept:
        await box.sweep()

    await box.pin("anna")

    assert (await box.seats(YOGA)).held == 2
    assert (await box.seats(MASSAGE)).held == 1
    assert (await box.find("anna")).state is HoldState.PAYING
    assert await box.connection.read(("TTL", "{tenuto}:studio:hold:anna")) == [-1]


async def test_exactly_the_missing_lines_are_taken_again(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2), MASSAGE)
    await box.advance(HOLD_LENGTH)
    await box.hold("ben", Line(YOGA, 3))
    await box.release("ben")

    await box.pin("anna")

    assert (await box.seats(YOGA)).held == 2
    assert (await box.seats(MASSAGE)).held == 1


async def test_an_expired_hold_whose_seats_are_gone_is_refused_whole(box: Box) -> None:
    await box.hold("anna", MASSAGE, Line(YOGA, 2))
    await box.advance(HOLD_LENGTH)
    await box.sweep()
    await box.hold("ben", Line(YOGA, 3))

    with pytest.raises(SlotFull) as refused:
        await box.pin("anna")
    assert refused.value.details == {"slot": YOGA.id, "left": 1}
    assert (await box.seats(MASSAGE)).held == 0


async def test_a_live_hold_keeps_its_seats_though_capacity_fell_and_the_slot_began(box: Box) -> None:
    await box.advance(YOGA.starts_at - await box.now() - timedelta(minutes=1))
    await box.hold("anna", Line(YOGA, 3))
    await box.advance(timedelta(minutes=2))
    box.capacity = 1

    assert (await box.pin("anna")).fence == 1


async def test_a_missing_line_of_a_slot_that_has_begun_is_closed(box: Box) -> None:
    await box.advance(YOGA.starts_at - await box.now() - timedelta(minutes=1))
    await box.hold("anna", LATE_YOGA, YOGA)
    await box.advance(HOLD_LENGTH)
    await box.sweep()

    with pytest.raises(SlotClosed) as refused:
        await box.pin("anna")
    assert refused.value.details == {"slot": YOGA.id}


async def test_a_slot_that_is_not_offered_any_more_is_closed(box: Box) -> None:
    await box.hold("anna")

    with pytest.raises(SlotClosed):
        await box.engine.pin(
            box.site, "anna", "secret of anna", lambda _: None, schedule_version=1, attempt="a", window=WINDOW
        )


async def test_an_older_schedule_pins_nothing(box: Box) -> None:
    await box.hold("anna")
    await box.engine.raise_schedule(box.site, 2)

    with pytest.raises(StaleSchedule):
        await box.pin("anna", schedule_version=1)
    assert (await box.pin("anna", schedule_version=2)).fence == 1


async def test_a_hold_is_pinned_three_times_at_most(box: Box) -> None:
    await box.hold("anna")
    for attempt in ("one", "two", "three"):
        pin = await box.pin("anna", attempt=attempt)
        await box.unpin("anna", fence=pin.fence)

    with pytest.raises(HoldBudgetSpent):
        await box.pin("anna", attempt="four")


async def test_nothing_lives_past_its_limit_and_a_payment_window(box: Box) -> None:
    hold = await box.hold("anna")
    await box.advance(LIMIT + WINDOW / 2)

    assert (await box.pin("anna")).resolve_by == hold.limit_at + WINDOW
    await box.unpin("anna", fence=1, min_left_min=60)
    assert (await box.find("anna")).expires_at == hold.limit_at + WINDOW
    await box.advance(WINDOW / 2)
    with pytest.raises(HoldEnded):
        await box.pin("anna", attempt="too late")


async def test_a_released_hold_can_not_be_pinned(box: Box) -> None:
    await box.hold("anna")
    await box.release("anna")

    with pytest.raises(HoldEnded):
        await box.pin("anna")


async def test_where_holds_are_off_one_call_holds_and_pins(box: Box) -> None:
    pin = await box.hold_and_pin("anna", Line(YOGA, 2), Line(MASSAGE, 1))

    again = await box.hold_and_pin("anna", Line(YOGA, 2), Line(MASSAGE, 1))

    assert (again.fence, again.resolve_by, again.lines) == (pin.fence, pin.resolve_by, pin.lines)
    assert (await box.seats()).held == 2
    with pytest.raises(IdConflict):
        await box.hold_and_pin("anna", Line(YOGA, 1))
    with pytest.raises(SlotFull):
        await box.hold_and_pin("ben", Line(YOGA, 3))


@pytest.mark.parametrize("other", [Line(YOGA, 2), Line(MASSAGE, 1)])
async def test_whoever_names_lines_pins_no_others_though_the_hold_changes_meanwhile(
    box: Box, monkeypatch: pytest.MonkeyPatch, other: Line
) -> None:
    """Its keys are read anew, as it was taken from another network: right before that it is changed."""
    await box.hold("anna", network="café")
    find_own = box.engine._find_own

    async def find_later(*of_hold: Any) -> Any:
        monkeypatch.setattr(box.engine, "_find_own", find_own)
        await box.change("anna", other)
        return await find_own(*of_hold)

    monkeypatch.setattr(box.engine, "_find_own", find_later)

    with pytest.raises(Changed):
        await box.hold_and_pin("anna", Line(YOGA, 1))
    hold = await box.find("anna")
    assert (hold.state, hold.lines) == (HoldState.HELD, (other,))


async def test_the_same_attempt_gets_no_pin_of_lines_that_are_others_by_now(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of two confirmations that cost nothing: before the first pins, the hold is changed, and the second pins."""
    await box.hold("anna", YOGA)
    run = box.engine._run

    async def run_later(call: Any) -> Any:
        monkeypatch.setattr(box.engine, "_run", run)
        await box.change("anna", LATE_YOGA)
        await box.pin("anna")
        return await run(call)

    monkeypatch.setattr(box.engine, "_run", run_later)

    pin = await box.pin("anna")
    assert pin.lines == (await box.find("anna")).lines == (Line(LATE_YOGA, 1),)


async def test_an_unpinned_hold_has_some_time_left(box: Box) -> None:
    await box.hold("anna")
    pin = await box.pin("anna")
    await box.advance(HOLD_LENGTH)

    await box.unpin("anna", fence=pin.fence, min_left_min=2)

    hold = await box.find("anna")
    assert hold.state is HoldState.HELD
    assert timedelta(minutes=1, seconds=58) < hold.expires_at - hold.now <= timedelta(minutes=2)
    await box.advance(timedelta(minutes=2))
    assert (await box.sweep()).ended == 1


async def test_an_unpinned_hold_keeps_the_time_it_had(box: Box) -> None:
    hold = await box.hold("anna")
    pin = await box.pin("anna")

    await box.unpin("anna", fence=pin.fence)

    assert (await box.find("anna")).expires_at == hold.expires_at


async def test_unpinning_can_release_and_twice_is_once(box: Box) -> None:
    await box.hold("anna")
    pin = await box.pin("anna")

    await box.unpin("anna", fence=pin.fence, release=True)
    await box.unpin("anna", fence=pin.fence, release=True)

    assert await box.seats() == Seats(version=3)
    assert (await box.find("anna")).state is HoldState.RELEASED


async def test_an_older_fence_unpins_nothing(box: Box) -> None:
    await box.hold("anna")
    first = await box.pin("anna", attempt="one")
    await box.unpin("anna", fence=first.fence)
    second = await box.pin("anna", attempt="two")

    await box.unpin("anna", fence=first.fence, release=True)

    found = await box.engine.pinned(box.site, "anna")
    assert found is not None
    assert (found.fence, found.resolve_by, found.lines) == (second.fence, second.resolve_by, second.lines)
    assert (await box.seats()).held == 1


async def test_a_hold_that_is_not_paid_has_no_pin(box: Box) -> None:
    await box.hold("anna")

    assert await box.engine.pinned(box.site, "anna") is None


async def test_committed_seats_are_booked(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2), MASSAGE)
    pin = await box.pin("anna")

    told = (BookedSeats(YOGA, 2, 1), BookedSeats(MASSAGE, 1, 1))
    assert await box.commit("anna", *told, fence=pin.fence) == "COMMITTED"
    assert await box.commit("anna", *told, fence=pin.fence) == "COMMITTED"

    assert await box.seats(YOGA) == Seats(booked=2, version=3)
    assert await box.seats(MASSAGE) == Seats(booked=1, version=3)
    assert (await box.find("anna")).state is HoldState.CONFIRMED
    assert await box.connection.read(("KEYS", "*visitor*"), ("ZCARD", "{tenuto}:due")) == [[], 0]


async def test_nothing_falls_below_nothing_where_the_day_is_gone(box: Box) -> None:
    """As it is a week after it, when somebody who pays very late is seen to."""
    await box.hold("anna", Line(YOGA, 2))
    pin = await box.pin("anna")
    await box.connection.read(
        ("DEL", keys.of_site(box.site.partition, box.site.key).day(YOGA.service, YOGA.starts_at.date()))
    )

    await box.commit("anna", BookedSeats(YOGA, 2, version=1), fence=pin.fence)

    seats = await box.seats()
    assert (seats.held, seats.booked) == (0, 2)
    await box.counts_are_right()


async def test_what_is_booked_is_written_though_the_fence_is_old(box: Box) -> None:
    await box.hold("anna")
    await box.pin("anna")

    assert await box.commit("anna", BookedSeats(YOGA, 3, 7), fence=9) == "STALE"
    seats = await box.seats()
    assert (seats.booked, seats.held) == (3, 1)


async def test_what_is_booked_is_written_though_the_hold_is_gone(box: Box) -> None:
    assert await box.commit("anna", BookedSeats(YOGA, 3, 7), fence=1) == "ENDED"

    assert (await box.seats()).booked == 3


async def test_the_newest_count_of_the_store_wins(box: Box) -> None:
    await box.engine.set_booked(box.site, [BookedSeats(YOGA, 3, 7), BookedSeats(MASSAGE, 1, 1)])
    await box.engine.set_booked(box.site, [BookedSeats(YOGA, 2, 6), BookedSeats(MASSAGE, 0, 2)])

    assert await box.seats(YOGA) == Seats(booked=3, version=1)
    assert await box.seats(MASSAGE) == Seats(booked=0, version=2)


async def test_seats_of_the_hold_that_the_store_did_not_name_are_freed_too(box: Box) -> None:
    await box.hold("anna", YOGA, MASSAGE)
    pin = await box.pin("anna")

    assert await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=pin.fence) == "COMMITTED"
    assert (await box.seats(MASSAGE)).held == 0


@pytest.mark.parametrize("read_before", [(), (Line(MASSAGE, 1),), (Line(YOGA, 2),)])
async def test_no_seat_stays_held_where_the_hold_was_taken_anew_just_before_its_commit(
    box: Box, read_before: tuple[Line, ...]
) -> None:
    """As when Redis has forgotten a hold that is booked, and the same confirmation, sent again, takes it once more."""
    await box.hold("anna")
    pin, booked = await box.pin("anna"), [BookedSeats(YOGA, 1, 1)]
    then = replace(kept.nobody(box.site.key, "anna"), lines=read_before)

    answer = await box.connection.run(calls.commit(box.site, then, fence=pin.fence, booked=booked))

    assert answer == ["MOVED"]
    assert await box.seats() == Seats(held=1, version=2)
    assert await box.commit("anna", *booked, fence=pin.fence) == "COMMITTED"
    assert await box.seats() == Seats(booked=1, version=3)


async def test_a_commit_reads_the_hold_again_that_was_not_there(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    await box.hold("anna")
    pin, found = await box.pin("anna"), [False]
    find = box.engine._find

    async def find_later(*of_hold: Any) -> Any:
        if found.pop():
            return await find(*of_hold)
        found.append(True)
        raise NotFound("There is no such hold.")

    monkeypatch.setattr(box.engine, "_find", find_later)

    assert await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=pin.fence) == "COMMITTED"
    assert await box.seats() == Seats(booked=1, version=3)


async def test_a_pin_from_another_network_counts_where_the_hold_was_taken(box: Box) -> None:
    """As when a phone leaves the house with its confirmation on its way. The other network would never be rid of it."""
    await box.hold("anna", network="café")
    pin = await box.hold_and_pin("anna", Line(YOGA, 1))  # from home

    assert await live_holds(box, "café") == ["anna", "inf"]
    assert await live_holds(box, "home") == []
    assert (await box.hold_and_pin("anna", Line(YOGA, 1))).fence == pin.fence
    assert await box.commit("anna", BookedSeats(YOGA, 1, 1), fence=pin.fence) == "COMMITTED"
    assert await live_holds(box, "café") == []


async def live_holds(box: Box, network: str) -> list[str]:
    """Each with its deadline, as the budget of a network counts them."""
    key = keys.of_site(box.site.partition, box.site.key).network(network)
    (holds,) = await box.connection.read(("ZRANGE", key, 0, -1, "WITHSCORES"))
    return list(holds)
