"""Clearings: an edit that cancels many, or asks them to move, is saved at once, and happens to some at a time."""

import pytest
from sqlmodel import col, select

from tests.house import Guest, House, slot
from tests.use_cases.test_blackouts import DAY, black_out, book, schedule_of
from tests.use_cases.test_calendar import operator_of
from widget_server.domain.audit_log import Deed
from widget_server.domain.blackouts import Blackout
from widget_server.domain.impact import Choice, Chosen
from widget_server.errors import NotFound, Unavailable
from widget_server.store import clearings as stored
from widget_server.store.audit_log import AuditLog
from widget_server.store.clearings import Clearing
from widget_server.store.tables import MessageRow
from widget_server.use_cases.edits import Edited, fingerprint_of

pytestmark = pytest.mark.anyio

WHOLE_DAY = Blackout(DAY, DAY)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "AT_ONCE", 2)


async def book_many(house: House, count: int = 5) -> list[Guest]:
    return [await book(house, slot(number=number % 4)) for number in range(count)]


async def decide(house: House, every: Choice) -> Edited:
    asked = await black_out(house, WHOLE_DAY)
    chosen = Chosen(every, message="Water in the house.", bookings_seen=fingerprint_of(asked.bookings))
    return await black_out(house, WHOLE_DAY, choice=chosen)


async def clearing_of(house: House, edited: Edited) -> Clearing:
    return await house.parts.use_cases.clearings.find(await house.site(), edited.clearing_id or 0)


async def states_of(guests: list[Guest]) -> list[str]:
    return [(await guest.order()).json()["order"]["bookings"][0]["state"] for guest in guests]


async def step(house: House) -> int:
    return await house.parts.use_cases.clearings.step()


async def mails(house: House, kind: str) -> list[tuple[str | None, str]]:
    """To whom, with which words of the operator."""
    to_customers = select(MessageRow.order_id, MessageRow.text).where(
        col(MessageRow.kind) == kind, col(MessageRow.recipient) == "customer"
    )
    async with house.parts.database.snapshot() as session:
        return [(order_id, text) for order_id, text in await session.exec(to_customers)]


async def test_few_are_cancelled_together_with_the_edit(house: House) -> None:
    guests = await book_many(house, 2)

    edited = await decide(house, Choice.CANCEL)

    assert (edited.is_saved, edited.clearing_id) == (True, None)
    assert await states_of(guests) == ["cancelled"] * 2


async def test_many_are_cancelled_some_at_a_time_each_once_and_told_once(house: House) -> None:
    guests = await book_many(house)

    edited = await decide(house, Choice.CANCEL)

    assert edited.is_saved
    assert (await schedule_of(house)).find(slot()) is None, "nothing is offered from the moment it is saved"
    assert await states_of(guests) == ["confirmed"] * 5
    counted, cancelled = [], []
    for _ in range(4):
        counted.append(await step(house))
        cancelled.append((await states_of(guests)).count("cancelled"))
    assert (counted, cancelled) == ([2, 2, 1, 0], [2, 4, 5, 5])
    ended = await clearing_of(house, edited)
    assert (ended.bookings, ended.done, ended.waiting) == (5, 5, 0)
    assert ended.ended_at is not None
    told = await mails(house, "cancelled")
    assert len(told) == len({order_id for order_id, _ in told}) == 5
    assert {text for _, text in told} == {"Water in the house."}
    assert sum([(await house.seats(slot(number=number))).booked for number in range(4)]) == 0
    entries = await AuditLog(house.parts.database).entries((await house.site()).id, limit=100)
    assert [entry.deed for entry in entries].count(Deed.BOOKING_CANCELLED) == 5


async def test_meanwhile_others_can_hold_and_book_what_is_open(house: House) -> None:
    await book_many(house)
    edited = await decide(house, Choice.CANCEL)

    for day in (1, 2, 3):
        ben = await book(house, slot(day=day))
        assert (await states_of([ben])) == ["confirmed"]
        await step(house)

    assert (await clearing_of(house, edited)).ended_at is not None


async def test_a_step_that_is_cut_short_has_not_happened_and_whoever_comes_next_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    guests = await book_many(house)
    edited = await decide(house, Choice.CANCEL)
    await step(house)

    async def die(*_: object) -> None:
        raise Unavailable("the worker has died")

    with monkeypatch.context() as dying:
        dying.setattr(stored, "_end_if_done", die)
        with pytest.raises(Unavailable):
            await step(house)
    assert (await states_of(guests)).count("cancelled") == 2
    assert (await clearing_of(house, edited)).waiting == 3

    while await step(house):
        pass

    assert await states_of(guests) == ["cancelled"] * 5
    assert len(await mails(house, "cancelled")) == 5


async def test_many_are_asked_to_move_and_keep_their_seats(house: House) -> None:
    guests = await book_many(house)
    await decide(house, Choice.MOVE)

    assert [await step(house) for _ in range(4)] == [2, 2, 1, 0]

    assert await states_of(guests) == ["confirmed"] * 5
    orders = [(await guest.order()).json()["order"] for guest in guests]
    assert [order["bookings"][0]["move_request"]["message"] for order in orders] == ["Water in the house."] * 5
    assert len(await mails(house, "waiting_alternatives")) == 5
    kept = (await schedule_of(house)).find(slot())
    assert kept is not None
    assert kept.is_closed


async def test_who_has_cancelled_or_moved_meanwhile_is_left_alone(house: House) -> None:
    anna, ben, cleo = await book_many(house, 3)
    edited = await decide(house, Choice.CANCEL)
    await anna.cancel()
    moved = await ben.reschedule(slot(day=2))
    assert moved.status_code == 200, moved.text

    while await step(house):
        pass

    assert await states_of([anna, ben, cleo]) == ["cancelled", "confirmed", "cancelled"]
    assert (await clearing_of(house, edited)).ended_at is not None
    assert len(await mails(house, "cancelled")) == 2, "anna's own, and cleo's"


async def test_to_another_edit_those_who_are_going_to_be_cancelled_are_not_there(house: House) -> None:
    await book_many(house)
    await decide(house, Choice.CANCEL)

    again = await black_out(house, Blackout(DAY, DAY, service="yoga", reason="paint"))

    assert again.is_saved
    assert (await schedule_of(house)).slot_rules == ()


async def stop(house: House, edited: Edited) -> Clearing:
    site = await house.site()
    return await house.parts.use_cases.clearings.stop(
        site, edited.clearing_id or 0, operator_id=await operator_of(house)
    )


async def test_what_is_stopped_goes_no_further_and_who_is_left_keeps_their_seats(house: House) -> None:
    guests = await book_many(house)
    edited = await decide(house, Choice.CANCEL)
    await step(house)

    stopped = await stop(house, edited)
    again = await stop(house, edited)

    assert again == stopped
    assert (stopped.bookings, stopped.done, stopped.waiting, stopped.is_stopped) == (5, 2, 3, True)
    assert await step(house) == 0
    assert await house.parts.use_cases.clearings.under_way(await house.site()) == []
    states = await states_of(guests)
    assert sorted(states) == ["cancelled"] * 2 + ["confirmed"] * 3
    schedule = await schedule_of(house)
    for number, state in enumerate(states):
        kept = schedule.find(slot(number=number % 4))
        assert state == "cancelled" or (kept is not None and kept.is_closed), "kept for them, closed for all others"
    assert (await house.guest().hold(slot(number=4 - 1))).status_code == 409
    entries = await AuditLog(house.parts.database).entries((await house.site()).id, limit=100)
    told = [entry.detail for entry in entries if entry.deed == Deed.CLEARING_STOPPED]
    assert told == [{"bookings_done": 2, "bookings_kept": 3}]
    assert len(await mails(house, "cancelled")) == 2


async def test_after_a_stop_the_same_can_be_decided_anew(house: House) -> None:
    guests = await book_many(house)
    await stop(house, await decide(house, Choice.CANCEL))

    (blackout,) = (await schedule_of(house)).blackouts
    await house.parts.use_cases.blackouts.remove(
        await house.site(), blackout.id or 0, operator_id=await operator_of(house)
    )
    await decide(house, Choice.CANCEL)
    while await step(house):
        pass

    assert await states_of(guests) == ["cancelled"] * 5


async def test_a_clearing_of_another_site_is_not_found(house: House) -> None:
    await book_many(house)
    edited = await decide(house, Choice.CANCEL)
    other = await house.found("other")

    with pytest.raises(NotFound):
        await house.parts.use_cases.clearings.find(other, edited.clearing_id or 0)
    with pytest.raises(NotFound):
        await house.parts.use_cases.clearings.stop(other, edited.clearing_id or 0, operator_id=1)
    assert list(await house.parts.use_cases.clearings.under_way(other)) == []
    assert [one.waiting for one in await house.parts.use_cases.clearings.under_way(await house.site())] == [5]
