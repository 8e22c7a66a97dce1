import asyncio
import gc
from collections.abc import Sequence
from datetime import timedelta

import anyio
import pytest

from tests.engine.box import HOLD_LENGTH, MASSAGE, RETRY, WINDOW, YOGA, Box, site, slot
from widget_server.domain.events import SeatsMoved
from widget_server.domain.holds import HoldState, Line
from widget_server.domain.slots import Seats
from widget_server.engine import keys, sweeping
from widget_server.engine.kept import DueHold
from widget_server.engine.wire import Reply, Word
from widget_server.errors import Unavailable

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("only_declared")]


async def test_due_holds_end_and_the_feed_is_told(box: Box) -> None:
    await box.hold("anna", Line(YOGA, 2), MASSAGE)
    await box.advance(HOLD_LENGTH)

    swept = await box.sweep()

    assert (swept.ended, swept.next_due, swept.to_resolve) == (1, None, ())
    assert await box.seats(YOGA) == Seats(version=2)
    assert (await box.find("anna")).state is HoldState.EXPIRED
    (told,) = await box.feed.tail("tenuto", 1)
    assert isinstance(told, SeatsMoved)
    assert (told.cause, told.hold_ids) == ("expire", ("anna",))
    assert told.seats == ((YOGA.id, Seats(version=2)), (MASSAGE.id, Seats(version=2)))


async def test_nothing_ends_before_its_deadline(box: Box) -> None:
    hold = await box.hold("anna")
    await box.advance(HOLD_LENGTH - timedelta(seconds=2))

    swept = await box.sweep()

    assert (swept.ended, swept.next_due) == (0, hold.expires_at)


async def test_a_hold_ends_once_though_many_sweep(box: Box) -> None:
    for number in range(8):
        await box.hold(f"visitor-{number}", MASSAGE if number % 2 else YOGA)
    await box.advance(HOLD_LENGTH)

    ended: list[int] = []

    async def sweep() -> None:
        ended.append((await box.sweep()).ended)

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(sweep)

    assert sum(ended) == 8
    updates = await box.feed.tail("tenuto", 100)
    moves = [told for told in updates if isinstance(told, SeatsMoved) and told.cause == "expire"]
    assert sorted(hold_id for told in moves for hold_id in told.hold_ids) == [
        f"visitor-{number}" for number in range(8)
    ]


async def test_many_due_holds_end_some_at_a_time(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever more of them, up to a limit. Those after them are read before they are gone, and all in one sweep."""
    for name, number in (("SWEEP_FIRST", 8), ("SWEEP_GROWTH", 2), ("SWEEP_MAX", 32)):
        monkeypatch.setattr(sweeping, name, number)
    box.capacity = 200
    for number in range(80):
        await box.hold(f"visitor-{number:02}", YOGA if number % 3 else MASSAGE)
    await box.advance(HOLD_LENGTH)

    swept = await box.sweep()

    assert (swept.ended, swept.next_due) == (80, None)
    told = [one for one in await box.feed.tail("tenuto", 80) if isinstance(one, SeatsMoved) and one.cause == "expire"]
    assert [len(one.hold_ids) for one in told] == [8, 16, 32, 24]
    assert [(await box.seats(of)).held for of in (YOGA, MASSAGE)] == [0, 0]


async def test_however_many_holds_live_few_are_read_where_few_are_due(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "SWEEP_FIRST", 4)
    box.capacity = 20
    await box.hold("anna")
    await box.advance(HOLD_LENGTH)
    for number in range(12):
        await box.hold(f"visitor-{number:02}")
    looks: list[int] = []
    read = box.connection.read

    async def seen(*commands: Sequence[Word]) -> list[Reply]:
        answers = await read(*commands)
        looks.extend(len(answer) // 2 for (verb, *_), answer in zip(commands, answers, strict=True) if verb == "ZRANGE")
        return answers

    monkeypatch.setattr(box.connection, "read", seen)
    assert (await box.sweep()).ended == 1
    assert looks == [4]


async def test_a_redis_that_goes_away_during_a_sweep_is_told_once(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the next ones meanwhile fails as well, and leaves nothing behind that nobody looks at."""
    monkeypatch.setattr(sweeping, "SWEEP_FIRST", 1)
    unheard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(context["message"]))
    for name in ("anna", "ben"):
        await box.hold(name)
    await box.advance(HOLD_LENGTH)
    read_due = box.engine._due

    async def first_due(partition: str, many: int, *, after: int) -> list[DueHold]:
        if after:
            await is_away()
        return await read_due(partition, many, after=after)

    async def is_away(*_: object) -> list[Reply]:
        raise Unavailable("It is away.")

    monkeypatch.setattr(box.engine, "_due", first_due)
    monkeypatch.setattr(box.engine, "_run", is_away)
    with pytest.raises(Unavailable):
        await box.sweep()
    await asyncio.sleep(0)
    gc.collect()
    assert unheard == []


async def test_a_line_that_has_gone_before_its_hold_ends_is_not_counted_twice(box: Box) -> None:
    """Ben needs seats of expired holds, so these lines are dropped first; the others leave with what is left."""
    box.capacity = 4
    for number in range(4):
        await box.hold(f"visitor-{number}")
    await box.advance(HOLD_LENGTH)
    await box.hold("ben", Line(YOGA, 2))

    swept, seats = await box.sweep(), await box.seats()

    assert (swept.ended, seats.held, seats.version) == (4, 2, 6)
    await box.counts_are_right()


async def test_of_holds_that_end_together_the_feed_is_told_what_they_leave(box: Box) -> None:
    """Also where one script ends several holds of a slot, and others go on."""
    box.capacity = 100
    await box.hold("zoe", Line(YOGA, 3))
    await box.pin("zoe")
    for number in range(40):
        await box.hold(f"visitor-{number}", Line(YOGA, 2), *([MASSAGE] if number % 2 else []))
    await box.advance(HOLD_LENGTH)

    assert (await box.sweep()).ended == 40
    first, last = [one for one in await box.feed.tail("tenuto", 2) if isinstance(one, SeatsMoved)]
    assert (len(first.hold_ids), len(last.hold_ids)) == (32, 8)
    assert {*first.hold_ids, *last.hold_ids} == {f"visitor-{number}" for number in range(40)}
    of_yoga, of_massage = (dict(first.seats)[of.id] for of in (YOGA, MASSAGE))
    with_massage = sum(int(hold_id.removeprefix("visitor-")) % 2 for hold_id in last.hold_ids)
    assert (of_yoga.held, of_yoga.version, of_massage.held, of_massage.version) == (3 + 2 * 8, 43, with_massage, 21)
    assert dict(last.seats) == {YOGA.id: Seats(3, version=44), MASSAGE.id: Seats(version=22)}
    assert (await box.seats(YOGA), await box.seats(MASSAGE)) == (Seats(3, version=44), Seats(version=22))


async def test_holds_of_the_same_slot_are_ended_together(box: Box) -> None:
    """In whichever order they are due: each script counts a slot once, and the feed tells of it once."""
    box.capacity = 100
    for number in range(64):
        await box.hold(f"visitor-{number}", MASSAGE if number % 2 else YOGA)
    await box.advance(HOLD_LENGTH)

    assert (await box.sweep()).ended == 64
    told = [one for one in await box.feed.tail("tenuto", 2) if isinstance(one, SeatsMoved)]
    assert {one.seats for one in told} == {((of.id, Seats(version=33)),) for of in (YOGA, MASSAGE)}


async def test_a_hold_is_swept_by_its_own_deadline_whatever_the_due_set_says(box: Box) -> None:
    """Where that is too early, it is put right, so that nobody looks at the hold again and again."""
    hold = await box.hold("anna")
    await box.connection.read(("ZADD", "{tenuto}:due", 1, "studio/anna"))

    swept = await box.sweep()

    assert (swept.ended, swept.next_due) == (0, hold.expires_at)


async def test_one_script_ends_only_so_many_lines(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board remembers some hundreds of slots: whoever is told of more at once reads everything anew."""
    monkeypatch.setattr(sweeping, "LINES_AT_ONCE", 4)
    box.capacity = 100
    for number in range(5):
        await box.hold(f"visitor-{number}", YOGA, MASSAGE)
    await box.hold("zoe", *(slot(hour=hour) for hour in range(6)))
    await box.advance(HOLD_LENGTH)

    assert (await box.sweep()).ended == 6
    told = [one for one in await box.feed.tail("tenuto", 4) if isinstance(one, SeatsMoved)]
    assert [len(one.hold_ids) for one in told] == [2, 2, 1, 1]


@pytest.mark.parametrize("figures", [None, "-1:0:3:0"])
async def test_a_slot_whose_count_is_lost_does_not_keep_others_from_ending(box: Box, figures: str | None) -> None:
    """It is for the audit to count it anew."""
    await box.hold("anna", YOGA, MASSAGE)
    await box.hold("ben", MASSAGE)
    (day, lines), field = keys.of_site("tenuto", box.site.key).seats(YOGA.id), YOGA.id.partition("T")[2]
    await box.connection.read(("HDEL", day, field) if figures is None else ("HSET", day, field, figures))
    await box.advance(HOLD_LENGTH)

    assert (await box.sweep()).ended == 2
    assert (await box.seats(MASSAGE)).held == 0
    assert await box.connection.read(("HGET", day, field), ("EXISTS", lines)) == [figures, 0]
    await box.connection.read(("HDEL", day, field))


async def test_a_pinned_hold_is_never_swept_but_named_to_be_resolved(box: Box) -> None:
    await box.hold("anna")
    await box.pin("anna")
    await box.advance(WINDOW)

    swept = await box.sweep()

    assert (swept.ended, swept.to_resolve) == (0, (("studio", "anna"),))
    assert swept.next_due == swept.now + RETRY
    assert (await box.seats()).held == 1


async def test_a_pinned_hold_is_named_again_only_after_a_while_and_lets_others_pass(box: Box) -> None:
    await box.hold("anna")
    await box.pin("anna")
    await box.advance(WINDOW)
    await box.sweep()
    await box.hold("ben")

    assert (await box.sweep()).to_resolve == ()
    await box.advance(RETRY)
    assert (await box.sweep()).to_resolve == (("studio", "anna"),)
    await box.advance(HOLD_LENGTH)
    assert (await box.sweep()).ended == 1


async def test_a_hold_that_is_renewed_in_time_is_left_alone(box: Box) -> None:
    await box.hold("anna")
    await box.advance(HOLD_LENGTH - timedelta(seconds=5))
    await box.renew("anna", version=1)
    await box.advance(timedelta(seconds=5))

    assert (await box.sweep()).ended == 0


async def test_one_sweep_serves_all_sites_of_a_partition(box: Box) -> None:
    other = Box(box.connection, site("gym"))
    await other.fill()
    await box.hold("anna")
    await other.hold("ben")
    await box.advance(HOLD_LENGTH)

    assert (await box.sweep()).ended == 2
    assert (await other.find("ben")).state is HoldState.EXPIRED


async def test_what_is_due_but_nowhere_to_be_found_does_not_stand_in_the_way(box: Box) -> None:
    await box.connection.read(("ZADD", "{tenuto}:due", 1, "studio/nobody"))

    swept = await box.sweep()

    assert (swept.ended, swept.next_due) == (0, None)


async def test_a_slot_that_is_counted_too_low_can_still_be_read_after_a_sweep(box: Box) -> None:
    """As after a file that lost some of it. Less than nothing would be in the way of every verb on that slot."""
    await box.hold("anna", Line(YOGA, 3))
    day, _ = keys.of_site("tenuto", "studio").seats(YOGA.id)
    await box.connection.read(("HSET", day, YOGA.id.partition("T")[2], "1:2:7:2"))
    await box.advance(HOLD_LENGTH)

    assert (await box.sweep()).ended == 1

    assert await box.seats(YOGA) == Seats(held=0, booked=2, version=8)
    await box.hold("ben", Line(YOGA, 1))
    assert await box.seats(YOGA) == Seats(held=1, booked=2, version=9, frees_at=(await box.find("ben")).expires_at)


async def test_the_clock_never_goes_back(box: Box) -> None:
    hold = await box.hold("anna")
    ((seconds, _),) = await box.connection.read(("TIME",))
    # The machine's clock falls back by a minute: what was seen is a minute later than what it says.
    await box.connection.read(("HSET", "{tenuto}:clock", "seen", (int(seconds) + 60) * 1000))

    later = await box.hold("ben")

    assert later.now >= hold.now + timedelta(seconds=59)
    after = await box.hold("ben")
    assert after.now >= later.now
    await anyio.sleep(0.02)
    assert (await box.hold("ben")).now > after.now
