"""From hold to booking whatever happens on the way: repeats, lost answers, killed processes, a lying or empty Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from httpx2 import Response as Answer

from tests.domain.schedules import daily
from tests.house import PRIVATE, Guest, House, refused, slot
from tests.store.studio import TALK, YOGA
from widget_server.domain.money import Money
from widget_server.domain.orders import Order
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX, HOLDS_PER_VISITOR_MAX
from widget_server.domain.sites import Site
from widget_server.errors import SlotClosed, Unavailable
from widget_server.ids import hash_secret, new_id
from widget_server.store.bookings import Bookings as StoredBookings
from widget_server.store.bookings import Confirmation, Outcome
from widget_server.store.schedule import put_openings
from widget_server.use_cases.bookings import CONFIRMING_WINDOW
from widget_server.use_cases.reconciliation import Reconciliation

pytestmark = pytest.mark.anyio

HOLD_LENGTH, A_SECOND = timedelta(minutes=10), timedelta(seconds=1)


class Killed(Reconciliation):
    """Of a process that ends as soon as its confirmation is written."""

    def __init__(self) -> None:
        pass

    async def tell_booked(self, site: Site, order_id: str, fence: int) -> None:
        raise RuntimeError("killed")


class Overtaken(StoredBookings):
    """Between its pin and its record, once, something happens."""

    def __init__(self, house: House, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(house.parts.database)
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    async def confirm(self, wanted: Confirmation) -> Order:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await super().confirm(wanted)


class Reading(Overtaken):
    """Without the guard: says no because nothing is decided yet."""

    async def refuse(self, site_id: int, hold_id: str, owner: str, *, fence: int = 0) -> Outcome | None:
        return await self.outcome(site_id, hold_id)


class Forgetful(StoredBookings):
    """Its connection breaks after the commit: nobody knows whether it was written."""

    async def confirm(self, wanted: Confirmation) -> Order:
        await super().confirm(wanted)
        raise Unavailable("The database is not there just now. Please try again.")


async def holding(house: House, *, seats: int = 1) -> Guest:
    guest = house.guest()
    assert (await guest.hold((slot(), seats))).status_code == 201
    return guest


async def test_a_confirmed_hold_is_booked_in_both_places(house: House) -> None:
    anna = await holding(house, seats=3)

    assert (await anna.confirm()).status_code == 201
    seats = await house.seats()
    assert (seats.held, seats.booked, await house.booked_in_sql()) == (0, 3, 3)


async def test_confirming_twice_at_once_makes_one_order(house: House) -> None:
    anna = await holding(house, seats=2)

    answers = await asyncio.gather(*(anna.confirm() for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["order"]["number"] for answer in answers}) == 1
    assert len({answer.json()["order_secret"] for answer in answers}) == 1
    assert ((await house.seats()).booked, await house.booked_in_sql()) == (2, 2)


async def test_of_two_different_confirmations_at_once_one_wins_and_the_other_is_refused(house: House) -> None:
    anna = await holding(house)

    answers = sorted(
        await asyncio.gather(anna.confirm("Anna Berg"), anna.confirm("Anna Tal")), key=lambda a: a.status_code
    )
    assert answers[0].status_code == 201
    refused(answers[1], 409, "id_conflict")
    assert await house.booked_in_sql() == 1


async def test_an_expired_hold_is_confirmed_if_its_seats_are_still_free(house: House) -> None:
    anna = await holding(house, seats=2)
    await house.advance(HOLD_LENGTH + A_SECOND)
    await house.parts.use_cases.reconciliation.sweep("tenuto")
    assert (await house.seats()).held == 0

    assert (await anna.confirm()).status_code == 201
    assert (await house.seats()).booked == 2


async def test_an_expired_hold_is_refused_if_somebody_else_has_its_seats(house: House) -> None:
    anna = house.guest()
    await anna.hold(slot(TALK))
    await house.advance(HOLD_LENGTH + A_SECOND)
    ben = house.guest()
    assert (await ben.hold(slot(TALK))).status_code == 201

    assert refused(await anna.confirm(), 409, "slot_full") == {"slot": slot(TALK).id, "left": 0}
    assert (await ben.confirm("Ben Oak")).status_code == 201


async def test_whoever_lost_the_answer_gets_the_same_order_and_secret_again(house: House) -> None:
    anna = await holding(house)
    first = (await anna.confirm()).json()

    again = (await anna.confirm()).json()
    assert {**again, "server_now": ""} == {**first, "server_now": ""}


async def test_the_same_order_comes_back_also_when_redis_has_forgotten_the_hold(house: House) -> None:
    anna = await holding(house, seats=2)
    first = (await anna.confirm()).json()
    await house.flush()

    again = await anna.confirm()
    assert (again.status_code, again.json()["order"]) == (201, first["order"])
    assert again.json()["order_secret"] == first["order_secret"]
    assert (await house.seats()).booked == 2
    refused(await anna.confirm("Somebody Else"), 409, "id_conflict")


async def test_without_holds_the_same_order_comes_back_from_a_slot_that_is_full_by_now(house: House) -> None:
    await house.change_settings(holds_on=False)
    anna = house.guest()
    first = (await anna.confirm_at_once(slot(TALK))).json()
    await house.flush()

    again = await anna.confirm_at_once(slot(TALK))
    assert (again.status_code, again.json()["order"]) == (201, first["order"])
    assert (await house.seats(slot(TALK))).taken == 1


async def test_without_holds_a_repeat_after_a_wipe_takes_no_second_seat(house: House) -> None:
    await house.change_settings(holds_on=False)
    anna = house.guest()
    await anna.confirm_at_once((slot(), 2))
    await house.flush()

    await anna.confirm_at_once((slot(), 2))
    seats = await house.seats()
    assert (seats.held, seats.booked) == (0, 2)


async def test_somebody_elses_secret_does_not_show_an_order_that_exists(house: House) -> None:
    anna = await holding(house)
    await anna.confirm()
    ben = replace(anna, secret=new_id())

    refused(await ben.confirm(), 403, "not_yours")


async def test_nor_does_it_when_redis_has_forgotten_whose_hold_it_was(house: House) -> None:
    anna = await holding(house)
    await anna.confirm()
    await house.flush()
    ben = replace(anna, secret=new_id())

    refused(await ben.confirm(), 409, "id_conflict")


async def confirmed_twice(
    house: House, monkeypatch: pytest.MonkeyPatch, overtaken: type[Overtaken]
) -> tuple[Answer, Answer]:
    """Anna confirms, and again since nobody answers: between pin and record of the first try, Redis is set back to
    before her hold, and ben takes the seat.
    """
    anna, ben, again = house.guest(), house.guest(), []
    await house.remember()
    await anna.hold(slot(TALK))

    async def meanwhile() -> None:
        await house.go_back()
        assert (await ben.hold(slot(TALK))).status_code == 201
        again.append(await anna.confirm_at_once(slot(TALK)))

    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", overtaken(house, meanwhile))
    first = await anna.confirm_at_once(slot(TALK))
    return first, again[0]


async def test_who_was_told_no_is_not_booked_by_the_same_confirmation_that_was_sent_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, again = await confirmed_twice(house, monkeypatch, Overtaken)

    refused(again, 409, "slot_full")
    refused(first, 410, "hold_ended")
    assert await house.booked_in_sql(slot(TALK)) == 0


async def test_the_control_group_says_no_and_books(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first, again = await confirmed_twice(house, monkeypatch, Reading)

    refused(again, 409, "slot_full")
    assert first.status_code == 201
    assert await house.booked_in_sql(slot(TALK)) == 1


async def test_a_no_stays_a_no_and_another_id_gets_what_is_free_by_then(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await ben.hold(slot(TALK))
    refused(await anna.confirm_at_once(slot(TALK)), 409, "slot_full")
    await ben.release()

    refused(await anna.confirm_at_once(slot(TALK)), 410, "hold_ended")
    assert (await house.seats(slot(TALK))).taken == 0
    assert (await house.guest().confirm_at_once(slot(TALK))).status_code == 201


async def test_a_no_to_somebody_who_knows_an_id_without_its_secret_stops_nobody(house: House) -> None:
    anna, ben = house.guest(), house.guest()
    await ben.hold(slot(TALK))
    refused(await replace(anna, secret=new_id()).confirm_at_once(slot(TALK)), 409, "slot_full")
    await ben.release()

    assert (await anna.confirm_at_once(slot(TALK))).status_code == 201


async def test_what_is_no_only_for_now_can_be_asked_for_again(house: House) -> None:
    anna = house.guest()
    others = [replace(house.guest(), visitor=anna.visitor) for _ in range(HOLDS_PER_VISITOR_MAX)]
    for other in others:
        assert (await other.hold()).status_code == 201
    refused(await anna.confirm_at_once(), 429, "hold_budget_spent")
    await others[0].release()

    assert (await anna.confirm_at_once()).status_code == 201


async def test_a_process_killed_after_pinning_leaves_seats_that_the_worker_frees(house: House) -> None:
    anna = await holding(house, seats=2)
    await house.pin(anna)
    assert (await anna.look()).json()["hold"]["state"] == "paying"

    await house.advance(CONFIRMING_WINDOW + A_SECOND)
    await house.parts.use_cases.reconciliation.sweep("tenuto")
    assert (await house.seats()).taken == 0
    assert (await anna.look()).json()["hold"]["state"] == "released"
    refused(await anna.confirm(), 410, "hold_ended")
    assert await house.booked_in_sql() == 0


async def test_who_comes_back_before_the_worker_carries_the_same_pin_on(house: House) -> None:
    anna = await holding(house)
    await house.pin(anna)

    assert (await anna.confirm()).status_code == 201
    await house.advance(CONFIRMING_WINDOW + A_SECOND)
    await house.parts.use_cases.reconciliation.sweep("tenuto")
    assert (await house.seats()).booked == 1


async def test_a_confirmation_that_meets_the_worker_half_way_loses(house: House) -> None:
    """The worker has written its outcome, and was killed before it could tell Redis."""
    anna = await holding(house)
    pin = await house.pin(anna)
    await house.store.give_up((await house.site()).id, anna.id, pin.fence)

    refused(await anna.confirm(), 410, "hold_ended")
    await house.advance(CONFIRMING_WINDOW + A_SECOND)
    await house.parts.use_cases.reconciliation.sweep("tenuto")
    assert ((await house.seats()).taken, await house.booked_in_sql()) == (0, 0)


async def test_a_process_killed_after_the_record_leaves_a_booking_that_the_worker_tells(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await holding(house, seats=2)
    with monkeypatch.context() as killed:
        killed.setattr(house.parts.use_cases.bookings, "_reconciliation", Killed())
        refused(await anna.confirm(), 500, "failed")
    seats = await house.seats()
    assert (seats.held, seats.booked) == (2, 0)

    await house.deliver()
    seats = await house.seats()
    assert (seats.held, seats.booked) == (0, 2)
    assert (await anna.confirm()).status_code == 201
    await house.deliver()
    assert ((await house.seats()), await house.booked_in_sql()) == (seats, 2)


async def test_where_nobody_knows_whether_it_was_written_the_pin_stays_and_the_truth_comes_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, ben = await holding(house), await holding(house)
    with monkeypatch.context() as broken:
        broken.setattr(house.parts.use_cases.bookings, "_store", Forgetful(house.parts.database))
        for answer in (await anna.confirm(), await ben.confirm("Ben Oak")):
            refused(answer, 503, "unavailable")
            assert answer.headers["retry-after"] == "2"
    assert (await anna.look()).json()["hold"]["state"] == "paying"

    assert (await anna.confirm()).status_code == 201
    await house.advance(CONFIRMING_WINDOW + A_SECOND)
    await house.parts.use_cases.reconciliation.sweep("tenuto")
    assert (await ben.look()).json()["hold"]["state"] == "confirmed"
    assert ((await house.seats()).booked, await house.booked_in_sql()) == (2, 2)


async def test_sql_is_the_last_wall_when_redis_lies_and_redis_is_told_the_truth(house: House) -> None:
    anna = house.guest()
    await anna.hold(slot(TALK))
    await anna.confirm()
    await house.rewind(slot(TALK))
    ben = house.guest()
    assert (await ben.hold(slot(TALK))).status_code == 201

    assert refused(await ben.confirm("Ben Oak"), 409, "slot_full") == {"slot": slot(TALK).id, "left": 0}
    seats = await house.seats(slot(TALK))
    assert (seats.held, seats.booked) == (0, 1)
    assert (await ben.look()).json()["hold"]["state"] == "released"
    refused(await house.guest().hold(slot(TALK)), 409, "slot_full")


async def test_who_meets_the_last_wall_hears_of_it_also_where_redis_cannot_take_the_seats_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that began it all again, their second try would only learn that the first one had been given up."""
    anna, ben = house.guest(), house.guest()
    await anna.hold(slot(TALK))
    await anna.confirm()
    await house.rewind(slot(TALK))
    await ben.hold(slot(TALK))

    async def meanwhile() -> None:
        site = await house.site()
        assert await house.engine.rebuild(site, site.epoch + 1, "somebody", A_SECOND) is None

    monkeypatch.setattr(house.parts.use_cases.bookings, "_store", Overtaken(house, meanwhile))
    assert refused(await ben.confirm("Ben Oak"), 409, "slot_full") == {"slot": slot(TALK).id, "left": 0}


async def test_fifty_at_once_without_holds_get_exactly_ten_seats(house: House) -> None:
    await house.change_settings(holds_on=False)
    await house.change_service(replace(YOGA, capacity=10))
    crowd = [house.guest() for _ in range(HOLDS_PER_NETWORK_MAX)]

    answers = await asyncio.gather(*(guest.confirm_at_once() for guest in crowd))
    assert sum(answer.status_code == 201 for answer in answers) == 10
    for answer in answers:
        if answer.status_code != 201:
            refused(answer, 409, "slot_full")
    seats = await house.seats()
    assert (seats.held, seats.booked, await house.booked_in_sql()) == (0, 10, 10)


async def test_the_control_group_oversells_by_looking_first_and_taking_then(house: House) -> None:
    async def take() -> bool:
        (taken,) = await house.redis.read(("GET", "taken"))
        if int(taken or 0) >= 10:
            return False
        await house.redis.read(("INCRBY", "taken", 1))
        return True

    assert sum(await asyncio.gather(*(take() for _ in range(50)))) > 10


async def test_a_crowd_that_holds_and_confirms_gets_exactly_the_seats_there_are(house: House) -> None:
    crowd = [house.guest() for _ in range(HOLDS_PER_NETWORK_MAX)]

    async def hold_and_confirm(guest: Guest) -> int:
        held = await guest.hold()
        return (await guest.confirm()).status_code if held.status_code == 201 else held.status_code

    statuses = await asyncio.gather(*(hold_and_confirm(guest) for guest in crowd))
    assert sorted(statuses) == [201] * YOGA.capacity + [409] * (len(crowd) - YOGA.capacity)
    assert ((await house.seats()).booked, await house.booked_in_sql()) == (YOGA.capacity, YOGA.capacity)


async def test_a_hold_from_before_holds_were_switched_off_can_still_be_confirmed(house: House) -> None:
    anna = await holding(house)
    await house.change_settings(holds_on=False)

    assert (await anna.confirm()).status_code == 201


async def test_who_wanted_seats_at_once_gets_them_also_after_holds_were_switched_on(house: House) -> None:
    assert (await house.guest().confirm_at_once()).status_code == 201


async def test_lines_that_are_not_those_of_the_hold_are_refused(house: House) -> None:
    anna = await holding(house)

    refused(await anna.confirm_at_once((slot(), 2)), 409, "changed")
    assert (await anna.look()).json()["hold"]["state"] == "held"


async def test_a_schedule_that_another_process_has_changed_is_read_again(house: House) -> None:
    """The gate knows of the change before anybody has told this process."""
    anna = await holding(house)
    site = await house.site()
    await house.parts.use_cases.catalog.find(site.key)
    closed = daily("yoga", slot().starts_at.time(), slot().ends_at.time())
    await house.parts.use_cases.scheduling.change(site, lambda session: put_openings(session, site.id, "yoga", closed))

    refused(await house.guest().hold(slot(number=1)), 409, "slot_closed")
    assert (await anna.confirm()).status_code == 201


async def test_whoever_finds_the_gate_ahead_of_sql_lets_sql_catch_up(house: House) -> None:
    """A process was killed between the two steps of a change."""
    anna = await holding(house)
    site = await house.site()
    assert await house.engine.raise_schedule(site, site.schedule_version + 1)

    assert (await anna.confirm()).status_code == 201
    assert (await house.guest().hold()).status_code == 201
    assert (await house.site()).schedule_version == site.schedule_version + 1


async def test_what_the_operator_takes_away_or_prices_meanwhile_is_not_booked_and_free_at_once(house: House) -> None:
    site = await house.site()
    changes = [
        (replace(YOGA, price=PRIVATE.price), 409, "payments_not_set_up"),
        (replace(YOGA, seats_per_booking_max=1), 422, "too_many_seats"),
        (replace(YOGA, capacity=1), 409, "slot_full"),
    ]
    for changed, status, code in changes:
        anna = await holding(house, seats=2)
        await house.change_service(changed)
        refused(await anna.confirm(), status, code)
        assert (await house.seats()).taken == 0, code
        await house.change_service(replace(YOGA, price=Money(0, "EUR")))

    anna = await holding(house, seats=2)
    await house.change(lambda session: put_openings(session, site.id, "yoga", []))
    refused(await anna.confirm(), 409, "slot_closed")
    assert await house.booked_in_sql() == 0


async def test_a_cancelled_seat_is_free_at_once(house: House) -> None:
    anna = house.guest()
    await anna.hold(slot(TALK))
    await anna.confirm()
    ben = house.guest()
    refused(await ben.hold(slot(TALK)), 409, "slot_full")

    assert (await anna.cancel()).status_code == 200
    assert (await ben.hold(slot(TALK))).status_code == 201


async def test_cancelling_at_once_several_times_gives_each_seat_back_once(house: House) -> None:
    anna, ben = await holding(house, seats=2), await holding(house, seats=3)
    await anna.confirm()
    await ben.confirm("Ben Oak")

    answers = await asyncio.gather(*(anna.cancel() for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert ((await house.seats()).booked, await house.booked_in_sql()) == (3, 3)
    await anna.confirm()
    assert await house.booked_in_sql() == 3


async def test_a_cancellation_that_redis_did_not_hear_of_is_told_by_the_worker(house: House) -> None:
    anna = await holding(house, seats=2)
    await anna.confirm()
    await house.store.cancel((await house.site()).id, anna.id, datetime.now(UTC))
    assert (await house.seats()).booked == 2

    await house.deliver()
    assert (await house.seats()).booked == 0


async def test_a_refusal_gives_back_no_seats_that_the_same_confirmation_sent_twice_has_booked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = await holding(house, seats=2)
    pin = await house.pin(anna)
    bookings = house.parts.use_cases.bookings
    with monkeypatch.context() as between_record_and_commit:
        between_record_and_commit.setattr(bookings, "_reconciliation", Killed())
        refused(await anna.confirm(), 500, "failed")

    owner, refusal = hash_secret("the second try"), SlotClosed("It was closed a moment ago.")
    before = await bookings._take_back(await house.site(), anna.id, owner, pin, refusal)

    assert before.order is not None
    assert (await house.seats()).taken == await house.booked_in_sql() == 2
