"""An order has its seats in one place at any time, whatever dies while they move."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from httpx2 import Response as Answer

from tests.house import PRIVATE, SITE, Guest, House, refused, slot
from tests.store.studio import TALK, YOGA
from tests.use_cases.test_bookings import A_SECOND, Killed
from widget_server.domain.orders import Order
from widget_server.domain.policies import HOLDS_PER_VISITOR_MAX
from widget_server.domain.schedule import Schedule
from widget_server.domain.sites import Site
from widget_server.domain.slots import Need, OfferedSlot, Slot
from widget_server.engine.reservations import Pin, Reservations
from widget_server.errors import Unavailable
from widget_server.ids import new_id
from widget_server.store.bookings import Bookings as StoredBookings
from widget_server.store.bookings import Outcome, Rescheduling
from widget_server.store.outcomes import GIVEN_UP_KEPT
from widget_server.store.schedule import put_openings
from widget_server.use_cases.bookings import CONFIRMING_WINDOW

pytestmark = pytest.mark.anyio

LATER = slot(day=1)
GONE = Unavailable("The database is not there just now. Please try again.")


class Troubled(StoredBookings):
    """Before or after the record is written, once, something happens."""

    def __init__(
        self,
        house: House,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(house.parts.database)
        self._before, self._after = before, after

    async def reschedule(self, wanted: Rescheduling) -> Order:
        before, self._before = self._before, None
        if before is not None:
            await before()
        order = await super().reschedule(wanted)
        if self._after is not None:
            await self._after()
        return order


async def killed() -> None:
    raise RuntimeError("killed")


async def gone() -> None:
    raise GONE


async def booking(house: House, *lines: tuple[Slot, int] | Slot) -> Guest:
    guest = house.guest()
    assert (await guest.hold(*lines)).status_code == 201
    assert (await guest.confirm()).status_code == 201
    return guest


async def where(guest: Guest) -> list[str]:
    return [each["slot"] for each in (await guest.order()).json()["order"]["bookings"]]


async def counted(house: House, *slots: Slot) -> list[tuple[int, int]]:
    """Held and booked seats of each, after comparing those in Redis with SQL."""
    figures = []
    for each in slots:
        seats = await house.seats(each)
        assert seats.booked == await house.booked_in_sql(each)
        figures.append((seats.held, seats.booked))
    return figures


async def worked(house: House) -> None:
    """What a worker does once a pin is overdue."""
    await house.advance(CONFIRMING_WINDOW + A_SECOND)
    await house.parts.use_cases.reconciliation.sweep("tenuto")


async def test_both_slots_are_right_in_both_places(house: House) -> None:
    anna = await booking(house, (slot(), 3))

    assert (await anna.reschedule((LATER, 3))).status_code == 200
    assert await where(anna) == [LATER.id]
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 3)]
    await house.deliver()
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 3)]


async def test_the_old_seat_is_nobodys_until_the_new_one_is_the_customers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await booking(house, slot(TALK))
    seen = []

    async def others_try() -> None:
        for wanted in (slot(TALK), slot(TALK, day=1)):
            answer = await house.guest().hold(wanted)
            seen.append(answer.json()["error"]["code"])

    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", Troubled(house, before=others_try))
    await anna.reschedule(slot(TALK, day=1))

    assert seen == ["slot_full", "slot_full"]
    assert (await house.guest().hold(slot(TALK))).status_code == 201


async def test_a_slot_that_is_full_leaves_the_booking_where_it_is(house: House) -> None:
    anna = await booking(house, slot(TALK))
    ben = house.guest()
    await ben.hold(slot(TALK, day=1))

    details = refused(await anna.reschedule(slot(TALK, day=1)), 409, "slot_full")
    assert details == {"slot": slot(TALK, day=1).id, "left": 0}
    assert await counted(house, slot(TALK), slot(TALK, day=1)) == [(0, 1), (1, 0)]
    await ben.release()
    assert (await anna.reschedule(slot(TALK, day=1))).status_code == 200


async def test_sql_is_the_last_wall_and_the_pin_is_given_back_at_once(house: House) -> None:
    ben = await booking(house, slot(TALK, day=1))
    anna = await booking(house, slot(TALK))
    await house.rewind(slot(TALK, day=1))

    refused(await anna.reschedule(slot(TALK, day=1)), 409, "slot_full")
    assert (await where(anna), await where(ben)) == ([slot(TALK).id], [slot(TALK, day=1).id])
    assert await counted(house, slot(TALK), slot(TALK, day=1)) == [(0, 1), (0, 1)]


async def test_lines_that_stay_need_no_seat_of_their_own(house: House) -> None:
    anna = await booking(house, (slot(), 2), slot(TALK))

    assert (await anna.reschedule((LATER, 2), slot(TALK))).status_code == 200
    assert await where(anna) == [LATER.id, slot(TALK).id]
    assert await counted(house, slot(), LATER, slot(TALK)) == [(0, 0), (0, 2), (0, 1)]


async def test_of_two_lines_neither_moves_where_one_cannot(house: House) -> None:
    await house.guest().hold(slot(TALK, day=1))
    anna = await booking(house, (slot(), 2), slot(TALK))

    refused(await anna.reschedule((LATER, 2), slot(TALK, day=1)), 409, "slot_full")
    assert await where(anna) == [slot().id, slot(TALK).id]
    assert await counted(house, slot(), LATER, slot(TALK)) == [(0, 2), (0, 0), (0, 1)]


async def test_the_same_call_again_gets_the_same_answer_also_from_an_empty_redis(house: House) -> None:
    anna, move_id = await booking(house, slot(TALK)), new_id()
    first = (await anna.reschedule(slot(TALK, day=1), id=move_id)).json()["order"]

    assert (await anna.reschedule(slot(TALK, day=1), id=move_id)).json()["order"] == first
    await house.flush()
    assert (await anna.reschedule(slot(TALK, day=1), id=move_id)).json()["order"] == first
    await house.parts.use_cases.reconciliation.ensure_loaded(SITE)
    assert await counted(house, slot(TALK), slot(TALK, day=1)) == [(0, 0), (0, 1)]


async def test_an_old_call_repeated_moves_nothing_back(house: House) -> None:
    anna, move_id = await booking(house), new_id()
    await anna.reschedule(LATER, id=move_id)
    await anna.reschedule(slot(day=2))

    assert (await anna.reschedule(LATER, id=move_id)).json()["order"]["bookings"][0]["slot"] == slot(day=2).id
    await anna.cancel()
    assert (await anna.reschedule(LATER, id=move_id)).json()["order"]["bookings"][0]["state"] == "cancelled"
    assert await counted(house, slot(), LATER, slot(day=2)) == [(0, 0)] * 3


async def test_the_same_call_sent_several_times_at_once_moves_once(house: House) -> None:
    anna, move_id = await booking(house, (slot(), 2)), new_id()

    answers = await asyncio.gather(*(anna.reschedule((LATER, 2), id=move_id) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 2)]


async def test_an_id_that_was_used_for_something_else_is_refused_and_what_it_was_used_for_stays(house: House) -> None:
    anna, ben = await booking(house, (slot(), 2)), await booking(house, (slot(), 2))
    held = house.guest()
    await held.hold((LATER, 2))
    moved = new_id()
    await anna.reschedule((LATER, 2), id=moved)

    for used in (held.id, moved, anna.id):
        refused(await ben.reschedule((LATER, 2), id=used), 409, "id_conflict")
    refused(await anna.reschedule((slot(), 2), id=moved), 409, "id_conflict")
    assert (await held.look()).json()["hold"]["state"] == "held"
    assert await counted(house, slot(), LATER) == [(0, 2), (2, 2)]


async def test_nor_may_it_be_used_again_when_only_sql_remembers_it(house: House) -> None:
    anna, ben = await booking(house, (slot(), 2)), await booking(house, (slot(), 2))
    moved = new_id()
    await anna.reschedule((LATER, 2), id=moved)
    await house.flush()

    refused(await ben.reschedule((LATER, 2), id=moved), 409, "id_conflict")
    refused(await ben.reschedule((LATER, 2), id=anna.id), 409, "id_conflict")
    assert await where(ben) == [slot().id]
    await worked(house)
    assert await counted(house, slot(), LATER) == [(0, 2), (0, 2)]


async def test_the_hold_of_a_move_opens_to_nobody_and_is_confirmed_by_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, move_id = await booking(house), new_id()
    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", Troubled(house, before=killed))
    refused(await anna.reschedule(LATER, id=move_id), 500, "failed")

    for secret in (anna.secret, anna.order_secret):
        pinned = replace(anna, id=move_id, secret=secret)
        for answer in (await pinned.look(), await pinned.release(), await pinned.confirm()):
            refused(answer, 403, "not_yours")


async def test_a_process_killed_after_pinning_leaves_seats_that_the_worker_frees(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, move_id = await booking(house, (slot(), 2)), new_id()
    with monkeypatch.context() as dying:
        dying.setattr(house.parts.use_cases.bookings, "_store", Troubled(house, before=killed))
        refused(await anna.reschedule((LATER, 2), id=move_id), 500, "failed")
    assert await counted(house, slot(), LATER) == [(0, 2), (2, 0)]

    await worked(house)
    assert await counted(house, slot(), LATER) == [(0, 2), (0, 0)]
    assert await where(anna) == [slot().id]
    refused(await anna.reschedule((LATER, 2), id=move_id), 410, "hold_ended")
    assert (await anna.reschedule((LATER, 2))).status_code == 200


async def test_who_comes_back_before_the_worker_carries_the_same_pin_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, move_id = await booking(house, slot(TALK)), new_id()
    with monkeypatch.context() as dying:
        dying.setattr(house.parts.use_cases.bookings, "_store", Troubled(house, before=killed))
        refused(await anna.reschedule(slot(TALK, day=1), id=move_id), 500, "failed")

    assert (await anna.reschedule(slot(TALK, day=1), id=move_id)).status_code == 200
    await worked(house)
    assert await counted(house, slot(TALK), slot(TALK, day=1)) == [(0, 0), (0, 1)]


async def test_a_move_that_meets_the_worker_half_way_loses_and_stays_booked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker gives the pin up just before the record is written."""
    anna = await booking(house)
    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", Troubled(house, before=lambda: worked(house)))

    refused(await anna.reschedule(LATER), 410, "hold_ended")
    assert await where(anna) == [slot().id]
    assert await counted(house, slot(), LATER) == [(0, 1), (0, 0)]


@pytest.mark.parametrize("who", ["the outbox", "the sweep", "the customer"])
async def test_a_process_killed_after_the_record_leaves_a_move_that_others_tell(
    house: House, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    anna, move_id = await booking(house, (slot(), 2)), new_id()
    await house.deliver()
    with monkeypatch.context() as dying:
        dying.setattr(house.parts.use_cases.bookings, "_reconciliation", Killed())
        refused(await anna.reschedule((LATER, 2), id=move_id), 500, "failed")
    assert await where(anna) == [LATER.id]
    before = [(await house.seats(each)).taken for each in (slot(), LATER)]
    assert before == [2, 2]  # too many for a moment, never too few

    if who == "the outbox":
        assert await house.deliver() == 1
    elif who == "the sweep":
        await worked(house)
    else:
        assert (await anna.reschedule((LATER, 2), id=move_id)).status_code == 200
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 2)]
    await house.deliver()
    await worked(house)
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 2)]


async def test_where_nobody_knows_whether_it_was_written_the_pin_stays_and_the_truth_comes_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, not_written = await booking(house, (slot(), 2)), await booking(house, (slot(), 3))
    troubles = [(written, 2, Troubled(house, after=gone)), (not_written, 3, Troubled(house, before=gone))]
    for guest, seats, store in troubles:
        with monkeypatch.context() as broken:
            broken.setattr(house.parts.use_cases.bookings, "_store", store)
            refused(await guest.reschedule((LATER, seats)), 503, "unavailable")
    assert (await house.seats(LATER)).held == 5

    await worked(house)
    assert (await where(written), await where(not_written)) == ([LATER.id], [slot().id])
    assert await counted(house, slot(), LATER) == [(0, 3), (0, 2)]


async def test_a_redis_emptied_between_pin_and_record_is_filled_with_the_truth(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await booking(house, (slot(), 2))
    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", Troubled(house, before=house.flush))

    assert (await anna.reschedule((LATER, 2))).status_code == 200
    await house.parts.use_cases.reconciliation.ensure_loaded(SITE)
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 2)]
    await house.deliver()
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 2)]


async def test_what_was_overtaken_between_pin_and_record_is_done_again_with_the_same_pin(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, bookings = await booking(house, slot(TALK)), house.parts.use_cases.bookings

    async def fill() -> None:
        await house.parts.use_cases.reconciliation.fill(SITE)

    async def change() -> None:
        await house.change_service(replace(TALK, description="An hour."))

    for number, overtake in enumerate((fill, change), start=1):
        with monkeypatch.context() as overtaken:
            overtaken.setattr(bookings, "_store", Troubled(house, before=overtake))
            assert (await anna.reschedule(slot(TALK, day=number))).status_code == 200, overtake
        assert await counted(house, slot(TALK, day=number - 1), slot(TALK, day=number)) == [(0, 0), (0, 1)]


async def test_what_the_operator_takes_away_or_prices_meanwhile_is_not_moved_to(house: House) -> None:
    anna, site = await booking(house, (slot(), 2)), await house.site()
    for changed, status, code in [
        (replace(YOGA, price=PRIVATE.price), 409, "payments_not_set_up"),
        (replace(YOGA, seats_per_booking_max=1), 422, "too_many_seats"),
        (replace(YOGA, capacity=1), 409, "slot_full"),
    ]:
        await house.change_service(changed)
        refused(await anna.reschedule((LATER, 2)), status, code)
    await house.change_service(YOGA)
    await house.change(lambda session: put_openings(session, site.id, "yoga", []))
    refused(await anna.reschedule((LATER, 2)), 409, "slot_closed")
    assert await where(anna) == [slot().id]
    assert await counted(house, slot(), LATER) == [(0, 2), (0, 0)]


async def test_of_many_who_move_to_few_seats_as_many_move_as_there_are_seats(house: House) -> None:
    guests = [await booking(house) for _ in range(8)]
    await booking(house, (LATER, 5))
    await booking(house, (LATER, 4))

    answers = await asyncio.gather(*(guest.reschedule(LATER) for guest in guests))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 5
    for guest, answer in zip(guests, answers, strict=True):
        assert await where(guest) == [LATER.id if answer.status_code == 200 else slot().id]
    assert await counted(house, slot(), LATER) == [(0, 5), (0, 12)]


async def test_of_several_moves_of_one_order_at_once_one_counts_and_nothing_is_left_over(house: House) -> None:
    anna = await booking(house, (slot(), 2))
    days = [slot(day=day) for day in range(1, HOLDS_PER_VISITOR_MAX + 1)]

    answers = await asyncio.gather(*(anna.reschedule((day, 2)) for day in days))
    moved = [day for day, answer in zip(days, answers, strict=True) if answer.status_code == 200]
    assert len(moved) >= 1
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 409, "changed")
    (now,) = await where(anna)
    assert now in [day.id for day in moved]
    assert await counted(house, slot(), *days) == [(0, 0), *((0, 2 if day.id == now else 0) for day in days)]


async def test_moving_and_cancelling_at_once_leaves_nothing_booked(house: House) -> None:
    guests = [await booking(house) for _ in range(6)]

    answers = await asyncio.gather(*(act for guest in guests for act in (guest.reschedule(LATER), guest.cancel())))
    for moved, cancelled in zip(answers[::2], answers[1::2], strict=True):
        assert cancelled.status_code == 200
        if moved.status_code != 200:
            refused(moved, 409, "too_late")
    await house.deliver()
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 0)]


async def test_an_order_whose_confirmation_redis_never_heard_of_moves_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = house.guest()
    await anna.hold((slot(), 2))
    with monkeypatch.context() as dying:
        dying.setattr(house.parts.use_cases.bookings, "_reconciliation", Killed())
        refused(await anna.confirm(), 500, "failed")
    anna.order_secret = (await anna.confirm()).json()["order_secret"]

    assert (await anna.reschedule((LATER, 2))).status_code == 200
    await house.deliver()
    await worked(house)
    assert await counted(house, slot(), LATER) == [(0, 0), (0, 2)]


async def test_a_move_takes_no_budget_once_it_is_done(house: House) -> None:
    anna = await booking(house)

    for day in range(1, 6):
        assert (await anna.reschedule(slot(day=day), visitor=anna.visitor)).status_code == 200
    await house.advance(timedelta(minutes=20))
    assert await counted(house, slot(), slot(day=5)) == [(0, 0), (0, 1)]


class Stopped(Reservations):
    """Once the new seats are pinned, a week passes: the worker gives the pin up, and SQL forgets that it did."""

    def __init__(self, house: House) -> None:
        super().__init__(house.redis)
        self._house = house

    async def hold_and_pin(self, site: Site, *lines: Any, id: str, **wanted: Any) -> Pin:
        pin = await super().hold_and_pin(site, *lines, id=id, **wanted)
        await self._house.store.give_up(site.id, id, pin.fence)
        assert await self._house.store.prune(site.id, datetime.now(UTC) + GIVEN_UP_KEPT) == 1
        return pin


async def test_a_move_that_began_before_it_was_given_up_and_forgotten_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await booking(house, slot(TALK))
    monkeypatch.setattr(house.parts.use_cases.bookings, "_engine", Stopped(house))

    refused(await anna.reschedule(slot(TALK, day=1)), 410, "hold_ended")
    assert await where(anna) == [slot(TALK).id]
    assert await counted(house, slot(TALK), slot(TALK, day=1)) == [(0, 1), (0, 0)]


async def test_an_order_that_has_moved_does_not_stand_in_its_own_way_when_it_moves_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pia serves all talks, and needs half an hour before and after each."""
    half_an_hour, find = timedelta(minutes=30), Schedule.find

    def served_by_pia(schedule: Schedule, of: Slot) -> OfferedSlot | None:
        offered, day = find(schedule, of), datetime.combine(of.starts_at.date(), time(), UTC)
        busy_from, busy_until = of.starts_at - half_an_hour, of.ends_at + half_an_hour
        need = Need(("staff/pia",), 1, busy_from, busy_until, day, day + timedelta(days=1))
        return offered and replace(offered, needs=(need,))

    monkeypatch.setattr(Schedule, "find", served_by_pia)
    anna = await booking(house, slot(TALK))
    assert (await anna.reschedule(slot(TALK, number=4))).status_code == 200

    refused(await house.guest().hold(slot(TALK, number=5)), 409, "slot_full")
    assert (await anna.reschedule(slot(TALK, number=5))).status_code == 200
    assert await where(anna) == [slot(TALK, number=5).id]


async def moved_twice(house: House, monkeypatch: pytest.MonkeyPatch, troubled: type[Troubled]) -> tuple[Answer, Answer]:
    """Anna's move is sent again: in between, Redis is set back, and ben takes the seat."""
    anna, ben, hold_id, again = await booking(house, slot(TALK)), house.guest(), new_id(), []
    await house.remember()

    async def meanwhile() -> None:
        await house.go_back()
        assert (await ben.hold(slot(TALK, day=1))).status_code == 201
        again.append(await anna.reschedule(slot(TALK, day=1), id=hold_id))

    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", troubled(house, before=meanwhile))
    first = await anna.reschedule(slot(TALK, day=1), id=hold_id)
    return first, again[0]


async def test_who_was_told_no_is_not_moved_by_the_same_call_that_was_sent_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = await moved_twice(house, monkeypatch, Troubled)

    refused(again, 409, "slot_full")
    refused(first, 410, "hold_ended")
    assert await house.booked_in_sql(slot(TALK)) == 1


async def test_the_control_group_says_no_and_moves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reading(Troubled):
        async def refuse(self, site_id: int, hold_id: str, owner: str, *, fence: int = 0) -> Outcome | None:
            return await self.outcome(site_id, hold_id)

    first, again = await moved_twice(house, monkeypatch, Reading)

    refused(again, 409, "slot_full")
    assert first.status_code == 200
