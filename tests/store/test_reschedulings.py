"""The moving transaction: who decides, that an order has seats in one place at any time, and what SQL counts."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from anyio import create_task_group
from sqlalchemy import PoolProxiedConnection

from tests.store.studio import BEN, NOW, TALK, confirmation, found, line, slot
from tests.store.test_bookings import booked, rows
from widget_server.domain.bookings import BookedSeats, BookingState
from widget_server.domain.orders import Move, Order, OutcomeState
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.errors import (
    Changed,
    HoldEnded,
    NotFound,
    Refusal,
    SlotFull,
    Stale,
    StaleEpoch,
    StaleSchedule,
    TooLate,
    Unavailable,
)
from widget_server.ids import hash_secret, new_id
from widget_server.store import reschedulings
from widget_server.store.bookings import Bookings, OutcomeTaken
from widget_server.store.database import Database
from widget_server.store.outbox import Outbox
from widget_server.store.outcomes import GIVEN_UP_KEPT
from widget_server.store.reschedulings import Rescheduling
from widget_server.store.schedule import Schedules
from widget_server.store.sites import Sites
from widget_server.store.tables import BookingRow, MeetingRow, OrderRow, OutboxRow, OutcomeRow, ReschedulingRow

pytestmark = pytest.mark.anyio

WRITTEN = (OutcomeRow, MeetingRow, OrderRow, BookingRow, ReschedulingRow, OutboxRow)


def moved(site: Site, order: Order, *to: OfferedSlot, fence: int = 1) -> Rescheduling:
    """The order's bookings in these slots, one after another; where it is there already, the booking stays."""
    pairs = zip(order.bookings, to, strict=True)
    return Rescheduling(
        site_id=site.id,
        epoch=site.epoch,
        schedule_version=site.schedule_version,
        order_id=order.id,
        seen=tuple(booking.slot for booking in order.bookings),
        hold_id=new_id(),
        fence=fence,
        moves=tuple(Move(each.slot, offered, each.seats) for each, offered in pairs if each.slot != offered.slot),
        digest=hash_secret("all that was sent"),
        owner=hash_secret("order secret"),
        at=NOW,
    )


async def confirmed(db: Database, site: Site, seats: int = 1, offered: OfferedSlot | None = None) -> Order:
    return await Bookings(db).confirm(confirmation(site, [line(offered or slot(), seats)]))


async def test_the_booking_moves_and_the_order_stays_what_it_is(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, [line(slot(), 2, ("Anna Berg", "Cleo"))]))
    later = slot(day=2)

    after = await Bookings(db).reschedule(moved(site, order, later))

    assert after == replace(order, bookings=(replace(order.bookings[0], slot=later.slot),))
    assert after.bookings[0].attendees == ("Anna", "Cleo")
    found = await Bookings(db).find(site.id, order.id)
    assert found is not None
    assert found[0] == after
    assert (await booked(db, slot()), await booked(db, later)) == (0, 2)


async def test_lines_that_are_not_named_for_a_move_stay(db: Database, site: Site) -> None:
    talk = slot(TALK, hour=14)
    order = await Bookings(db).confirm(confirmation(site, [line(slot(), 3), line(talk)]))

    after = await Bookings(db).reschedule(moved(site, order, slot(day=2), talk))

    assert [booking.slot for booking in after.bookings] == [slot(day=2).slot, talk.slot]
    assert [await booked(db, each) for each in (slot(), slot(day=2), talk)] == [0, 3, 1]
    assert await rows(db, ReschedulingRow) == [1]


async def test_all_lines_move_at_once_whatever_the_ids_of_their_meetings(db: Database, site: Site) -> None:
    await confirmed(db, site, 1, slot(day=7))  # whose meeting is thus older than those of the order
    order = await Bookings(db).confirm(confirmation(site, [line(slot(day=day), day) for day in (1, 2, 3)]))

    await Bookings(db).reschedule(moved(site, order, slot(day=5), slot(day=6), slot(day=7)))

    assert [await booked(db, slot(day=day)) for day in (1, 2, 3, 5, 6, 7)] == [0, 0, 0, 1, 2, 4]


async def test_a_booking_moves_there_and_back_again(db: Database, site: Site) -> None:
    order = await confirmed(db, site, 2)
    there = await Bookings(db).reschedule(moved(site, order, slot(day=2)))

    assert await Bookings(db).reschedule(moved(site, there, slot())) == order
    assert (await booked(db, slot()), await booked(db, slot(day=2))) == (2, 0)


async def test_the_engine_is_told_of_both_slots_by_the_id_of_the_hold(db: Database, site: Site) -> None:
    order = await confirmed(db, site, 2)
    wanted = moved(site, order, slot(day=2), fence=4)
    await Bookings(db).reschedule(wanted)

    events = await Outbox(db).due(9, at=NOW.replace(year=2027))
    assert [(event.name, event.order_id, event.fence) for event in events] == [
        ("BookingConfirmed", order.id, 1),
        ("BookingRescheduled", wanted.hold_id, 4),
    ]
    told = await Bookings(db).booked_after(site.id, wanted.hold_id)
    assert told == (BookedSeats(slot().slot, 0, 2), BookedSeats(slot(day=2).slot, 2, 1))
    assert await Bookings(db).booked_after(site.id, order.id) == (BookedSeats(slot(day=2).slot, 2, 1),)


async def test_the_second_call_moves_nothing_more_and_learns_what_the_first_sent(db: Database, site: Site) -> None:
    order = await confirmed(db, site, 2)
    wanted = moved(site, order, slot(day=2))
    await Bookings(db).reschedule(wanted)
    before = await rows(db, *WRITTEN)

    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).reschedule(replace(wanted, fence=2))
    assert (taken.value.outcome, taken.value.digest) == (OutcomeState.CONFIRMED, wanted.digest)
    assert await rows(db, *WRITTEN) == before
    assert (await booked(db, slot()), await booked(db, slot(day=2))) == (0, 2)


async def test_a_move_that_was_given_up_leaves_the_booking_where_it_was(db: Database, site: Site) -> None:
    order = await confirmed(db, site)
    wanted = moved(site, order, slot(day=2), fence=3)
    await Bookings(db).give_up(site.id, wanted.hold_id, 3)

    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).reschedule(wanted)
    assert taken.value.outcome == OutcomeState.ABANDONED
    assert await booked(db, slot()) == 1
    assert await rows(db, MeetingRow, ReschedulingRow) == [1, 0]


async def test_a_move_that_was_stopped_for_longer_than_anybody_remembers_is_refused(db: Database, site: Site) -> None:
    now = datetime.now(UTC)
    late = replace(moved(site, await confirmed(db, site), slot(day=2)), at=now)
    await Bookings(db).give_up(site.id, late.hold_id, late.fence)
    assert await Bookings(db).prune(site.id, now + GIVEN_UP_KEPT + timedelta(minutes=1)) == 1

    with pytest.raises(HoldEnded):
        await Bookings(db).reschedule(late)
    assert await booked(db, slot()) == 1


async def test_an_engine_that_lies_cannot_oversell_and_nothing_at_all_is_written(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, [line(slot(), 2), line(slot(day=2), 2)]))
    await confirmed(db, site, 11, slot(day=3))
    before = await rows(db, *WRITTEN)

    with pytest.raises(SlotFull) as refusal:
        await Bookings(db).reschedule(moved(site, order, slot(day=4), slot(day=3)))
    assert refusal.value.details == {"slot": slot(day=3).slot.id, "left": 1}
    assert await rows(db, *WRITTEN) == before
    assert [await booked(db, slot(day=day)) for day in (1, 2, 3)] == [2, 2, 11]


@pytest.mark.parametrize(
    ("make_stale", "expected"),
    [
        (lambda db, site: Sites(db).raise_epoch(site.id), StaleEpoch),
        (lambda db, site: Schedules(db).change(site.id, from_version=2, to_version=3), StaleSchedule),
    ],
)
async def test_what_was_worked_out_from_an_older_state_does_not_move(
    db: Database, site: Site, make_stale: Callable[..., object], expected: type[Stale]
) -> None:
    wanted = moved(site, await confirmed(db, site), slot(day=2))
    await make_stale(db, site)  # type: ignore[misc]
    before = await rows(db, *WRITTEN)

    with pytest.raises(expected):
        await Bookings(db).reschedule(wanted)
    assert await rows(db, *WRITTEN) == before


async def test_what_was_cancelled_or_moved_meanwhile_stays_as_it_is(db: Database, site: Site) -> None:
    cancelled, gone = await confirmed(db, site), await confirmed(db, site, 2)
    late = [moved(site, order, slot(day=2)) for order in (cancelled, gone)]
    await Bookings(db).cancel(site.id, cancelled.id, NOW)
    await Bookings(db).reschedule(moved(site, gone, slot(day=3)))
    before = await rows(db, *WRITTEN)

    for wanted, expected in zip(late, (TooLate, Changed), strict=True):
        with pytest.raises(expected):
            await Bookings(db).reschedule(wanted)
    assert await rows(db, *WRITTEN) == before
    assert (await booked(db, slot()), await booked(db, slot(day=3))) == (0, 2)


async def test_a_moved_order_is_cancelled_where_it_is_now(db: Database, site: Site) -> None:
    order = await confirmed(db, site, 2)
    await Bookings(db).reschedule(moved(site, order, slot(day=2)))

    freed = await Bookings(db).cancel(site.id, order.id, NOW)

    assert freed == [BookedSeats(slot(day=2).slot, 0, 2)]
    assert (await booked(db, slot()), await booked(db, slot(day=2))) == (0, 0)


async def test_an_order_of_another_site_does_not_move(db: Database, site: Site) -> None:
    other, order = await found(db, "other"), await confirmed(db, site)

    with pytest.raises(NotFound):
        await Bookings(db).reschedule(moved(other, order, slot(day=2)))
    assert await booked(db, slot()) == 1
    assert await rows(db, OutcomeRow, ReschedulingRow) == [1, 0]


async def test_two_sites_may_use_the_same_id_for_a_move(db: Database, site: Site) -> None:
    other, hold_id = await found(db, "other"), new_id()
    for place in (site, other):
        order = await confirmed(db, place)
        await Bookings(db).reschedule(replace(moved(place, order, slot(day=2)), hold_id=hold_id))

    told = [await Bookings(db).booked_after(place.id, hold_id) for place in (site, other)]
    assert told == [(BookedSeats(slot().slot, 0, 2), BookedSeats(slot(day=2).slot, 1, 1))] * 2


async def test_after_a_commit_whose_answer_was_lost_the_same_call_again_tells(
    db: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, dialect = moved(site, await confirmed(db, site), slot(day=2)), db._writer.dialect
    commit = dialect.do_commit

    def commit_and_lose_the_answer(connection: PoolProxiedConnection) -> None:
        commit(connection)
        raise dialect.loaded_dbapi.OperationalError("the line went dead")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_lose_the_answer)
        with pytest.raises(Unavailable):
            await Bookings(db).reschedule(wanted)

    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).reschedule(wanted)
    assert taken.value.outcome == OutcomeState.CONFIRMED
    assert (await booked(db, slot()), await booked(db, slot(day=2))) == (0, 1)


async def test_of_many_who_move_to_few_seats_as_many_move_as_there_are_seats(db: Database, site: Site) -> None:
    orders = [await confirmed(db, site) for _ in range(12)]
    few = slot(day=2, capacity=5)

    refused = await at_once(db, [moved(site, order, few) for order in orders])

    assert [type(refusal) for refusal in refused] == [SlotFull] * 7
    assert (await booked(db, slot()), await booked(db, few)) == (7, 5)


async def test_moves_across_each_other_never_wait_in_a_circle(db: Database, site: Site) -> None:
    days = [slot(day=day, capacity=1000) for day in (1, 2, 3)]
    orders = [await confirmed(db, site, 1, days[turn % 3]) for turn in range(24)]

    moves = [moved(site, order, days[(turn + 1 + turn // 12) % 3]) for turn, order in enumerate(orders)]
    assert await at_once(db, moves) == []
    assert sum([await booked(db, day) for day in days]) == 24


async def test_of_several_moves_of_one_order_at_once_one_happens(db: Database, site: Site) -> None:
    order = await confirmed(db, site, 2)

    refused = await at_once(db, [moved(site, order, slot(day=day)) for day in range(2, 8)])

    assert [type(refusal) for refusal in refused] == [Changed] * 5
    found = await Bookings(db).find(site.id, order.id)
    assert found is not None
    assert await booked(db, OfferedSlot(found[0].bookings[0].slot, 12)) == 2
    assert await booked(db, slot()) == 0
    assert await rows(db, MeetingRow, ReschedulingRow) == [2, 1]


async def test_moving_and_giving_up_at_once_has_exactly_one_winner(db: Database, site: Site) -> None:
    for _ in range(10):
        wanted, said = moved(site, await confirmed(db, site), slot(day=2)), list[OutcomeState]()

        async def move(wanted: Rescheduling = wanted, said: list[OutcomeState] = said) -> None:
            try:
                await Bookings(db).reschedule(wanted)
                said.append(OutcomeState.CONFIRMED)
            except OutcomeTaken as taken:
                said.append(taken.outcome)

        async def give_up(wanted: Rescheduling = wanted, said: list[OutcomeState] = said) -> None:
            said.append(await Bookings(db).give_up(wanted.site_id, wanted.hold_id, wanted.fence))

        async with create_task_group() as tasks:
            for task in (move, give_up, move):
                tasks.start_soon(task)
        assert len(set(said)) == 1, said
        after = await Bookings(db).find(site.id, wanted.order_id)
        assert after is not None
        is_moved = said[0] is OutcomeState.CONFIRMED
        assert after[0].bookings[0].slot == (slot(day=2) if is_moved else slot()).slot


async def test_moving_and_cancelling_at_once_leaves_the_count_right(db: Database, site: Site) -> None:
    assert await moved_and_cancelled_at_once(db, site) == (12, 0)


async def test_the_control_group_gives_seats_back_twice_without_looking_again(
    db: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reschedulings, "must_stand_as_seen", lambda standing, wanted: None)

    with pytest.raises(AssertionError):
        await moved_and_cancelled_at_once(db, site)


async def moved_and_cancelled_at_once(db: Database, site: Site) -> tuple[int, int]:
    """What is booked afterwards, by the meetings and as their bookings have it, of the slot of ben's and the other."""
    await Bookings(db).confirm(confirmation(site, [line(slot(capacity=40), 12)], customer=BEN))
    orders = [await confirmed(db, site, 1, slot(capacity=40)) for _ in range(12)]

    async def cancel(order: Order) -> None:
        await Bookings(db).cancel(site.id, order.id, NOW)

    async def move(order: Order) -> None:
        with suppress(TooLate):
            await Bookings(db).reschedule(moved(site, order, slot(day=2, capacity=40)))

    async with create_task_group() as tasks:
        for number, order in enumerate(orders):
            for act in (cancel, move) if number % 2 else (move, cancel):
                tasks.start_soon(act, order)
    for order in orders:
        after = await Bookings(db).find(site.id, order.id)
        assert after is not None
        assert after[0].bookings[0].state is BookingState.CANCELLED
    return await booked(db, slot()), await booked_or_none(db, slot(day=2))


async def booked_or_none(db: Database, offered: OfferedSlot) -> int:
    """Nobody may have come so far as to make a meeting of it."""
    return await booked(db, offered) if await rows(db, MeetingRow) == [2] else 0


async def at_once(db: Database, wanted: Sequence[Rescheduling]) -> list[Refusal]:
    """What was refused."""
    refused: list[Refusal] = []

    async def move(each: Rescheduling) -> None:
        try:
            await Bookings(db).reschedule(each)
        except Refusal as refusal:
            refused.append(refusal)

    async with create_task_group() as tasks:
        for each in wanted:
            tasks.start_soon(move, each)
    return refused
