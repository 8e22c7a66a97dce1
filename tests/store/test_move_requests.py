"""Who is asked for another time: one question a booking, which ends with whatever happens to it, and only once."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from anyio import create_task_group

from tests.store.studio import NOW, TALK, confirmation, found, line, slot
from tests.store.test_audit_log import hire
from tests.store.test_bookings import booked
from tests.store.test_reschedulings import moved
from widget_server.domain.audit_log import Deed, Entry
from widget_server.domain.bookings import BookingState
from widget_server.domain.dashboard import BookingLine
from widget_server.domain.move_requests import MoveState
from widget_server.domain.orders import Order
from widget_server.domain.sites import Site
from widget_server.domain.slots import Slot
from widget_server.errors import NotFound, Refusal, TooLate
from widget_server.store import reschedulings
from widget_server.store.audit_log import AuditLog
from widget_server.store.bookings import Bookings
from widget_server.store.dashboard import Dashboard
from widget_server.store.database import Database
from widget_server.store.move_requests import MoveRequests, ask_to_move
from widget_server.store.reschedulings import Rescheduling

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(hours=1)
HERE = slot().slot


async def lines_of(db: Database, site: Site, order: Order) -> list[BookingLine]:
    return await Dashboard(db).of_order(site.id, order.id)


async def state_of(db: Database, site: Site, order: Order) -> MoveState:
    (asked,) = [each.move_request for each in await lines_of(db, site, order) if each.move_request]
    return asked.state


async def ask(db: Database, site: Site, order: Order, message: str, operator_id: int) -> int:
    """For another time than the first one of the order."""
    booking_id = (await lines_of(db, site, order))[0].id
    async with db.transaction() as session:
        await ask_to_move(session, [booking_id], message, operator_id=operator_id, at=NOW)
    return booking_id


async def asked_order(db: Database, site: Site) -> tuple[Order, int, int]:
    """An order, its asked booking, and the operator who asks."""
    order = await Bookings(db).confirm(confirmation(site, [line(slot()), line(slot(TALK, hour=14))]))
    operator_id = await hire(db, site)
    return order, await ask(db, site, order, "The heating is broken.", operator_id), operator_id


def withdrawal(site: Site, order: Order, operator_id: int) -> Entry:
    return Entry(site.id, operator_id, Deed.MOVE_WITHDRAWN, LATER, order.id)


async def test_whoever_is_asked_keeps_the_seats_and_reads_the_message(db: Database, site: Site) -> None:
    order, _, _ = await asked_order(db, site)

    read = await Bookings(db).find(site.id, order.id)
    assert read is not None
    first, second = read[0].bookings
    assert first.move_request is not None
    assert (first.state, first.move_request.message) == (BookingState.CONFIRMED, "The heating is broken.")
    assert first.move_request.asked_by == "anna@example.org"
    assert second.move_request is None
    assert await booked(db, slot()) == 1


async def test_whoever_is_asked_again_is_asked_the_new_question(db: Database, site: Site) -> None:
    order, booking_id, operator_id = await asked_order(db, site)
    await MoveRequests(db).withdraw(site.id, order.id, booking_id, entry=withdrawal(site, order, operator_id))

    await ask(db, site, order, "The floor is wet.", operator_id)

    (asked, _) = [each.move_request for each in await lines_of(db, site, order)]
    assert asked is not None
    assert (asked.state, asked.message, asked.ended_at) == (MoveState.WAITING, "The floor is wet.", None)


async def test_moving_ends_the_question_and_moving_another_booking_does_not(db: Database, site: Site) -> None:
    order, _, _ = await asked_order(db, site)

    talk_moved = await Bookings(db).reschedule(moved(site, order, slot(), slot(TALK, hour=16)))
    assert await state_of(db, site, order) is MoveState.WAITING
    await Bookings(db).reschedule(moved(site, talk_moved, slot(day=2), slot(TALK, hour=16)))

    assert await state_of(db, site, order) is MoveState.MOVED


async def test_cancelling_ends_the_question_and_keeps_what_the_operator_writes(db: Database, site: Site) -> None:
    order, booking_id, _ = await asked_order(db, site)

    await Bookings(db).cancel(site.id, order.id, LATER, only=booking_id, message="Sorry!")

    assert await state_of(db, site, order) is MoveState.CANCELLED
    read = await Bookings(db).find(site.id, order.id)
    assert read is not None
    first, second = read[0].bookings
    assert (first.cancel_message, first.cancelled_at, first.move_request) == ("Sorry!", LATER, None)
    assert (second.state, second.cancel_message) == (BookingState.CONFIRMED, "")


async def test_one_booking_is_cancelled_by_where_it_is(db: Database, site: Site) -> None:
    order, _, _ = await asked_order(db, site)

    for _ in range(2):
        await Bookings(db).cancel(site.id, order.id, LATER, only=HERE)

    states = [each.state for each in await lines_of(db, site, order)]
    assert states == [BookingState.CANCELLED, BookingState.CONFIRMED]
    assert await booked(db, slot()) == 0


async def test_an_operator_withdraws_once_and_it_is_noted_once(db: Database, site: Site) -> None:
    order, booking_id, operator_id = await asked_order(db, site)
    entry = withdrawal(site, order, operator_id)

    for _ in range(2):
        state = await MoveRequests(db).withdraw(site.id, order.id, booking_id, entry=entry)
        assert state is MoveState.WITHDRAWN

    assert [each.deed for each in await AuditLog(db).entries(site.id, limit=9)] == [Deed.MOVE_WITHDRAWN]
    read = await Bookings(db).find(site.id, order.id)
    assert read is not None
    assert read[0].bookings[0].move_request is None


async def test_nobody_withdraws_what_is_not_theirs_or_was_never_asked(db: Database, site: Site) -> None:
    order, booking_id, operator_id = await asked_order(db, site)
    other = await found(db, "other")
    entry = withdrawal(site, order, operator_id)
    talk = (await lines_of(db, site, order))[1].id

    for site_id, order_id, booking in [
        (other.id, order.id, booking_id),
        (site.id, "A" * 22, booking_id),
        (site.id, order.id, talk),
        (site.id, order.id, 999),
    ]:
        with pytest.raises(NotFound):
            await MoveRequests(db).withdraw(site_id, order_id, booking, entry=entry)
    assert await state_of(db, site, order) is MoveState.WAITING


async def test_what_operators_wrote_can_be_taken_out_of_one_order(db: Database, site: Site) -> None:
    order, _, operator_id = await asked_order(db, site)
    await Bookings(db).cancel(site.id, order.id, LATER, message="Sorry, Anna!")
    other = await Bookings(db).confirm(confirmation(site, [line(slot())]))
    await ask(db, site, other, "The floor is wet.", operator_id)

    async with db.transaction() as session:
        await MoveRequests.erase(session, site.id, order.id)

    first, _ = await lines_of(db, site, order)
    (of_other,) = await lines_of(db, site, other)
    assert first.move_request is not None
    assert of_other.move_request is not None
    assert (first.cancel_message, first.move_request.message) == ("", "")
    assert of_other.move_request.message == "The floor is wet."


async def test_what_is_open_only_as_somebody_is_asked_is_shut_once_they_are_not(db: Database, site: Site) -> None:
    order, booking_id, operator_id = await asked_order(db, site)
    wanted = replace(moved(site, order, slot(day=2), slot(TALK, hour=14)), only_as_asked=frozenset({HERE}))
    await MoveRequests(db).withdraw(site.id, order.id, booking_id, entry=withdrawal(site, order, operator_id))

    with pytest.raises(TooLate):
        await Bookings(db).reschedule(wanted)
    with pytest.raises(TooLate):
        await Bookings(db).cancel(site.id, order.id, LATER, only=HERE, only_as_asked=[HERE])

    assert await booked(db, slot()) == 1
    await Bookings(db).reschedule(replace(wanted, only_as_asked=frozenset()))


async def test_of_a_customer_and_an_operator_at_once_only_one_has_their_way(db: Database, site: Site) -> None:
    assert await chosen_and_withdrawn_at_once(db, site) == []


async def test_the_control_group_moves_what_was_withdrawn_without_looking_again(
    db: Database, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_away(*_: object) -> frozenset[Slot]:
        return frozenset()

    monkeypatch.setattr(reschedulings, "end_requests_of", look_away)

    assert await chosen_and_withdrawn_at_once(db, site) != []


async def chosen_and_withdrawn_at_once(db: Database, site: Site) -> list[str]:
    """The orders of which both were told yes, though it was too late to move them unasked."""
    operator_id, both = await hire(db, site), list[str]()
    for number in range(6):
        order = await Bookings(db).confirm(confirmation(site, [line(slot(day=3 + number))]))
        booking_id, said = await ask(db, site, order, "", operator_id), list[str]()
        acts = [
            partial(choose, db, moved(site, order, slot(day=20 + number)), said),
            partial(withdraw, db, withdrawal(site, order, operator_id), booking_id, said),
        ]
        async with create_task_group() as tasks:
            for act in acts if number % 2 else acts[::-1]:
                tasks.start_soon(act)
        assert said, "somebody has their way"
        both += [order.id] if len(said) > 1 else []
    return both


async def choose(db: Database, wanted: Rescheduling, said: list[str]) -> None:
    with suppress(Refusal):
        await Bookings(db).reschedule(replace(wanted, only_as_asked=frozenset(wanted.seen)))
        said.append("moved")


async def withdraw(db: Database, entry: Entry, booking_id: int, said: list[str]) -> None:
    state = await MoveRequests(db).withdraw(entry.site_id, entry.about, booking_id, entry=entry)
    if state is MoveState.WITHDRAWN:
        said.append("withdrawn")
