"""The confirming transaction: who decides, what is written, and that SQL is the last wall against overselling."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from anyio import CapacityLimiter, create_task_group
from sqlalchemy import PoolProxiedConnection
from sqlmodel import SQLModel, col, func, select

from tests.store.studio import ANNA, BEN, FREE, NOW, TALK, YOGA, confirmation, found, line, slot
from widget_server.domain.bookings import BookedSeats, BookingState
from widget_server.domain.orders import OrderState, OutcomeState
from widget_server.domain.schedule import Place
from widget_server.domain.sites import Site
from widget_server.domain.slots import OfferedSlot
from widget_server.errors import NotFound, Refusal, SlotFull, Stale, StaleEpoch, StaleSchedule, Unavailable
from widget_server.ids import hash_secret, new_id
from widget_server.store.bookings import Bookings, Confirmation, OutcomeTaken
from widget_server.store.database import Database
from widget_server.store.outbox import Outbox
from widget_server.store.schedule import Schedules
from widget_server.store.sites import Sites
from widget_server.store.tables import (
    AttendeeRow,
    BookingRow,
    MeetingRow,
    OrderRow,
    OutboxRow,
    OutcomeRow,
)

pytestmark = pytest.mark.anyio

WRITTEN = (OutcomeRow, MeetingRow, OrderRow, BookingRow, AttendeeRow, OutboxRow)


async def rows(db: Database, *tables: type[SQLModel]) -> list[int]:
    async with db.snapshot() as session:
        return [(await session.exec(select(func.count()).select_from(table))).one() for table in tables]


async def booked(db: Database, offered: OfferedSlot) -> int:
    """As the meeting counts it, after comparing that with the seats of its bookings: the third invariant."""
    async with db.snapshot() as session:
        meeting = (await session.exec(select(MeetingRow).where(col(MeetingRow.slot) == offered.slot.id))).one()
        seats = select(func.coalesce(func.sum(col(BookingRow.seats)), 0)).where(
            col(BookingRow.meeting_id) == meeting.id, col(BookingRow.state) == BookingState.CONFIRMED
        )
        assert meeting.booked == (await session.exec(seats)).one() <= meeting.capacity
    return meeting.booked


async def test_anna_has_an_order_with_all_she_booked(db: Database, site: Site) -> None:
    class_, talk = slot(), slot(TALK, hour=14)
    wanted = confirmation(site, [line(class_, 2, ("Anna Berg", " Cleo ")), line(talk)], number="ABCD-2345")

    order = await Bookings(db).confirm(wanted)

    assert (order.id, order.number, order.state) == (wanted.hold_id, "ABCD-2345", OrderState.PAID)
    assert (order.customer, order.total, order.created_at) == (ANNA, FREE, NOW)
    yoga, video = order.bookings
    assert (yoga.slot, yoga.seats, yoga.state) == (class_.slot, 2, BookingState.CONFIRMED)
    assert (yoga.service_name, yoga.place, yoga.access) == ("Morning yoga", Place.IN_PERSON, YOGA.access)
    assert yoga.attendees == ("Anna", "Cleo")
    assert (video.slot, video.place, video.access, video.attendees) == (talk.slot, Place.ONLINE, TALK.access, ("Anna",))
    assert await Bookings(db).find(site.id, order.id) == (order, wanted.order_secret_hash)
    assert await rows(db, *WRITTEN) == [1, 2, 1, 2, 3, 1]


async def test_ben_needs_no_email_address(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, customer=BEN))

    assert order.customer == BEN
    async with db.snapshot() as session:
        assert (await session.exec(select(OrderRow.customer_email))).one() is None


async def test_everybody_sees_the_first_names_of_all_who_come(db: Database, site: Site) -> None:
    bookings = Bookings(db)
    anna = await bookings.confirm(confirmation(site, [line(slot(), 2, ("Anna Berg", ""))]))
    ben = await bookings.confirm(confirmation(site, [line(slot(), 1, ("Ben Oak",))], customer=BEN))
    await bookings.confirm(confirmation(site, [line(slot(day=2), 1, ("Cleo",))]))

    assert ben.bookings[0].attendees == ("Anna", "Ben")
    seen = await bookings.find(site.id, anna.id)
    assert seen is not None
    assert seen[0].bookings[0].attendees == ("Anna", "Ben")


async def test_who_names_nobody_comes_alone_or_with_guests_but_comes(db: Database, site: Site) -> None:
    bookings = Bookings(db)
    for seats, names in ((1, ()), (3, ()), (2, ("", "Cleo"))):
        await bookings.confirm(confirmation(site, [line(slot(), seats, names)]))
    ben = await bookings.confirm(confirmation(site, [line(slot())], customer=BEN))

    assert ben.bookings[0].attendees == ("Anna", "Anna", "Anna", "Cleo", "Ben")


async def test_the_second_confirmation_of_a_hold_gets_the_order_of_the_first(db: Database, site: Site) -> None:
    wanted = confirmation(site)
    order = await Bookings(db).confirm(wanted)

    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).confirm(replace(wanted, fence=2, digest=hash_secret("something else")))
    assert (taken.value.outcome, taken.value.order) == (OutcomeState.CONFIRMED, order)
    assert taken.value.digest == wanted.digest
    assert await booked(db, slot()) == 1


async def test_the_first_outcome_counts_even_where_the_second_call_is_stale(db: Database, site: Site) -> None:
    wanted = confirmation(site)
    await Bookings(db).confirm(wanted)
    await Sites(db).raise_epoch(site.id)

    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(wanted)


async def test_a_hold_that_was_given_up_cannot_be_confirmed(db: Database, site: Site) -> None:
    wanted = confirmation(site, fence=3)
    assert await Bookings(db).give_up(site.id, wanted.hold_id, 3) == OutcomeState.ABANDONED

    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).confirm(wanted)
    assert (taken.value.outcome, taken.value.order) == (OutcomeState.ABANDONED, None)
    assert await rows(db, *WRITTEN) == [1, 0, 0, 0, 0, 0]


async def test_giving_up_a_confirmed_hold_says_that_it_is_confirmed(db: Database, site: Site) -> None:
    wanted = confirmation(site)
    await Bookings(db).confirm(wanted)

    assert await Bookings(db).give_up(site.id, wanted.hold_id, 9) == OutcomeState.CONFIRMED
    assert await booked(db, slot()) == 1


async def test_giving_up_twice_says_the_same(db: Database, site: Site) -> None:
    hold_id = new_id()
    assert await Bookings(db).give_up(site.id, hold_id, 1) == OutcomeState.ABANDONED

    assert await Bookings(db).give_up(site.id, hold_id, 1) == OutcomeState.ABANDONED
    assert await rows(db, OutcomeRow) == [1]


async def test_a_hold_that_is_pinned_again_is_decided_anew(db: Database, site: Site) -> None:
    wanted = confirmation(site, fence=2)
    await Bookings(db).give_up(site.id, wanted.hold_id, 1)

    order = await Bookings(db).confirm(wanted)

    outcome = await Bookings(db).outcome(site.id, wanted.hold_id)
    assert outcome is not None
    assert (outcome.state, outcome.fence, outcome.order) == (OutcomeState.CONFIRMED, 2, order)


async def test_giving_up_the_second_pin_also_ends_what_is_late_from_the_first(db: Database, site: Site) -> None:
    wanted = confirmation(site, fence=2)
    await Bookings(db).give_up(site.id, wanted.hold_id, 1)
    await Bookings(db).give_up(site.id, wanted.hold_id, 2)
    await Bookings(db).give_up(site.id, wanted.hold_id, 1)

    for fence in (1, 2):
        with pytest.raises(OutcomeTaken):
            await Bookings(db).confirm(replace(wanted, fence=fence))


async def test_a_hold_nobody_decided_about_has_no_outcome(db: Database, site: Site) -> None:
    assert await Bookings(db).outcome(site.id, new_id()) is None


@pytest.mark.parametrize("rounds", [40])
async def test_confirming_and_giving_up_at_once_has_exactly_one_winner(db: Database, site: Site, rounds: int) -> None:
    confirmed = 0
    for _ in range(rounds):
        wanted, said = confirmation(site, [line(slot(capacity=1000), 1)]), list[OutcomeState]()

        async def confirm(wanted: Confirmation = wanted, said: list[OutcomeState] = said) -> None:
            try:
                await Bookings(db).confirm(wanted)
                said.append(OutcomeState.CONFIRMED)
            except OutcomeTaken as taken:
                said.append(taken.outcome)

        async def give_up(wanted: Confirmation = wanted, said: list[OutcomeState] = said) -> None:
            said.append(await Bookings(db).give_up(wanted.site_id, wanted.hold_id, wanted.fence))

        async with create_task_group() as tasks:
            for task in (confirm, give_up, confirm, give_up):
                tasks.start_soon(task)
        assert len(set(said)) == 1, said
        confirmed += said[0] == OutcomeState.CONFIRMED

    assert await rows(db, OutcomeRow, OrderRow) == [rounds, confirmed]


async def test_of_200_who_confirm_as_many_are_booked_as_there_are_seats(db: Database, site: Site) -> None:
    capacity, refused = 150, list[Refusal]()
    at_once = CapacityLimiter(40)  # more of them would only wait for a connection, on a busy machine for too long

    async def confirm() -> None:
        async with at_once:
            try:
                await Bookings(db).confirm(confirmation(site, [line(slot(capacity=capacity))]))
            except SlotFull as refusal:
                refused.append(refusal)

    async with create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(confirm)

    assert await booked(db, slot()) == capacity
    assert len(refused) == 200 - capacity
    assert await rows(db, OrderRow, OutboxRow, OutcomeRow) == [capacity] * 3


async def test_orders_of_the_same_slots_in_any_order_never_wait_in_a_circle(db: Database, site: Site) -> None:
    slots = [slot(day=day, capacity=1000) for day in range(1, 7)]

    async def confirm(turn: int) -> None:
        lines = [line(offered) for offered in slots[turn % 6 :] + slots[: turn % 6]]
        await Bookings(db).confirm(confirmation(site, lines if turn % 2 else lines[::-1]))

    async with create_task_group() as tasks:
        for turn in range(24):
            tasks.start_soon(confirm, turn)

    assert [await booked(db, offered) for offered in slots] == [24] * 6


async def test_cancelling_and_booking_the_same_slots_at_once_leaves_the_count_right(db: Database, site: Site) -> None:
    first, second = slot(day=1, capacity=1000), slot(day=2, capacity=1000)
    orders = [await Bookings(db).confirm(confirmation(site, [line(first), line(second, 2)])) for _ in range(20)]

    async with create_task_group() as tasks:
        for order in orders:
            tasks.start_soon(Bookings(db).cancel, site.id, order.id, NOW)
            tasks.start_soon(Bookings(db).cancel, site.id, order.id, NOW)
            tasks.start_soon(Bookings(db).confirm, confirmation(site, [line(second), line(first)]))

    assert (await booked(db, first), await booked(db, second)) == (20, 20)


async def test_an_engine_that_lies_cannot_oversell_and_nothing_at_all_is_written(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site, [line(slot(), 11)]))
    before = await rows(db, *WRITTEN)

    with pytest.raises(SlotFull) as refusal:
        await Bookings(db).confirm(confirmation(site, [line(slot(day=5)), line(slot(), 2)]))
    assert refusal.value.details == {"slot": slot().slot.id, "left": 1}
    assert await rows(db, *WRITTEN) == before
    assert await booked(db, slot()) == 11


async def test_after_a_refused_confirmation_the_hold_is_still_undecided(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site, [line(slot(), 12)]))
    wanted = confirmation(site)
    with pytest.raises(SlotFull):
        await Bookings(db).confirm(wanted)

    order = await Bookings(db).confirm(replace(wanted, fence=2, lines=(line(slot(day=2)),)))

    assert order.id == wanted.hold_id


async def test_a_lowered_capacity_counts_even_where_more_was_booked_before(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, [line(slot(), 10)]))
    await Bookings(db).confirm(confirmation(site, [line(slot(), 2)]))
    await Bookings(db).cancel(site.id, order.id, NOW)

    with pytest.raises(SlotFull) as refusal:
        await Bookings(db).confirm(confirmation(site, [line(slot(capacity=5), 4)]))
    assert refusal.value.details["left"] == 3


@pytest.mark.parametrize(
    ("make_stale", "expected"),
    [
        (lambda db, site: Sites(db).raise_epoch(site.id), StaleEpoch),
        (lambda db, site: Schedules(db).change(site.id, from_version=2, to_version=3), StaleSchedule),
    ],
)
async def test_what_was_worked_out_from_an_older_state_is_not_confirmed(
    db: Database, site: Site, make_stale: Callable[..., object], expected: type[Stale]
) -> None:
    wanted = confirmation(site)
    await make_stale(db, site)  # type: ignore[misc]

    with pytest.raises(expected):
        await Bookings(db).confirm(wanted)
    assert await rows(db, *WRITTEN) == [0] * 6


async def test_a_new_epoch_begins_only_when_confirmations_of_the_old_one_are_done(db: Database, site: Site) -> None:
    """Whatever is confirmed in the old epoch is in the snapshot that fills Redis; nothing slips in behind it."""
    seen: list[int] = []

    async def confirm() -> None:
        with suppress(StaleEpoch):
            await Bookings(db).confirm(confirmation(site, [line(slot(capacity=1000))]))

    async def rebuild() -> None:
        await Sites(db).raise_epoch(site.id)
        seen.extend([int(seats.split()[1]) for _, seats in (await Bookings(db).to_restore(site.id, NOW.date()))[0]])

    async with create_task_group() as tasks:
        for _ in range(15):
            tasks.start_soon(confirm)
        tasks.start_soon(rebuild)
        for _ in range(15):
            tasks.start_soon(confirm)

    assert await rows(db, OrderRow) == [sum(seen)]


async def test_a_number_that_the_site_has_given_is_exchanged_for_another(db: Database, site: Site) -> None:
    first = await Bookings(db).confirm(confirmation(site, number="ABCD-2345"))
    other = await found(db, "other")

    second = await Bookings(db).confirm(confirmation(site, number="ABCD-2345"))

    assert first.number == "ABCD-2345" != second.number
    elsewhere = await Bookings(db).confirm(confirmation(other, number="ABCD-2345"))
    assert elsewhere.number == "ABCD-2345"


async def test_cancelling_frees_all_seats_of_the_order(db: Database, site: Site) -> None:
    first, second = slot(day=1), slot(day=2)
    wanted = confirmation(site, [line(first, 2, ("Anna",)), line(second, 3)])
    order = await Bookings(db).confirm(wanted)
    ben = await Bookings(db).confirm(confirmation(site, [line(first, 1, ("Ben",))], customer=BEN))

    freed = await Bookings(db).cancel(site.id, order.id, NOW)

    assert freed == [BookedSeats(first.slot, 1, 3), BookedSeats(second.slot, 0, 2)]
    cancelled = await Bookings(db).find(site.id, order.id)
    assert cancelled is not None
    assert {booking.state for booking in cancelled[0].bookings} == {BookingState.CANCELLED}
    assert {booking.access for booking in cancelled[0].bookings} == {""}
    assert {booking.attendees for booking in cancelled[0].bookings} == {()}
    seen = await Bookings(db).find(site.id, ben.id)
    assert seen is not None
    assert seen[0].bookings[0].attendees == ("Ben",)


async def test_cancelling_again_gives_the_same_answer_and_changes_nothing(db: Database, site: Site) -> None:
    order = await Bookings(db).confirm(confirmation(site, [line(slot(), 2)]))
    freed = await Bookings(db).cancel(site.id, order.id, NOW)

    assert await Bookings(db).cancel(site.id, order.id, NOW) == freed == [BookedSeats(slot().slot, 0, 2)]
    assert await Outbox(db).waiting() == 2


async def test_a_cancelled_order_stays_the_outcome_of_its_hold(db: Database, site: Site) -> None:
    wanted = confirmation(site)
    order = await Bookings(db).confirm(wanted)
    await Bookings(db).cancel(site.id, order.id, NOW)

    with pytest.raises(OutcomeTaken):
        await Bookings(db).confirm(wanted)
    assert await booked(db, slot()) == 0


async def test_versions_of_a_meeting_only_rise(db: Database, site: Site) -> None:
    versions = []
    for _ in range(3):
        order = await Bookings(db).confirm(confirmation(site))
        versions += [seats.version for seats in await Bookings(db).booked_after(site.id, order.id)]
        versions += [seats.version for seats in await Bookings(db).cancel(site.id, order.id, NOW)]

    assert versions == [1, 2, 3, 4, 5, 6]


async def test_what_is_booked_can_be_asked_for_single_slots(db: Database, site: Site) -> None:
    await Bookings(db).confirm(confirmation(site, [line(slot(day=1), 2), line(slot(day=2), 3)]))

    asked = await Bookings(db).booked_in(site.id, [slot(day=2).slot, slot(day=3).slot])

    assert asked == [BookedSeats(slot(day=2).slot, 3, 1)]


async def test_an_order_of_another_site_is_not_found(db: Database, site: Site) -> None:
    other = await found(db, "other")
    order = await Bookings(db).confirm(confirmation(site))

    assert await Bookings(db).find(other.id, order.id) is None
    assert await Bookings(db).outcome(other.id, order.id) is None
    assert await Bookings(db).booked_after(other.id, order.id) == ()
    assert (await Bookings(db).to_restore(other.id, NOW.date()))[0] == []
    with pytest.raises(NotFound):
        await Bookings(db).cancel(other.id, order.id, NOW)
    assert await booked(db, slot()) == 1


async def test_two_sites_may_use_the_same_hold_id_and_slot(db: Database, site: Site) -> None:
    other, hold_id = await found(db, "other"), new_id()
    await Bookings(db).confirm(confirmation(site, [line(slot(), 12)], hold_id=hold_id))

    await Bookings(db).confirm(confirmation(other, [line(slot(), 12)], hold_id=hold_id))

    assert await rows(db, MeetingRow, OrderRow) == [2, 2]


async def test_a_rebuild_reads_all_meetings_from_a_day_on_put_together(db: Database, site: Site) -> None:
    early, late = slot(), slot(hour=15)
    for booked_slot in (slot(day=-1), slot(day=0), early, early, late):
        await Bookings(db).confirm(confirmation(site, [line(booked_slot, 2)]))

    days = dict((await Bookings(db).to_restore(site.id, NOW.date()))[0])

    (today, _), (tomorrow, early_field), (_, late_field) = (of.slot.id.split("T") for of in (slot(day=0), early, late))
    assert days.keys() == {today, tomorrow}
    assert re.findall(r"(\S+) (\d+) (\d+)", days[tomorrow]) in (
        [(early_field, "4", "2"), (late_field, "2", "1")],
        [(late_field, "2", "1"), (early_field, "4", "2")],
    )


async def test_the_outcome_of_a_pin_is_known_by_its_fence(db: Database, site: Site) -> None:
    booked, given_up = confirmation(site), new_id()
    await Bookings(db).confirm(booked)
    await Bookings(db).give_up(site.id, given_up, 2)

    async def decided(fence: int) -> set[str]:
        fences = {booked.hold_id: fence, given_up: fence, "somebody else's": fence}
        return set(await Bookings(db).decided(site.id, fences))

    assert await decided(2) == {booked.hold_id, given_up}
    assert await decided(3) == {booked.hold_id}, "given up and pinned again, it may still become a booking"


async def test_after_a_commit_whose_answer_was_lost_the_same_call_again_tells(
    db: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, dialect = confirmation(site), db._writer.dialect
    commit = dialect.do_commit

    def commit_and_lose_the_answer(connection: PoolProxiedConnection) -> None:
        commit(connection)
        raise dialect.loaded_dbapi.OperationalError("the line went dead")

    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", commit_and_lose_the_answer)
        with pytest.raises(Unavailable):
            await Bookings(db).confirm(wanted)

    with pytest.raises(OutcomeTaken) as taken:
        await Bookings(db).confirm(wanted)
    assert taken.value.order is not None
    assert await booked(db, slot()) == 1
