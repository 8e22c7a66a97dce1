"""What is left of slots that share their people: told by the feed, read from diaries, and granted by the engine."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.engine.box import HOLD_LENGTH, Box
from tests.engine.test_claims import PIA, QUINN, ROOM, by
from widget_server.domain.bookings import BookedSeats
from widget_server.domain.claims import Claim, Diaries, Diary, days_touched, seats_with_claims
from widget_server.domain.events import SeatsMoved
from widget_server.domain.holds import Line
from widget_server.domain.slots import OfferedSlot, Seats, Slot, SlotState
from widget_server.errors import Refusal, SlotFull

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]

PEOPLE = (PIA, QUINN, "staff/rosa")
_TEN = datetime.now(UTC).replace(hour=22, minute=0, second=0, microsecond=0) + timedelta(days=2)


def at(service: str, minutes: int, length: int = 60) -> Slot:
    starts_at = _TEN + timedelta(minutes=minutes)
    return Slot(service, starts_at, starts_at + timedelta(minutes=length))


TALKS = [at("talk", 60 * n) for n in range(4)]
LESSONS = [at("lesson", 45 * n, 45) for n in range(5)]
"""Over midnight, and each of them beside a talk or two. A lesson keeps its people for a while before and after."""


def serve(box: Box, *, each: int = 2, room: bool = False) -> None:
    for talk in TALKS:
        box.needs[talk] = (*by(*PEOPLE, of=talk, seats=each), *(by(ROOM, of=talk, seats=9) if room else ()))
    for lesson in LESSONS:
        box.needs[lesson] = by(PIA, QUINN, of=lesson, before=timedelta(minutes=10), after=timedelta(minutes=20))


async def diaries(box: Box) -> dict[date, dict[str, Diary]]:
    """As they stand in Redis."""
    found: dict[date, dict[str, Diary]] = {}
    days = [_TEN.date(), _TEN.date() + timedelta(days=1)]
    wanted = [(name, day) for name in (*PEOPLE, ROOM) for day in days]
    _, read = await box.engine.days_and_diaries(box.site, [], wanted)
    for (name, day), diary in read.items():
        found.setdefault(day, {})[name] = diary
    return found


async def left(box: Box, of: Slot) -> int:
    """Seats left, by what the diaries say of claims that have not run out yet."""
    now, stand = await box.now(), await diaries(box)
    alive = {
        day: {
            name: Diary.of(diary.count, (c for c in diary.claims if _lives(c, now))) for name, diary in of_day.items()
        }
        for day, of_day in stand.items()
    }
    return (await public(box, of, alive)).left


class Public:
    def __init__(self, offered: OfferedSlot, seats: Seats) -> None:
        self.seats, self.left = seats, offered.left(seats)
        self.state = offered.state(seats, _TEN - timedelta(days=1))


async def public(box: Box, of: Slot, among: Diaries | None = None) -> Public:
    (offered,) = box.offer(of)
    among = await diaries(box) if among is None else among
    return Public(offered, seats_with_claims(offered, await box.seats(of), among, schedule_version=1))


def _lives(claim: Claim, now: datetime) -> bool:
    return claim.frees_at is None or claim.frees_at > now


async def told(box: Box) -> dict[date, dict[str, Diary]]:
    """Diaries as whoever only heard the feed has them."""
    heard: dict[date, dict[str, Diary]] = {}
    for update in await box.feed.tail("tenuto", 10_000):
        for moved in update.claims if isinstance(update, SeatsMoved) else ():
            of_day = heard.setdefault(moved.day, {})
            of_day[moved.claimed] = of_day.get(moved.claimed, Diary()).after(moved)
            assert of_day[moved.claimed].count == moved.count, "no change is passed over"
    return heard


async def test_a_claim_on_one_service_takes_seats_of_every_overlapping_slot(box: Box) -> None:
    box.capacity = 6
    serve(box)
    assert [await left(box, slot) for slot in TALKS] == [6, 6, 6, 6]
    assert [await left(box, slot) for slot in LESSONS] == [2, 2, 2, 2, 2]

    await box.hold("anna", LESSONS[1])  # keeps somebody from 22:35 until 23:50

    assert [await left(box, slot) for slot in TALKS] == [4, 4, 6, 6]
    assert [await left(box, slot) for slot in LESSONS] == [1, 1, 1, 2, 2]
    await box.release("anna")
    assert [await left(box, slot) for slot in TALKS + LESSONS] == [6, 6, 6, 6, 2, 2, 2, 2, 2]


async def test_whoever_heard_the_feed_knows_what_the_diaries_say(box: Box) -> None:
    serve(box, room=True)
    for name, slot in (("anna", LESSONS[2]), ("ben", TALKS[0]), ("carla", LESSONS[0])):
        await box.hold(name, slot)
    await box.renew("anna", version=1)
    await box.change("ben", Line(TALKS[2], 2))
    pin = await box.pin("anna")
    await box.release("carla")
    assert await told(box) == await diaries(box)
    await box.commit("anna", BookedSeats(LESSONS[2], 1, 1), fence=pin.fence)
    fence = (await box.pin("ben")).fence
    await box.unpin("ben", fence=fence)
    await box.advance(HOLD_LENGTH * 2)
    await box.sweep()

    assert await told(box) == await diaries(box)
    booked = [claim for of_day in (await diaries(box)).values() for diary in of_day.values() for claim in diary.claims]
    assert {(claim.slot_id, claim.is_booked, claim.frees_at) for claim in booked} == {(LESSONS[2].id, True, None)}
    await box.pin("ben")
    assert await told(box) == await diaries(box)


async def test_a_hold_without_claims_tells_nothing_of_anybody(box: Box) -> None:
    await box.hold("anna")

    (update,) = [one for one in await box.feed.tail("tenuto", 10) if isinstance(one, SeatsMoved)]
    assert update.claims == ()


async def test_what_holds_alone_have_taken_may_free_up_and_what_is_booked_does_not(box: Box) -> None:
    box.capacity = 2
    for slot in (TALKS[0], LESSONS[0]):
        box.needs[slot] = by(PIA, of=slot, seats=2 if slot is TALKS[0] else 1)
    hold = await box.hold("anna", LESSONS[0])

    beside = await public(box, TALKS[0])
    assert (beside.left, beside.state, beside.seats.frees_at) == (0, SlotState.HELD, hold.expires_at)
    pin = await box.pin("anna")
    beside = await public(box, TALKS[0])
    assert (beside.left, beside.state, beside.seats.frees_at) == (0, SlotState.HELD, None)
    await box.commit("anna", BookedSeats(LESSONS[0], 1, 1), fence=pin.fence)
    beside = await public(box, TALKS[0])
    assert (beside.left, beside.state, beside.seats.frees_at) == (0, SlotState.FULL, None)


async def test_a_claim_over_midnight_counts_once(box: Box) -> None:
    box.capacity = 6
    night = at("talk", 90)
    box.needs[night] = by(PIA, of=night, seats=6)
    assert len(days_touched(box.needs[night][0])) == 2
    await box.hold("anna", Line(night, 2))

    assert (await public(box, night)).left == 4
    assert await left(box, night) == 4


@pytest.mark.parametrize("seed", range(4))
async def test_seats_are_granted_exactly_as_far_as_they_are_left(box: Box, seed: int) -> None:
    """The engine is the oracle. The version rises with whatever is left, and never goes back."""
    chance = random.Random(seed)  # noqa: S311
    box.capacity = 5
    serve(box, each=chance.choice((1, 2)), room=seed % 2 == 1)
    seen: dict[Slot, Seats] = {}
    granted = refused = 0
    for step in range(60):
        await _do_anything(box, f"visitor-{step}", chance)
        slot = chance.choice(TALKS + LESSONS)
        shown = await public(box, slot)
        before = seen.get(slot, Seats())
        assert shown.seats == before or shown.seats.version > before.version
        seen[slot] = shown.seats
        now_left, wanted = await left(box, slot), chance.randint(1, 4)
        try:
            await box.hold(f"trial-{step}", Line(slot, wanted))
        except SlotFull:
            refused += 1
            assert now_left < wanted
        else:
            granted += 1
            assert now_left >= wanted
            await box.release(f"trial-{step}")
        assert await told(box) == await diaries(box)
    assert granted > 5
    assert refused > 5


async def _do_anything(box: Box, name: str, chance: random.Random) -> None:
    slots: Sequence[Slot] = TALKS + LESSONS
    before = f"visitor-{chance.randint(0, 20)}"
    try:
        match chance.randrange(8):
            case 0 | 1 | 2 | 3:
                await box.hold(name, *(Line(slot, chance.randint(1, 2)) for slot in chance.sample(slots, 2)))
            case 4:
                await box.release(before)
            case 5:
                await box.change(before, Line(chance.choice(slots), 1))
            case 6:
                await box.pin(before)
            case 7:
                await box.advance(HOLD_LENGTH / 4)
                await box.sweep()
    except Refusal:
        pass
